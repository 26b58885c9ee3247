//! The second listener, for people and machines of the site: health, metrics, the calls, the operator's page.

pub mod actions;
mod calls;
mod events;
mod page;

use crate::{
    bridge::{Bridge, activate::Connection},
    clock::now_ms,
    ledger::LedgerReader,
    metrics::Standing,
};
use axum::{
    Router,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::get,
};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What the routes need. Cheap to clone.
#[derive(Clone)]
pub struct Admin {
    /// The steps, for their figures.
    pub bridge: Bridge,
    /// The ledger's file, which the calls are read from.
    pub ledger_path: PathBuf,
    /// Whether the bridge is ready.
    pub readiness: Readiness,
    /// Ends the streams of events.
    pub stop: CancellationToken,
}

/// Whether the bridge is ready: every worker is connected to Zeebe, and nobody has told it to stop.
#[derive(Clone, Default)]
pub struct Readiness {
    workers: Vec<(String, watch::Receiver<Connection>)>,
    stopping: Arc<AtomicBool>,
}

impl Readiness {
    /// Counts a worker in.
    pub fn add_worker(&mut self, job_type: String, connection: watch::Receiver<Connection>) {
        self.workers.push((job_type, connection));
    }

    /// It is about to stop.
    pub fn stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    fn reason(&self) -> Option<String> {
        if self.stopping.load(Ordering::Relaxed) {
            return Some("stopping".to_owned());
        }
        self.workers.iter().find_map(|(job_type, connection)| match &*connection.borrow() {
            Connection::Connected => None,
            Connection::Connecting => Some(format!("job type {job_type}: waiting for Zeebe")),
            Connection::Waiting { reason } => Some(format!("job type {job_type}: waiting for Zeebe: {reason}")),
        })
    }
}

/// `/`, `/calls/{id}`, `/api/calls` and the [`actions`] below it, `/api/events`, `/healthz`, `/readyz`, `/metrics`.
pub fn router(admin: Admin) -> Router {
    Router::new()
        .route("/", get(page::list))
        .route("/calls/{id}", get(page::show))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/api/calls", get(calls::list))
        .route("/api/calls/{id}", get(calls::show))
        .route("/api/events", get(events::stream))
        .merge(actions::router(&admin))
        .layer(map_response(with_headers))
        .with_state(admin)
}

/// No answer is taken for what it is not, kept, or told to another site.
async fn with_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn ready(State(admin): State<Admin>) -> (StatusCode, String) {
    match admin.readiness.reason() {
        None => (StatusCode::OK, "ready\n".to_owned()),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

async fn metrics(State(admin): State<Admin>) -> Response {
    let open = match calls::read(&admin, LedgerReader::open_calls).await {
        Ok(open) => Some(open),
        Err((_, reason)) => {
            tracing::error!(reason = reason.trim(), "the figures of open calls are left out");
            None
        }
    };
    let bridge = &admin.bridge;
    let standing = Standing { counts: bridge.counts(), load: bridge.load(), open, now_ms: now_ms() };
    match bridge.metrics().encode(&standing) {
        Ok(text) => ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
            .into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
