//! The listener that functions' answers arrive at: `POST /callback/{token}`.

use super::{
    Bridge, NotTaken,
    body::read_up_to,
    classify::Callback,
    handed_on::{Arrived, HANDED_ON_HEADER},
    probe,
    token::Claims,
};
use crate::{clock::now_ms, ledger::Pending};
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
    let key = bridge.settings().keys.token.current();
    let claims = token.ok().and_then(|Path(token)| Claims::open(&token, &key, now_ms()).map(|claims| (claims, token)));
    let Some((claims, token)) = claims.filter(|(claims, _)| is_for(claims, &headers)) else {
        bridge.metrics().callback("rejected");
        return UNAUTHORIZED;
    };
    let taken = bridge.clone().take(claims, token, headers, body);
    match bridge.0.tasks.spawn(taken).await {
        Ok(Some(Ok(()))) => (StatusCode::OK, "ok\n"),
        Ok(Some(Err(NotTaken))) => (StatusCode::SERVICE_UNAVAILABLE, "neither ledger nor Zeebe can take it\n"),
        Ok(None) => {
            bridge.metrics().callback("rejected");
            UNAUTHORIZED
        }
        Err(error) => {
            tracing::error!(%error, "a callback's work broke off");
            (StatusCode::INTERNAL_SERVER_ERROR, "failed\n")
        }
    }
}

const UNAUTHORIZED: (StatusCode, &str) = (StatusCode::UNAUTHORIZED, "unauthorized\n");
/// Whether the callback does not say itself that it is another call's. OpenFaaS says whose it is.
fn is_for(claims: &Claims, headers: &HeaderMap) -> bool {
    headers.get("x-call-id").is_none_or(|id| id.as_bytes() == claims.call_id().as_str().as_bytes())
}

impl Bridge {
    /// Reads the body, within its limits of size and time, and acts on it. What arrived of a body that breaks off or
    /// stalls counts as a cut one. Nothing where it claims to come from another replica and does not.
    async fn take(self, claims: Claims, token: String, headers: HeaderMap, body: Body) -> Option<Result<(), NotTaken>> {
        let Some(_turn) = self.turns().begin(claims.call_id()) else {
            tracing::warn!(call = %claims.call_id(), "many callbacks of one call at once; this one's body is not read");
            return Some(self.take_unread(claims.into_pending()).await);
        };
        let settings = &self.settings().callback;
        let handed_on = headers.contains_key(HANDED_ON_HEADER);
        // What another replica hands on waits for none that this one hands on. Closed never: the semaphores live as long
        // as this handle.
        let room = if handed_on { self.handed_on_room() } else { self.callback_room() };
        let _room = room.acquire().await;
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
        let arrived = Arrived::new(&headers, read.into(), truncated);
        if !handed_on {
            return Some(self.take_first_hand(claims, &token, arrived).await);
        }
        let delivered = arrived.open(&token, &headers, &self.settings().keys.token.current())?;
        Some(self.take_handed_on(claims, &arrived, delivered).await)
    }

    /// The runner of a guarded function is asked instead. Nothing else could tell what an unread answer said.
    async fn take_unread(&self, call: Pending) -> Result<(), NotTaken> {
        if !call.run_once {
            return Err(NotTaken);
        }
        self.receive(call, &Callback { truncated: true, ..Callback::default() }).await
    }
}
