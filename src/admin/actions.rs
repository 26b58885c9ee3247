//! `POST /api/calls/{id}/cancel`, `…/deliver[?again=true]`, `…/retry`: what a person does with a call. Only with the
//! token of `admin.token_file`; without that setting nobody may.

use super::{Admin, calls::Refusal};
use crate::{bridge::recovery::Declined, secret::Secret};
use axum::{
    Json, Router,
    extract::{Path, Query, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::post,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeebe2faas_contract::CallId;

const OFF: &str = "actions are off: set admin.token_file to a file with a secret (`zeebe2faas key new > admin.token`), \
                   restart the bridge, and give that file to whoever may act\n";
const STRANGER: &str =
    "this needs `Authorization: Bearer TOKEN`, with the token that is in the bridge's admin.token_file\n";

/// What was done, in a sentence.
#[derive(Debug, Serialize, Deserialize)]
pub struct Done {
    /// The sentence.
    pub message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HowOften {
    #[serde(default)]
    again: bool,
}

/// The routes, behind the token.
pub(super) fn router(admin: &Admin) -> Router<Admin> {
    Router::new()
        .route("/api/calls/{id}/cancel", post(cancel))
        .route("/api/calls/{id}/deliver", post(deliver))
        .route("/api/calls/{id}/retry", post(retry))
        .route_layer(from_fn_with_state(admin.clone(), with_token))
}

async fn with_token(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    let Some(token) = &admin.bridge.settings().admin_token else {
        return (StatusCode::FORBIDDEN, OFF).into_response();
    };
    if !bears(request.headers(), &token.current()) {
        let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
        return (StatusCode::UNAUTHORIZED, challenge, STRANGER).into_response();
    }
    next.run(request).await
}

fn bears(headers: &HeaderMap, token: &Secret) -> bool {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    given.and_then(|value| value.strip_prefix("Bearer ")).is_some_and(|given| same(given.trim(), token.expose()))
}

/// In a time that tells nothing: digests are compared, of which nobody can choose a part, and to their end.
fn same(given: &str, token: &str) -> bool {
    let (given, token) = (Sha256::digest(given), Sha256::digest(token));
    given.iter().zip(token.iter()).fold(0, |differences, (a, b)| differences | (a ^ b)) == 0
}

async fn cancel(State(admin): State<Admin>, Path(id): Path<String>) -> Result<Json<Done>, Refusal> {
    done(admin.bridge.cancel_call(parse(&id)?).await)
}

async fn deliver(
    State(admin): State<Admin>,
    Path(id): Path<String>,
    Query(HowOften { again }): Query<HowOften>,
) -> Result<Json<Done>, Refusal> {
    done(admin.bridge.deliver_call(parse(&id)?, again).await)
}

async fn retry(State(admin): State<Admin>, Path(id): Path<String>) -> Result<Json<Done>, Refusal> {
    done(admin.bridge.retry_call(parse(&id)?).await)
}

fn parse(id: &str) -> Result<CallId, Refusal> {
    id.parse().map_err(|error| (StatusCode::BAD_REQUEST, format!("{error}\n")))
}

fn done(result: Result<String, Declined>) -> Result<Json<Done>, Refusal> {
    result.map(|message| Json(Done { message })).map_err(|declined| {
        let status = match declined {
            Declined::Unknown => StatusCode::NOT_FOUND,
            Declined::NotSo(_) => StatusCode::CONFLICT,
            Declined::Failed(_) => StatusCode::BAD_GATEWAY,
            Declined::Ledger(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, format!("{declined}\n"))
    })
}
