//! The HTTP side: checks signatures, signs answers.

use crate::{
    calls::{Answer, Calls},
    clock::now_ms,
    settings::Settings,
    verdict,
};
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State, rejection::BytesRejection},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Serialize;
use std::sync::Arc;
use zeebe2faas_contract::{
    CALL_ID_HEADER, CallId, Invocation, KeyRing, ONLY_UNKNOWN, Outcome, Report, SIGNATURE_HEADER, signature,
};

/// A question's signature may be valid for so long, in milliseconds.
const MAX_QUESTION_MS: u64 = 10 * 60 * 1000;
/// When a request that found all places taken may come again, in seconds.
const RETRY_AFTER_SECONDS: &str = "30";

/// What the handlers share.
#[derive(Debug, Clone)]
struct Shared {
    calls: Arc<Calls>,
    function: Arc<str>,
    keys: Option<KeyRing>,
}

/// The runner's routes.
pub fn router(settings: &Settings, calls: Arc<Calls>) -> Router {
    let shared = Shared { calls, function: settings.given.function.as_str().into(), keys: settings.keys.clone() };
    let health = get(async || "ok");
    Router::new()
        .route("/", axum::routing::post(post))
        .route("/calls/{id}", get(question).delete(question))
        .route("/healthz", health.clone())
        .route("/_/health", health)
        .layer(DefaultBodyLimit::max(settings.given.body_limit_bytes))
        .with_state(shared)
}

async fn post(State(shared): State<Shared>, headers: HeaderMap, body: Result<Bytes, BytesRejection>) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(error) => {
            return (error.status(), "the body cannot be read, or is over RUNNER_BODY_LIMIT_BYTES").into_response();
        }
    };
    let parsed = serde_json::from_slice::<Invocation>(&body);
    let named = text(&headers, CALL_ID_HEADER).and_then(|id| id.parse().ok());
    let call_id: Option<CallId> = match (&shared.keys, named) {
        (None, None) => parsed.as_ref().ok().map(|invocation| invocation.call_id.clone()),
        (_, named) => named,
    };
    let Some(call_id) = call_id else { return shared.no_call_id() };
    let expires_ms = match shared.verify(&Method::POST, "/", &call_id, &body, &headers) {
        Ok(expires_ms) => expires_ms,
        Err(unauthorized) => return unauthorized.into_response(),
    };
    let signer = Signer { shared: &shared, call_id: &call_id, question: "" };
    let why = match parsed {
        Ok(invocation) => match mismatch(&shared, &invocation, &call_id, expires_ms) {
            None => return signer.answer(shared.calls.post(&invocation).await),
            Some(why) => why,
        },
        Err(error) => format!("the body is not an invocation: {error}; bridge and runner must be of one version"),
    };
    let invocation = Invocation::new(call_id.clone(), shared.function.to_string(), Vec::new(), Vec::new(), 0);
    signer.answer(Answer::Refused(Box::new(verdict::not_run(&invocation, Outcome::Refused, why))))
}

/// Why a genuine request is not acceptable, if it is not. Unsigned requests have no expiry to compare.
fn mismatch(shared: &Shared, invocation: &Invocation, call_id: &CallId, expires_ms: Option<u64>) -> Option<String> {
    if invocation.call_id != *call_id {
        return Some(format!("the body is about call {}, the header {CALL_ID_HEADER} is not", invocation.call_id));
    }
    if *invocation.function != *shared.function {
        let (asked, here) = (&invocation.function, &shared.function);
        return Some(format!("the body is for function `{asked}`, this runner is `{here}`; check RUNNER_FUNCTION"));
    }
    let differs = expires_ms.is_some_and(|expires_ms| expires_ms != invocation.deadline_ms);
    differs.then(|| "the signature's expiry is not the call's deadline".to_owned())
}

