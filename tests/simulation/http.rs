//! HTTP in memory: messages that are late, lost, or there twice.

use crate::world::{Fate, World};
use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode},
};
use std::{pin::Pin, sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use zeebe2faas::transport::{Failure, Sent};

/// Far above all limits.
const MOST_BYTES: usize = 16 << 20;

#[derive(Clone)]
pub struct Message {
    pub method: Method,
    /// With the query.
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

#[derive(Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Why nobody answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    NobodyListens,
    BrokeOff,
}

pub type Serving = Pin<Box<dyn Future<Output = Result<Answer, Silence>> + Send>>;
pub type Server = Arc<dyn Fn(Message) -> Serving + Send + Sync>;

impl Answer {
    pub fn plain(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, headers: HeaderMap::new(), body: body.into() }
    }
}

impl Message {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// Asks a process that may end meanwhile.
pub async fn serve(router: Router, life: CancellationToken, message: Message) -> Result<Answer, Silence> {
    let Message { method, path, headers, body } = message;
    let mut request = Request::new(Body::from(body));
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().expect("a path");
    *request.headers_mut() = headers;
    let answer = async {
        let (head, body) = router.oneshot(request).await.expect("a router").into_parts();
        let body = to_bytes(body, MOST_BYTES).await.expect("a body");
        Answer { status: head.status.as_u16(), headers: head.headers, body }
    };
    life.run_until_cancelled(answer).await.ok_or(Silence::BrokeOff)
}

/// Sends a message on its way, waits for the answer.
pub async fn send(
    world: &Arc<World>,
    what: &str,
    message: Message,
    limit: Duration,
    server: Server,
) -> Result<Answer, Failure> {
    let way = world.way();
    let failure = |sent, reason: &str| Err(Failure { sent, reason: reason.to_owned() });
    let (method, path) = (message.method.clone(), shortened(&message.path).to_owned());
    let answered = timeout(limit, async {
        sleep(way.there).await;
        match way.fate {
            Fate::Refused => return failure(Sent::Not, "connection refused"),
            Fate::Lost => std::future::pending().await,
            Fate::Arrives | Fate::AnswerLost => {}
        }
        // It goes on when nobody waits any more.
        let answer = tokio::spawn(server(message.clone())).await.expect("no panic");
        // What nobody took is nowhere.
        if let (Some(later), true) = (way.again, answer != Err(Silence::NobodyListens)) {
            tokio::spawn(async move {
                sleep(later).await;
                drop(server(message).await);
            });
        }
        sleep(way.back).await;
        match answer {
            Err(Silence::NobodyListens) => failure(Sent::Not, "connection refused"),
            Err(Silence::BrokeOff) => failure(Sent::Maybe, "connection reset"),
            Ok(_) if way.fate == Fate::AnswerLost => failure(Sent::Maybe, "connection reset"),
            Ok(answer) => Ok(answer),
        }
    });
    let answer = answered.await.unwrap_or_else(|_| failure(Sent::Maybe, "no answer in time"));
    match &answer {
        Ok(answer) => world.line(format_args!("{what} {method} {path} -> {}", answer.status)),
        Err(failure) => world.line(format_args!("{what} {method} {path} -> {failure}")),
    }
    answer
}

/// From and to what the product uses.
pub fn message(request: &reqwest::Request) -> Message {
    let url = request.url();
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    Message {
        method: request.method().clone(),
        path: format!("{}{query}", url.path()),
        headers: request.headers().clone(),
        body: request.body().and_then(|body| body.as_bytes()).map(Bytes::copy_from_slice).unwrap_or_default(),
    }
}

pub fn response(answer: Answer) -> reqwest::Response {
    let mut response = axum::http::Response::new(reqwest::Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).expect("a status");
    *response.headers_mut() = answer.headers;
    response.into()
}

/// Tokens are long.
fn shortened(path: &str) -> &str {
    path.get(..40).unwrap_or(path)
}
