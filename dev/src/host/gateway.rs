//! The gateway's HTTP API.

use super::{
    Credentials, FaultControl,
    faults::SubmissionFault,
    function::{Function, without_hop_by_hop},
    listener::Connection,
    queue::{Call, Full, Queue, is_url},
};
use axum::{
    Json, Router,
    body::to_bytes,
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

/// CE's queue takes no longer body.
pub const ASYNC_BODY_BYTES: usize = 256_000;
/// So much of a body that is too long is still read, so that the client hears why it is refused.
const DRAINED_BYTES: usize = 16 * 1024 * 1024;
/// The namespace that a function's name may carry.
const NAMESPACE: &str = ".openfaas-fn";
const CALL_ID: HeaderName = HeaderName::from_static(zeebe2faas_contract::CALL_ID_HEADER);
const CALLBACK_URL: HeaderName = HeaderName::from_static("x-callback-url");
const START_TIME: HeaderName = HeaderName::from_static("x-start-time");
const SERVED_BY: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-served-by"), HeaderValue::from_static("zeebe2faas-dev"));

#[derive(Clone)]
pub(super) struct Gateway {
    pub(super) functions: Arc<BTreeMap<String, Arc<Function>>>,
    pub(super) queue: Queue,
    pub(super) faults: FaultControl,
    pub(super) credentials: Option<Arc<Credentials>>,
}

pub(super) fn routes(gateway: Gateway) -> Router {
    let system = Router::new()
        .route("/system/functions", get(list))
        .route("/system/info", get(info))
        .layer(middleware::from_fn_with_state(gateway.clone(), authorised));
    let functions = Router::new()
        .route("/function/{*target}", any(invoke))
        .route("/async-function/{*target}", post(submit))
        .layer(middleware::from_fn(tagged));
    Router::new().merge(system).merge(functions).route("/healthz", get(|| async { "OK" })).with_state(gateway)
}

/// Gives the request a call id where it has none; only such a one is told to the client.
async fn tagged(mut request: Request, next: Next) -> Response {
    let mut told = HeaderMap::from_iter([SERVED_BY]);
    if !request.headers().contains_key(CALL_ID)
        && let Ok(id) = random_uuid().parse::<HeaderValue>()
    {
        request.headers_mut().insert(CALL_ID, id.clone());
        told.insert(CALL_ID, id);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    if let Ok(now) = now.to_string().parse::<HeaderValue>() {
        request.headers_mut().append(START_TIME, now.clone());
        told.insert(START_TIME, now);
    }
    let mut response = next.run(request).await;
    for (name, value) in told.into_iter().filter_map(|(name, value)| Some((name?, value))) {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

/// A random UUID, version 4.
fn random_uuid() -> String {
    let bits = rand::random::<u128>() & !(0xf << 76 | 0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// The function's name, and the path with its query below it, of `/PREFIX/NAME/PATH?QUERY`, nothing decoded.
fn target(request: &Request) -> (String, String) {
    let path = request.uri().path().trim_start_matches('/');
    let below = path.split_once('/').map_or("", |(_prefix, rest)| rest);
    let (name, path) = below.split_at(below.find('/').unwrap_or(below.len()));
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    (name.to_owned(), format!("{}{query}", if path.is_empty() { "/" } else { path }))
}

async fn invoke(
    State(gateway): State<Gateway>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    mut request: Request,
) -> Response {
    let (name, path) = target(&request);
    let Some(function) = gateway.functions.get(name.strip_suffix(NAMESPACE).unwrap_or(&name)) else {
        return (StatusCode::NOT_FOUND, format!("error finding function {name}: not found")).into_response();
    };
    let Ok(uri) = path.parse() else { return StatusCode::BAD_REQUEST.into_response() };
    *request.uri_mut() = uri;
    forwarded(request.headers_mut(), &connection);
    let answer = function.invoke(request);
    match gateway.faults.upstream_timeout() {
        None => answer.await,
        Some(limit) => tokio::time::timeout(limit, answer).await.unwrap_or(StatusCode::BAD_GATEWAY.into_response()),
    }
}

fn forwarded(headers: &mut HeaderMap, connection: &Connection) {
    let mut kept = without_hop_by_hop(std::mem::take(headers));
    if let Some(host) = kept.get(header::HOST).cloned() {
        kept.entry("x-forwarded-host").or_insert(host);
    }
    if let Ok(peer) = connection.peer.to_string().parse() {
        kept.entry("x-forwarded-for").or_insert(peer);
    }
    *headers = kept;
}

async fn submit(
    State(gateway): State<Gateway>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request,
) -> Response {
    let (function, path) = target(&request);
    let (parts, body) = request.into_parts();
    let text = |name| parts.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let callback_url = text(CALLBACK_URL).filter(|url| !url.is_empty());
    if let Some(url) = callback_url.as_deref().filter(|url| !is_url(url)) {
        return (StatusCode::BAD_REQUEST, format!("X-Callback-Url `{url}` is not a URL\n")).into_response();
    }
    let body = match to_bytes(body, DRAINED_BYTES).await {
        Ok(body) if body.len() <= ASYNC_BODY_BYTES => body,
        _ => {
            let text = format!("Error queuing request: the body has more than {ASYNC_BODY_BYTES} bytes, the maximum\n");
            return (StatusCode::INTERNAL_SERVER_ERROR, text).into_response();
        }
    };
    let call_id = text(CALL_ID).unwrap_or_default();
    let (acknowledged, redelivery_waits) = Default::default();
    let headers = parts.headers;
    let call = Call { function, path, call_id, headers, body, callback_url, acknowledged, redelivery_waits };
    let enqueue = || match gateway.queue.submit(call) {
        Ok(()) => StatusCode::ACCEPTED.into_response(),
        Err(Full) => (StatusCode::TOO_MANY_REQUESTS, "the queue is full; try again later\n").into_response(),
    };
    match gateway.faults.take_submission() {
        None => enqueue(),
        Some(SubmissionFault::Delay(time)) => {
            let response = enqueue();
            tokio::time::sleep(time).await;
            response
        }
        Some(SubmissionFault::Answer { status, queued }) => {
            let _ = queued.then(enqueue);
            (status, "refused, as ordered\n").into_response()
        }
        Some(SubmissionFault::Disconnect { queued }) => {
            let _ = queued.then(enqueue);
            connection.cut();
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn authorised(State(gateway): State<Gateway>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    let expected = |credentials: &Credentials| {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", credentials.user, credentials.password)))
    };
    match &gateway.credentials {
        Some(credentials) if given != Some(expected(credentials).as_bytes()) => {
            let challenge = [(header::WWW_AUTHENTICATE, r#"Basic realm="Restricted""#)];
            (StatusCode::UNAUTHORIZED, challenge, "invalid credentials").into_response()
        }
        _ => next.run(request).await,
    }
}

async fn list(State(gateway): State<Gateway>) -> Json<serde_json::Value> {
    let described = |function: &Arc<Function>| {
        let spec = &function.spec;
        json!({
            "name": *function.name,
            "image": spec.image,
            "namespace": NAMESPACE.trim_start_matches('.'),
            "envProcess": spec.process.join(" "),
            "secrets": spec.secrets,
            "labels": spec.labels,
            "annotations": spec.annotations,
            "invocationCount": function.invocations(),
            "replicas": 1,
            "availableReplicas": u8::from(function.is_available()),
        })
    };
    Json(gateway.functions.values().map(described).collect())
}

async fn info() -> Json<serde_json::Value> {
    let version = json!({ "release": env!("CARGO_PKG_VERSION"), "sha": "" });
    let provider = json!({ "provider": "zeebe2faas-dev", "orchestration": "processes", "version": version });
    Json(json!({ "provider": provider, "version": version, "arch": std::env::consts::ARCH }))
}
