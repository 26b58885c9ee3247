//! The listener that functions' answers arrive at: `POST /callback/{token}`.

use super::{Bridge, body::read_up_to, outcome::Callback, token::Claims};
use crate::clock::now_ms;
use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    routing::{get, post},
};
use zeebe2faas_contract::SIGNATURE_HEADER;

/// The callback listener's routes. A request that is not genuine learns nothing but 401.
pub fn router(bridge: Bridge) -> Router {
    Router::new().route("/callback/{token}", post(receive)).route("/healthz", get(async || "ok\n")).with_state(bridge)
}

async fn receive(
    State(bridge): State<Bridge>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> (StatusCode, &'static str) {
    let keys = &bridge.settings().keys;
    let Some(claims) = Claims::open(&token, &keys.token, now_ms()) else {
        bridge.metrics().callback("rejected");
        return (StatusCode::UNAUTHORIZED, "unauthorized\n");
    };
    let Ok(_room) = bridge.callback_room().acquire().await else {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
    };
    let settings = &bridge.settings().callback;
    let read = tokio::time::timeout(settings.read_timeout, read_up_to(body, settings.body_limit_bytes)).await;
    let (body, truncated) = match read {
        Ok(Ok(read)) => read,
        Ok(Err(error)) => {
            tracing::warn!(%error, "a callback broke off; OpenFaaS will not repeat it, so what arrived counts");
            return provisional(&bridge, claims).await;
        }
        Err(_) => {
            tracing::warn!(timeout = ?settings.read_timeout, "a callback took too long to arrive");
            return provisional(&bridge, claims).await;
        }
    };
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let callback = Callback {
        status: header("x-function-status").and_then(|status| status.parse().ok()),
        signature: header(SIGNATURE_HEADER),
        duration_seconds: header("x-duration-seconds").and_then(|seconds| seconds.parse().ok()),
        body: &body,
        truncated,
    };
    answer(bridge.receive(claims.into_pending(), &callback).await)
}

/// A genuine callback without a readable body tells only that the function has answered.
async fn provisional(bridge: &Bridge, claims: Claims) -> (StatusCode, &'static str) {
    let callback = Callback { status: None, signature: None, duration_seconds: None, body: b"", truncated: true };
    answer(bridge.receive(claims.into_pending(), &callback).await)
}

fn answer(taken: Result<(), super::NotTaken>) -> (StatusCode, &'static str) {
    match taken {
        Ok(()) => (StatusCode::OK, "ok\n"),
        Err(super::NotTaken) => (StatusCode::SERVICE_UNAVAILABLE, "neither ledger nor Zeebe can take it\n"),
    }
}
