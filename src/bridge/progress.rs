//! Where runners tell how far they are: `POST /progress/{token}`, beside the callbacks but never in their way. Nothing
//! depends on it, and nothing of it is written down.

use super::{Bridge, body::read_up_to, context, handed_on::HANDED_ON_HEADER, in_flight::Taken, token::Claims};
use crate::clock::now_ms;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode},
    routing::post,
};
use std::time::Duration;
use tracing::Span;
use zeebe2faas_contract::{Progress, SIGNATURE_HEADER};

/// Reports that are read at once. One more is turned away: its runner tells again in a second.
pub const MAX_AT_ONCE: usize = 256;
/// A longer report is no report.
const BODY_LIMIT_BYTES: usize = 16 << 10;
/// How long one may take to arrive.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) type Refusal = (StatusCode, &'static str);

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
    let taken = take(&bridge, token, &headers, body).await;
    bridge.metrics().progress(match taken {
        Ok(Taken::Yes) => "taken",
        Ok(Taken::Stale) => "stale",
        Ok(Taken::Elsewhere) => "handed_on",
        Err(_) => "rejected",
    });
    taken.map(|_| StatusCode::NO_CONTENT)
}

async fn take(bridge: &Bridge, token: String, headers: &HeaderMap, body: Body) -> Result<Taken, Refusal> {
    let keys = &bridge.settings().keys;
    let signature = headers.get(SIGNATURE_HEADER).and_then(|value| value.to_str().ok());
    let claims = Claims::open(&token, &keys.token.current(), now_ms()).ok_or(UNAUTHORIZED)?;
    let owner = claims.owner().to_owned();
    let call = claims.into_pending();
    let Ok(_room) = bridge.progress_room().try_acquire() else {
        return Err((StatusCode::SERVICE_UNAVAILABLE, "too many at once\n"));
    };
    let body = read(body).await?;
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
    match bridge.report(progress) {
        // Once only: the header needs no signature, since it can do nothing but keep a report from going further.
        Taken::Elsewhere if !headers.contains_key(HANDED_ON_HEADER) => Ok(bridge.hand_on_progress(
            context::of(&call),
            &owner,
            token,
            headers.get(SIGNATURE_HEADER).cloned(),
            body.into(),
        )),
        Taken::Elsewhere => Ok(Taken::Stale),
        taken => Ok(taken),
    }
}

/// Reads a report, within its limits of size and time.
pub(super) async fn read(body: Body) -> Result<Vec<u8>, Refusal> {
    let mut read = Vec::new();
    match tokio::time::timeout(READ_TIMEOUT, read_up_to(body, BODY_LIMIT_BYTES, &mut read)).await {
        Ok(Ok(false)) => Ok(read),
        Ok(Ok(true)) => Err((StatusCode::PAYLOAD_TOO_LARGE, "longer than 16 KiB\n")),
        Ok(Err(_)) | Err(_) => Err((StatusCode::BAD_REQUEST, "it did not arrive\n")),
    }
}

impl Bridge {
    /// Hands a report on to the call's owner, and waits for nothing: the next one says it all.
    fn hand_on_progress(
        &self,
        span: Span,
        owner: &str,
        token: String,
        signature: Option<HeaderValue>,
        body: Bytes,
    ) -> Taken {
        let Some(url) = self.0.replicas.other(owner) else { return Taken::Stale };
        let Some(room) = self.0.replicas.progress_room() else { return Taken::Stale };
        let bridge = self.clone();
        self.beside(span, async move {
            let _room = room;
            if let Err(error) = bridge.0.replicas.hand_on_progress(&url, &token, signature.as_ref(), body).await {
                tracing::debug!(url, %error, "a report of progress did not reach the replica that owns its call");
            }
        });
        Taken::Elsewhere
    }
}

const UNAUTHORIZED: Refusal = (StatusCode::UNAUTHORIZED, "unauthorized\n");
