//! Where runners tell how far they are: `POST /progress/{token}`, beside the callbacks but never in their way. Nothing
//! depends on it, and nothing of it is written down.

use super::{Bridge, body::read_up_to, in_flight::Taken, token::Claims};
use crate::clock::now_ms;
use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use std::time::Duration;
use zeebe2faas_contract::{Progress, SIGNATURE_HEADER};

/// Reports that are read at once. One more is turned away: its runner tells again in a second.
pub const MAX_AT_ONCE: usize = 256;
/// A longer report is no report.
const BODY_LIMIT_BYTES: usize = 16 << 10;
/// How long one may take to arrive.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

type Refusal = (StatusCode, &'static str);

/// The route, for the listener of the callbacks. A request that is not genuine learns nothing but 401.
pub fn router(bridge: Bridge) -> Router {
    Router::new().route("/progress/{token}", post(receive)).with_state(bridge)
}

async fn receive(
    State(bridge): State<Bridge>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Refusal> {
    let signature = headers.get(SIGNATURE_HEADER).and_then(|value| value.to_str().ok());
    let taken = take(&bridge, &token, signature, body).await;
    bridge.metrics().progress(match taken {
        Ok(Taken::Yes) => "taken",
        Ok(Taken::Stale) => "stale",
        Err(_) => "rejected",
    });
    taken.map(|_| StatusCode::NO_CONTENT)
}

async fn take(bridge: &Bridge, token: &str, signature: Option<&str>, body: Body) -> Result<Taken, Refusal> {
    let keys = &bridge.settings().keys;
    let call = Claims::open(token, &keys.token.current(), now_ms()).ok_or(UNAUTHORIZED)?.into_pending();
    let Ok(_room) = bridge.progress_room().try_acquire() else {
        return Err((StatusCode::SERVICE_UNAVAILABLE, "too many at once\n"));
    };
    let mut read = Vec::new();
    let body = match tokio::time::timeout(READ_TIMEOUT, read_up_to(body, BODY_LIMIT_BYTES, &mut read)).await {
        Ok(Ok(false)) => read,
        Ok(Ok(true)) => return Err((StatusCode::PAYLOAD_TOO_LARGE, "longer than 16 KiB\n")),
        Ok(Err(_)) | Err(_) => return Err((StatusCode::BAD_REQUEST, "it did not arrive\n")),
    };
    let is_genuine = |signature| {
        let ring = keys.runner.as_ref()?.current().for_function(&call.function);
        Progress::verify(&call.id, &call.function, &body, &ring, signature, now_ms()).then_some(())
    };
    if call.run_once && signature.and_then(is_genuine).is_none() {
        return Err(UNAUTHORIZED);
    }
    let progress: Progress =
        serde_json::from_slice(&body).map_err(|_| (StatusCode::BAD_REQUEST, "not a report of progress\n"))?;
    if progress.call_id != call.id || progress.function != call.function {
        return Err((StatusCode::BAD_REQUEST, "it is about another call\n"));
    }
    Ok(bridge.report(progress))
}

const UNAUTHORIZED: Refusal = (StatusCode::UNAUTHORIZED, "unauthorized\n");
