//! An OAuth authorization server that does what a test tells it.
#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a test ends where its fake cannot start")]

use axum::{Form, Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::post};
use serde_json::json;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::JoinHandle,
};

/// The fake: its tokens are `token-1`, `token-2`, …
pub struct TokenServer {
    url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    state: Mutex<Told>,
    /// One permit lets one request be answered.
    gate: Semaphore,
    served: watch::Sender<usize>,
}

struct Told {
    lifetime_seconds: u64,
    refusals: VecDeque<(StatusCode, String)>,
    forms: Vec<HashMap<String, String>>,
    granted: usize,
}

impl TokenServer {
    /// Its tokens live this long.
    pub async fn start(lifetime_seconds: u64) -> Self {
        let told = Told { lifetime_seconds, refusals: VecDeque::new(), forms: Vec::new(), granted: 0 };
        let gate = Semaphore::new(Semaphore::MAX_PERMITS);
        let shared = Arc::new(Shared { state: Mutex::new(told), gate, served: watch::Sender::new(0) });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/oauth/token", listener.local_addr().expect("an address"));
        let router = Router::new().route("/oauth/token", post(grant)).with_state(shared.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { url, shared, task }
    }

    /// The token endpoint.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// The next request gets this instead of a token; more of them queue up.
    pub fn refuse(&self, status: StatusCode, body: &str) {
        self.shared.told().refusals.push_back((status, body.to_owned()));
    }

    /// From now on requests wait…
    pub fn hold(&self) {
        self.shared.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    /// …until now.
    pub fn release(&self) {
        self.shared.gate.add_permits(Semaphore::MAX_PERMITS);
    }

    /// The forms of all requests so far.
    pub fn forms(&self) -> Vec<HashMap<String, String>> {
        self.shared.told().forms.clone()
    }

    /// Waits until so many requests have arrived.
    pub async fn until_asked(&self, times: usize) {
        let mut served = self.shared.served.subscribe();
        crate::soon(served.wait_for(|served| *served >= times)).await.expect("the fake lives");
    }
}

impl Drop for TokenServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn grant(
    State(shared): State<Arc<Shared>>,
    Form(form): Form<HashMap<String, String>>,
) -> axum::response::Response {
    shared.told().forms.push(form);
    shared.served.send_modify(|served| *served += 1);
    let _open = shared.gate.acquire().await;
    let mut told = shared.told();
    if let Some((status, body)) = told.refusals.pop_front() {
        return (status, body).into_response();
    }
    told.granted += 1;
    let token = format!("token-{}", told.granted);
    Json(json!({ "access_token": token, "token_type": "Bearer", "expires_in": told.lifetime_seconds })).into_response()
}
