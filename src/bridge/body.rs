//! Reads a request's body up to a limit.

use axum::body::{Body, HttpBody};
use http_body_util::BodyExt;

/// How much of an over-long body is read and thrown away, so that its sender sees an answer.
const DISCARD_LIMIT_BYTES: usize = 64 << 20;

/// The body, cut at the limit, and whether it was cut.
pub(super) async fn read_up_to(mut body: Body, limit: usize) -> Result<(Vec<u8>, bool), axum::Error> {
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