/// `GET /calls/ID` and `DELETE /calls/ID`.
async fn question(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let Ok(call_id) = id.parse::<CallId>() else { return shared.no_call_id() };
    let path = uri.path_and_query().map_or(uri.path(), |path| path.as_str());
    let expires_ms = match shared.verify(&method, path, &call_id, b"", &headers) {
        Ok(expires_ms) => expires_ms,
        Err(unauthorized) => return unauthorized.into_response(),
    };
    let now = now_ms();
    if expires_ms.is_some_and(|at| at <= now || at > now + MAX_QUESTION_MS) {
        return Unauthorized.into_response();
    }
    let question = text(&headers, SIGNATURE_HEADER).unwrap_or_default();
    let signer = Signer { shared: &shared, call_id: &call_id, question };
    let state = if method == Method::DELETE {
        match uri.query() {
            None => shared.calls.cancel(&call_id, false).await,
            Some(ONLY_UNKNOWN) => shared.calls.cancel(&call_id, true).await,
            Some(_) => return signer.message(StatusCode::BAD_REQUEST, "the only query here is `only=unknown`"),
        }
    } else {
        shared.calls.state(&call_id).await
    };
    match state {
        Ok(state) => signer.json(StatusCode::OK, &state),
        Err(error) => {
            tracing::error!(call = %call_id, %error, "the state directory fails");
            signer.message(StatusCode::SERVICE_UNAVAILABLE, &format!("the state directory fails: {error}"))
        }
    }
}

impl Shared {
    /// The expiry of a genuine signature, in milliseconds since 1970; `None` where signatures are not asked for.
    fn verify(
        &self,
        method: &Method,
        path: &str,
        call_id: &CallId,
        body: &[u8],
        headers: &HeaderMap,
    ) -> Result<Option<u64>, Unauthorized> {
        let Some(keys) = &self.keys else { return Ok(None) };
        let request = signature::Request { method: method.as_str(), path, function: &self.function, call_id, body };
        let signature = text(headers, SIGNATURE_HEADER).ok_or(Unauthorized)?;
        request.verify(keys, signature).map(Some).ok_or(Unauthorized)
    }

    /// Without a call id no signature can be genuine.
    fn no_call_id(&self) -> Response {
        match self.keys {
            Some(_) => Unauthorized.into_response(),
            None => (StatusCode::BAD_REQUEST, "there is no call id in the request").into_response(),
        }
    }
}

/// Signs answers about one call.
struct Signer<'a> {
    shared: &'a Shared,
    call_id: &'a CallId,
    question: &'a str,
}

impl Signer<'_> {
    fn answer(&self, answer: Answer) -> Response {
        match answer {
            Answer::Report(bytes, status) => {
                self.sign(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), bytes.to_vec())
            }
            Answer::Refused(report) => self.refused(&report),
            Answer::TooManyWaiters => self.message(
                StatusCode::CONFLICT,
                "the call runs, and enough requests wait for it (RUNNER_MAX_WAITERS): ask at /calls/ID",
            ),
            Answer::TooManyRuns => {
                let mut response = self.message(
                    StatusCode::TOO_MANY_REQUESTS,
                    "this runner runs as many programs as it may (RUNNER_MAX_RUNS): come again later",
                );
                response
                    .headers_mut()
                    .insert(header::RETRY_AFTER, header::HeaderValue::from_static(RETRY_AFTER_SECONDS));
                response
            }
            // Unsigned: it says nothing about the call.
            Answer::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "the runner stops").into_response(),
            Answer::Trouble(why) => {
                tracing::error!(call = %self.call_id, "{why}");
                self.message(StatusCode::SERVICE_UNAVAILABLE, &why)
            }
        }
    }

    fn refused(&self, report: &Report) -> Response {
        tracing::warn!(call = %self.call_id, "refused: {}", report.message);
        let status = StatusCode::from_u16(report.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        self.json(status, report)
    }

    fn message(&self, status: StatusCode, message: &str) -> Response {
        self.json(status, &serde_json::json!({ "message": message }))
    }

    fn json(&self, status: StatusCode, value: &impl Serialize) -> Response {
        match serde_json::to_vec(value) {
            Ok(body) => self.sign(status, body),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        }
    }

    fn sign(&self, status: StatusCode, body: Vec<u8>) -> Response {
        let Self { shared, call_id, question } = self;
        let answer =
            signature::Answer { function: &shared.function, call_id, status: status.as_u16(), question, body: &body };
        let signature = shared.keys.as_ref().map(|keys| [(SIGNATURE_HEADER, answer.sign(keys))]);
        let content = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
        match signature {
            Some(signature) => (status, content, signature, body).into_response(),
            None => (status, content, body).into_response(),
        }
    }
}

/// No hint: whoever holds the key signs, and needs none.
struct Unauthorized;

impl IntoResponse for Unauthorized {
    fn into_response(self) -> Response {
        (StatusCode::UNAUTHORIZED, "unauthorized").into_response()
    }
}

/// A header that stands there twice says nothing.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())?.to_str().ok()
}
