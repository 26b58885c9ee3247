//! An OpenFaaS gateway that takes every call and runs none.

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinHandle,
};

/// The fake. Dropped, it ends.
pub struct FakeOpenFaas {
    url: String,
    invocations: mpsc::UnboundedReceiver<Invocation>,
    questions: watch::Receiver<usize>,
    cancelled: watch::Receiver<Vec<String>>,
    functions: watch::Sender<Option<Vec<&'static str>>>,
    server: JoinHandle<()>,
}

/// What the bridge posted.
#[derive(Debug)]
pub struct Invocation {
    /// The function.
    pub function: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

#[derive(Clone)]
struct Seen {
    invocations: mpsc::UnboundedSender<Invocation>,
    questions: watch::Sender<usize>,
    cancelled: watch::Sender<Vec<String>>,
    functions: watch::Receiver<Option<Vec<&'static str>>>,
}

impl FakeOpenFaas {
    /// On a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (send, invocations) = mpsc::unbounded_channel();
        let functions = watch::Sender::default();
        let (questions, cancelled) = (watch::Sender::default(), watch::Sender::default());
        let seen = Seen { invocations: send, questions, cancelled, functions: functions.subscribe() };
        let (questions, cancelled) = (seen.questions.subscribe(), seen.cancelled.subscribe());
        let routes = Router::new()
            .route("/async-function/{name}", post(take).delete(cancel))
            .route("/function/{*question}", any(no_answer))
            .route("/system/functions", get(list))
            .with_state(seen);
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.expect("serving never fails") });
        Self { url, invocations, questions, cancelled, functions, server }
    }

    /// `http://HOST:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// It tells its functions from now on: these.
    pub fn tells(&self, functions: &[&'static str]) {
        self.functions.send_replace(Some(functions.to_vec()));
    }

    /// The next invocation.
    pub async fn invocation(&mut self) -> Invocation {
        crate::soon(self.invocations.recv()).await.expect("the server is here")
    }

    /// Whether there is no other invocation.
    pub fn is_idle(&self) -> bool {
        self.invocations.is_empty()
    }

    /// The calls whose invocations were cancelled.
    pub fn cancelled(&self) -> Vec<String> {
        self.cancelled.borrow().clone()
    }

    /// Waits until runners were asked about calls so many times.
    pub async fn was_asked(&mut self, times: usize) {
        crate::soon(self.questions.wait_for(|questions| *questions >= times)).await.expect("the server is here");
    }
}

impl Drop for FakeOpenFaas {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Invocation {
    /// Where the callback goes.
    pub fn callback_url(&self) -> &str {
        self.headers["x-callback-url"].to_str().expect("a text")
    }

    /// The end of the callback URL.
    pub fn token(&self) -> &str {
        self.callback_url().rsplit('/').next().expect("a path")
    }

    /// The call's id.
    pub fn call_id(&self) -> &str {
        self.headers["x-call-id"].to_str().expect("a text")
    }
}

async fn take(State(seen): State<Seen>, Path(function): Path<String>, headers: HeaderMap, body: Bytes) -> StatusCode {
    // A test that has ended does not look any more.
    let _ = seen.invocations.send(Invocation { function, headers, body });
    StatusCode::ACCEPTED
}

/// As OpenFaaS Pro does.
async fn cancel(State(seen): State<Seen>, Path(id): Path<String>) -> StatusCode {
    seen.cancelled.send_modify(|cancelled| cancelled.push(id));
    StatusCode::ACCEPTED
}

async fn no_answer(State(seen): State<Seen>) -> StatusCode {
    seen.questions.send_modify(|questions| *questions += 1);
    StatusCode::BAD_GATEWAY
}

/// Without credentials, the real one does not tell either.
async fn list(State(seen): State<Seen>) -> Response {
    let Some(names) = seen.functions.borrow().clone() else { return StatusCode::UNAUTHORIZED.into_response() };
    let functions: Vec<_> = names.into_iter().map(|name| serde_json::json!({ "name": name })).collect();
    Json(functions).into_response()
}
