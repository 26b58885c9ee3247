//! `GET /api/calls[?state=…&limit=…]` and `GET /api/calls/{id}`: the calls as JSON.

use super::Admin;
use crate::ledger::{LedgerError, LedgerReader, State as CallState};
use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use zeebe2faas_contract::CallId;

/// Calls in one list unless the question says otherwise, and at most.
pub const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 10_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    state: Option<CallState>,
    limit: Option<usize>,
}

pub(super) async fn list(State(admin): State<Admin>, Query(filter): Query<Filter>) -> Response {
    let limit = filter.limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
    read(admin, move |ledger| ledger.list(filter.state, limit)).await
}

pub(super) async fn show(State(admin): State<Admin>, Path(id): Path<String>) -> Response {
    let id: CallId = match id.parse() {
        Ok(id) => id,
        Err(error) => return (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    };
    read(admin, move |ledger| ledger.show(&id)).await
}

/// Reads beside the writer: a long list must not hold a callback up.
async fn read<T: Serialize + Send + 'static>(
    admin: Admin,
    question: impl FnOnce(&LedgerReader) -> Result<T, LedgerError> + Send + 'static,
) -> Response {
    let read = move || question(&LedgerReader::open(&admin.ledger_path)?);
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(found)) => match serde_json::to_value(found) {
            Ok(serde_json::Value::Null) => (StatusCode::NOT_FOUND, "no such call\n").into_response(),
            Ok(json) => Json(json).into_response(),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        },
        Ok(Err(error)) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
