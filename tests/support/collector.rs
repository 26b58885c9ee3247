//! An OTLP collector that keeps what it is sent.

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use prost::Message;
use std::net::SocketAddr;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use zeebe2faas::traces::proto::{ExportTraceServiceRequest, KeyValue, Span, any_value::Value};

/// The collector. Dropped, it ends.
pub struct Collector {
    address: SocketAddr,
    seen: watch::Sender<Seen>,
    server: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    spans: Vec<Exported>,
    requests: usize,
    answers: Vec<u16>,
    away: bool,
}

/// A span, and the service that it is of.
#[derive(Debug, Clone)]
pub struct Exported {
    /// `service.name`.
    pub service: String,
    /// The span.
    pub span: Span,
}

impl Exported {
    /// An attribute's value as text.
    pub fn attribute(&self, key: &str) -> Option<String> {
        value(&self.span.attributes, key)
    }
}

impl Collector {
    /// On a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let (address, seen) = (listener.local_addr().expect("an address"), watch::Sender::default());
        let routes = Router::new().route("/v1/traces", post(take)).with_state(seen.clone());
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.expect("serving never fails") });
        Self { address, seen, server }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it takes nothing (503), or does again.
    pub fn is_away(&self, away: bool) {
        self.seen.send_modify(|seen| seen.away = away);
    }

    /// The next requests get these statuses, and are not kept.
    pub fn answers(&self, statuses: &[u16]) {
        self.seen.send_modify(|seen| seen.answers.extend(statuses.iter().rev()));
    }

    /// Waits for so many spans, and gives all.
    pub async fn spans(&self, count: usize) -> Vec<Exported> {
        let mut seen = self.seen.subscribe();
        let seen = crate::soon(seen.wait_for(|seen| seen.spans.len() >= count)).await.expect("the sender is here");
        seen.spans.clone()
    }

    /// Waits until it was asked so often.
    pub async fn was_asked(&self, times: usize) {
        let mut seen = self.seen.subscribe();
        drop(crate::soon(seen.wait_for(|seen| seen.requests >= times)).await.expect("the sender is here"));
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn take(State(seen): State<watch::Sender<Seen>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let scripted = {
        let mut answer = None;
        seen.send_modify(|seen| {
            seen.requests += 1;
            answer = seen.away.then_some(503).or_else(|| seen.answers.pop());
        });
        answer
    };
    if let Some(status) = scripted {
        return StatusCode::from_u16(status).expect("a status");
    }
    if headers.get("content-type").is_none_or(|kind| kind != "application/x-protobuf") {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE;
    }
    let Ok(request) = ExportTraceServiceRequest::decode(body) else { return StatusCode::BAD_REQUEST };
    seen.send_modify(|seen| {
        for resource in request.resource_spans {
            let attributes = resource.resource.unwrap_or_default().attributes;
            let service = value(&attributes, "service.name").expect("a name");
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            seen.spans.extend(spans.map(|span| Exported { service: service.clone(), span }));
        }
    });
    StatusCode::OK
}

fn value(attributes: &[KeyValue], key: &str) -> Option<String> {
    let attribute = attributes.iter().find(|attribute| attribute.key == key)?;
    match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        _ => None,
    }
}
