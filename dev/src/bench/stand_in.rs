//! What stands in for OpenFaaS, so that nothing but the bridge costs anything: a gateway that takes every invocation
//! with 202 and then calls back at once, or never.

use super::{BenchError, io_error};
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::{get, post},
};
use serde_json::json;
use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// The function that it says it has: the one of the template.
const FUNCTION: &str = "otbcli";

/// The gateway, running. It ends with this value.
pub struct StandIn {
    url: String,
    gateway: Gateway,
    server: JoinHandle<()>,
}

#[derive(Clone)]
struct Gateway {
    arrived: Arc<watch::Sender<usize>>,
    last: Arc<Mutex<Option<Instant>>>,
    answers: Arc<AtomicBool>,
    http: reqwest::Client,
}

impl StandIn {
    /// Listens on a free port.
    pub async fn start() -> Result<Self, BenchError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(io_error(Path::new("127.0.0.1:0")))?;
        let address = listener.local_addr().map_err(io_error(Path::new("127.0.0.1:0")))?;
        let http = zeebe2faas::tls::plain_http().build()?;
        let gateway = Gateway { arrived: Arc::default(), last: Arc::default(), answers: Arc::default(), http };
        let router = Router::new()
            .route("/async-function/{name}", post(take))
            .route("/system/functions", get(async || Json(json!([{ "name": FUNCTION }]))))
            .with_state(gateway.clone());
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the gateway's stand-in failed");
            }
        });
        Ok(Self { url: format!("http://{address}"), gateway, server })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether functions answer at once, or never. Begins to count anew.
    pub fn begin(&self, answers: bool) {
        self.gateway.answers.store(answers, Ordering::Release);
        self.gateway.arrived.send_replace(0);
    }

    /// How many invocations came since the beginning.
    pub fn arrived(&self) -> watch::Receiver<usize> {
        self.gateway.arrived.subscribe()
    }

    /// When the last invocation came.
    pub fn last(&self) -> Option<Instant> {
        *self.gateway.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn take(State(gateway): State<Gateway>, headers: HeaderMap, _body: axum::body::Bytes) -> StatusCode {
    let now = Instant::now();
    *gateway.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    gateway.arrived.send_modify(|count| *count += 1);
    if gateway.answers.load(Ordering::Acquire) {
        tokio::spawn(call_back(gateway, headers));
    }
    StatusCode::ACCEPTED
}

/// As OpenFaaS's queue worker does it: once, with the function's body and status.
async fn call_back(gateway: Gateway, headers: HeaderMap) {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let sent = gateway
        .http
        .post(header("x-callback-url"))
        .header("x-call-id", header("x-call-id"))
        .header("x-function-name", FUNCTION)
        .header("x-function-status", "200")
        .header("x-duration-seconds", "0.001")
        .body("done")
        .send()
        .await;
    match sent.and_then(reqwest::Response::error_for_status) {
        Ok(_) => {}
        Err(error) => tracing::error!(%error, "a callback was not taken"),
    }
}
