//! `GET /api/events`: what changes of the calls, as server-sent events.

use super::Admin;
use crate::bridge::events::{Heard, MAX_LISTENERS};
use axum::{
    extract::State,
    http::StatusCode,
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::{StreamExt, stream};
use std::convert::Infallible;

/// The stream ends when the bridge stops, so that no listener holds that up.
pub(super) async fn stream(State(admin): State<Admin>) -> Response {
    let Some(listener) = admin.bridge.events().listen() else {
        let refusal = format!("{MAX_LISTENERS} are listening, and that is the limit\n");
        return (StatusCode::SERVICE_UNAVAILABLE, refusal).into_response();
    };
    let events = stream::unfold(listener, async |mut listener| {
        let event = match listener.next().await? {
            Heard::Change(change) => Event::default().event("call").data(change),
            Heard::Gap => Event::default().event("resync").data("{}"),
        };
        Some((Ok::<_, Infallible>(event), listener))
    });
    Sse::new(events.take_until(admin.stop.cancelled_owned())).keep_alive(KeepAlive::default()).into_response()
}
