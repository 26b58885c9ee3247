//! The listener that functions' answers arrive at: `POST /callback/{token}`.

use super::{Bridge, outcome::Callback, token::Claims};
use crate::clock::now_ms;
use axum::{
    Router,
    body::{Body, HttpBody},
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    routing::{get, post},
};
use http_body_util::BodyExt;
use zeebe2faas_contract::SIGNATURE_HEADER;

/// How much of an over-long body is read and thrown away, so that its sender sees an answer.
const DISCARD_LIMIT_BYTES: usize = 64 << 20;

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
    let arrived = tokio::time::timeout(settings.read_timeout, read_up_to(body, settings.body_limit_bytes)).await;
    let (body, truncated) = match arrived {
        Ok(Ok(arrived)) => arrived,
        Ok(Err(error)) => {
            tracing::warn!(%error, "a callback broke off; OpenFaaS will not repeat it, so what arrived counts");
            return provisional(&bridge, claims).await;
        }
        Err(_) => {
            tracing::warn!(timeout = ?settings.read_timeout, "a callback took too long to arrive");
            return provisional(&bridge, claims).await;
        }
    };
    answer(bridge.receive(claims.into_pending(), &read(&headers, &body, truncated)).await)
}

/// What a callback carries. A header that stands there twice counts as absent: nobody can tell which one is OpenFaaS's.
pub fn read<'a>(headers: &'a HeaderMap, body: &'a [u8], truncated: bool) -> Callback<'a> {
    let header = |name: &str| {
        let mut values = headers.get_all(name).iter();
        values.next().filter(|_| values.next().is_none()).and_then(|value| value.to_str().ok())
    };
    Callback {
        status: header("x-function-status").and_then(|status| status.parse().ok()),
        signature: header(SIGNATURE_HEADER),
        duration_seconds: header("x-duration-seconds").and_then(|seconds| seconds.parse().ok()),
        body,
        truncated,
    }
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

/// The body, cut at the limit, and whether it was cut.
async fn read_up_to(mut body: Body, limit: usize) -> Result<(Vec<u8>, bool), axum::Error> {
    let hint = usize::try_from(body.size_hint().lower()).unwrap_or(limit);
    let mut read = Vec::with_capacity(hint.min(limit));
    let mut discarded = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        let room = limit - read.len();
        read.extend_from_slice(&data[..data.len().min(room)]);
        discarded += data.len().saturating_sub(room);
        if discarded > DISCARD_LIMIT_BYTES {
            break;
        }
    }
    Ok((read, discarded > 0))
}
