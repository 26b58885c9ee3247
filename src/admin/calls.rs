//! `GET /api/calls[?state=…&undelivered=true&function=…&instance=…&before_ms=…&limit=…]` and `GET /api/calls/{id}`: the calls as JSON.

use super::Admin;
use crate::{
    bridge::running::Line,
    ledger::{Call, LedgerError, LedgerReader, Selection, State as CallState, Summary},
};
use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use zeebe2faas_contract::CallId;

/// Calls in one list unless the question says otherwise, and at most.
pub const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 10_000;

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    pub(super) state: Option<CallState>,
    #[serde(default)]
    undelivered: bool,
    function: Option<String>,
    instance: Option<i64>,
    before_ms: Option<u64>,
    pub(super) limit: Option<usize>,
}

/// Why there is no answer: the status, and a line for people.
pub(super) type Refusal = (StatusCode, String);

pub(super) async fn list(State(admin): State<Admin>, Query(filter): Query<Filter>) -> Response {
    find(&admin, &filter).await.map(Json).into_response()
}

pub(super) async fn show(State(admin): State<Admin>, Path(id): Path<String>) -> Response {
    find_one(&admin, &id).await.map(Json).into_response()
}

/// The newest calls.
pub(super) async fn find(admin: &Admin, filter: &Filter) -> Result<Vec<Line<Summary>>, Refusal> {
    let Filter { state, undelivered, function, instance, before_ms, limit } = filter.clone();
    let selection = Selection { state, undelivered, function, instance, before_ms };
    let calls =
        read(admin, move |ledger| ledger.list(&selection, limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT))).await?;
    let line = |call: Summary| Line { progress: admin.bridge.running(&call.call_id), call };
    Ok(calls.into_iter().map(line).collect())
}

/// One call.
pub(super) async fn find_one(admin: &Admin, id: &str) -> Result<Line<Call>, Refusal> {
    let id: CallId = id.parse().map_err(|error| (StatusCode::BAD_REQUEST, format!("{error}\n")))?;
    let progress = admin.bridge.running(&id);
    let call = read(admin, move |ledger| ledger.show(&id)).await?;
    let call = call.ok_or_else(|| (StatusCode::NOT_FOUND, "no such call\n".to_owned()))?;
    Ok(Line { progress, call })
}

/// Reads beside the writer: a long list must not hold a callback up.
pub(super) async fn read<T: Send + 'static>(
    admin: &Admin,
    question: impl FnOnce(&LedgerReader) -> Result<T, LedgerError> + Send + 'static,
) -> Result<T, Refusal> {
    let path = admin.ledger_path.clone();
    match tokio::task::spawn_blocking(move || question(&LedgerReader::open(&path)?)).await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => Err((StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n"))),
        Err(error) => Err((StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n"))),
    }
}
