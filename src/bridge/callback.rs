//! The listener that functions' answers arrive at: `POST /callback/{token}`.

use super::{
    Bridge, NotTaken,
    body::read_up_to,
    classify::Callback,
    handed_on::{Arrived, HANDED_ON_HEADER},
    probe,
    token::Claims,
};
use crate::{clock::now_ms, config, ledger::Pending};
use axum::{
    Router,
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, StatusCode},
    routing::{get, post},
};
use tracing::Instrument;
use zeebe2faas_contract::KeyRing;

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
    let (claims, token) = match open(token, &headers, &bridge.settings().keys.token.current()) {
        Ok(genuine) => genuine,
        Err(reason) => {
            bridge.metrics().rejected_callback(reason);
            return UNAUTHORIZED;
        }
    };
    let span = claims.span();
    let taken = bridge.clone().take(claims, token, headers, body);
    match bridge.0.tasks.spawn(taken.instrument(span)).await {
        Ok(Some(Ok(()))) => (StatusCode::OK, "ok\n"),
        Ok(Some(Err(NotTaken))) => (StatusCode::SERVICE_UNAVAILABLE, "neither ledger nor Zeebe can take it\n"),
        Ok(None) => {
            bridge.metrics().rejected_callback("handed_on");
            UNAUTHORIZED
        }
        Err(error) => {
            tracing::error!(%error, "a callback's work broke off");
            (StatusCode::INTERNAL_SERVER_ERROR, "failed\n")
        }
    }
}

pub(super) const UNAUTHORIZED: (StatusCode, &str) = (StatusCode::UNAUTHORIZED, "unauthorized\n");

/// What a genuine token says, if the callback does not say itself that it is another call's; OpenFaaS says whose it is.
/// Else why not, in a word for the figures; the sender never learns it.
pub(super) fn open(
    token: Result<Path<String>, PathRejection>,
    headers: &HeaderMap,
    ring: &KeyRing,
) -> Result<(Claims, String), &'static str> {
    let Path(token) = token.map_err(|_| "forged")?;
    let Some(claims) = Claims::open(&token, ring, now_ms()) else {
        return Err(if Claims::open(&token, ring, 0).is_some() { "expired" } else { "forged" });
    };
    let is_its_own = headers.get("x-call-id").is_none_or(|id| id.as_bytes() == claims.call_id().as_str().as_bytes());
    if is_its_own { Ok((claims, token)) } else { Err("another_call") }
}

/// Reads the body, within its limits of size and time. What arrived of a body that breaks off or stalls counts as a cut
/// one.
pub(super) async fn read(headers: &HeaderMap, body: Body, limits: &config::Callback) -> Arrived {
    let mut read = Vec::new();
    let reading = read_up_to(body, limits.body_limit_bytes, &mut read);
    let truncated = match tokio::time::timeout(limits.read_timeout, reading).await {
        Ok(Ok(truncated)) => truncated,
        Ok(Err(error)) => {
            tracing::warn!(%error, "a callback broke off; what arrived counts");
            true
        }
        Err(_) => {
            tracing::warn!(timeout = ?limits.read_timeout, "a callback took too long to arrive; what came counts");
            true
        }
    };
    Arrived::new(headers, read.into(), truncated)
}

impl Bridge {
    /// Reads the body and acts on it. Nothing where it claims to come from another replica and does not.
    async fn take(self, claims: Claims, token: String, headers: HeaderMap, body: Body) -> Option<Result<(), NotTaken>> {
        let Some(_turn) = self.turns().begin(claims.call_id()) else {
            tracing::warn!("many callbacks of one call at once; this one's body is not read");
            return Some(self.take_unread(claims.into_pending()).await);
        };
        let handed_on = headers.contains_key(HANDED_ON_HEADER);
        // What another replica hands on waits for none that this one hands on. Closed never: the semaphores live as long
        // as this handle.
        let room = if handed_on { self.handed_on_room() } else { self.callback_room() };
        let _room = room.acquire().await;
        let arrived = read(&headers, body, &self.settings().callback).await;
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
