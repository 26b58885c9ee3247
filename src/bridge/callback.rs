//! The listener that functions' answers arrive at: `POST /callback/{token}`.

use super::{Bridge, NotTaken, body::read_up_to, classify::Callback, probe, token::Claims};
use crate::clock::now_ms;
use axum::{
    Router,
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, StatusCode},
    routing::{get, post},
};

/// The callback listener's routes. A request that is not genuine learns nothing but 401.
pub fn router(bridge: Bridge) -> Router {
    let probes = probe::router(bridge.settings().keys.token.clone());
    let routes = Router::new().route("/callback/{token}", post(receive)).route("/healthz", get(async || "ok\n"));
    routes.with_state(bridge).merge(probes)
}

/// What is genuine is taken to its end, also when its sender has gone away meanwhile: it is never repeated.
async fn receive(
    State(bridge): State<Bridge>,
    token: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> (StatusCode, &'static str) {
    let key = &bridge.settings().keys.token;
    let claims = token.ok().and_then(|Path(token)| Claims::open(&token, key, now_ms()));
    let Some(claims) = claims.filter(|claims| is_for(claims, &headers)) else {
        bridge.metrics().callback("rejected");
        return (StatusCode::UNAUTHORIZED, "unauthorized\n");
    };
    let taken = bridge.clone().take(claims, headers, body);
    match bridge.0.tasks.spawn(taken).await {
        Ok(Ok(())) => (StatusCode::OK, "ok\n"),
        Ok(Err(NotTaken)) => (StatusCode::SERVICE_UNAVAILABLE, "neither ledger nor Zeebe can take it\n"),
        Err(error) => {
            tracing::error!(%error, "a callback's work broke off");
            (StatusCode::INTERNAL_SERVER_ERROR, "failed\n")
        }
    }
}

/// Whether the callback does not say itself that it is another call's. OpenFaaS says whose it is.
fn is_for(claims: &Claims, headers: &HeaderMap) -> bool {
    headers.get("x-call-id").is_none_or(|id| id.as_bytes() == claims.call_id().as_str().as_bytes())
}

impl Bridge {
    /// Reads the body, within its limits of size and time, and acts on it. What arrived of a body that breaks off or
    /// stalls counts as a cut one.
    async fn take(self, claims: Claims, headers: HeaderMap, body: Body) -> Result<(), NotTaken> {
        let settings = &self.settings().callback;
        // Closed never: the semaphore lives as long as this handle.
        let _room = self.callback_room().acquire().await;
        let mut read = Vec::new();
        let reading = read_up_to(body, settings.body_limit_bytes, &mut read);
        let truncated = match tokio::time::timeout(settings.read_timeout, reading).await {
            Ok(Ok(truncated)) => truncated,
            Ok(Err(error)) => {
                tracing::warn!(%error, "a callback broke off; what arrived counts");
                true
            }
            Err(_) => {
                tracing::warn!(timeout = ?settings.read_timeout, "a callback took too long to arrive; what came counts");
                true
            }
        };
        let callback = Callback::new(&headers, &read, truncated);
        self.receive(claims.into_pending(), &callback).await
    }
}
