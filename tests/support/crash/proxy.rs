//! A proxy that can stop what passes through it, request by request: HTTP/1 or gRPC.

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    codegen::Service,
    service::Routes,
    transport::{Channel, Endpoint, Server},
};

/// Passes everything on, but for what a [`Hold`] stops. Dropped, it ends.
pub struct Proxy {
    url: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

struct Shared {
    target: Mutex<Target>,
    stops: Mutex<Vec<Arc<Stop>>>,
    seen: Mutex<Vec<String>>,
    tap: Mutex<Option<Vec<Tapped>>>,
}

/// A request that was listened to.
#[derive(Debug, Clone)]
pub struct Tapped {
    /// Its path.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

#[derive(Clone)]
enum Target {
    Nobody,
    Http { client: reqwest::Client, url: String },
    Grpc(Channel),
}

/// Where a request is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// Before its target has seen it.
    Request,
    /// When its target has answered.
    Answer,
}

/// Stops every request that it matches, until it is released or dropped.
pub struct Hold {
    stop: Arc<Stop>,
}

struct Stop {
    path_part: &'static str,
    point: Point,
    held: watch::Sender<Vec<Held>>,
    verdict: watch::Sender<Verdict>,
}

/// What was stopped.
#[derive(Debug, Clone)]
pub struct Held {
    /// The request's headers, or the answer's.
    pub headers: HeaderMap,
    /// The answer's status.
    pub status: Option<StatusCode>,
}

#[derive(Clone, Copy, PartialEq)]
enum Verdict {
    Wait,
    Pass,
    Discard,
}

impl Proxy {
    /// In front of an HTTP/1 server; before [`Proxy::aim`] there is none.
    pub async fn http() -> Self {
        let (listener, url, shared) = Self::bind(Target::Nobody).await;
        let routes = routes(shared.clone());
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.expect("serving never fails") });
        Self { url, shared, server }
    }

    /// In front of a gRPC server.
    pub async fn grpc(target: &str) -> Self {
        let channel = Endpoint::from_shared(target.to_owned()).expect("an address").connect_lazy();
        let (listener, url, shared) = Self::bind(Target::Grpc(channel)).await;
        let routes = Routes::from(routes(shared.clone()));
        let server = tokio::spawn(async move {
            let incoming = TcpListenerStream::new(listener);
            Server::builder().add_routes(routes).serve_with_incoming(incoming).await.expect("serving never fails");
        });
        Self { url, shared, server }
    }

    async fn bind(target: Target) -> (TcpListener, String, Arc<Shared>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (stops, seen, tap) = Default::default();
        (listener, url, Arc::new(Shared { target: Mutex::new(target), stops, seen, tap }))
    }

    /// `http://HOST:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// HTTP requests go there from now on.
    pub fn aim(&self, url: &str) {
        let client = zeebe2faas::tls::plain_http().pool_max_idle_per_host(0).build().expect("a client");
        *lock(&self.shared.target) = Target::Http { client, url: url.to_owned() };
    }

    /// Stops every request whose path contains this text, from now on.
    #[must_use]
    pub fn hold(&self, path_part: &'static str, point: Point) -> Hold {
        let (held, verdict) = (watch::Sender::default(), watch::Sender::new(Verdict::Wait));
        let stop = Arc::new(Stop { path_part, point, held, verdict });
        lock(&self.shared.stops).push(stop.clone());
        Hold { stop }
    }

    /// Keeps what passes from now on.
    pub fn tap(&self) {
        lock(&self.shared.tap).get_or_insert_default();
    }

    /// The requests since then whose path contains this text.
    pub fn tapped(&self, path_part: &str) -> Vec<Tapped> {
        let tap = lock(&self.shared.tap);
        tap.iter().flatten().filter(|request| request.path.contains(path_part)).cloned().collect()
    }

    /// How many requests came whose path contains this text.
    pub fn seen(&self, path_part: &str) -> usize {
        lock(&self.shared.seen).iter().filter(|path| path.contains(path_part)).count()
    }

    /// Waits until so many requests came whose path contains this text.
    pub async fn has_seen(&self, path_part: &str, times: usize) {
        crate::soon(async {
            while self.seen(path_part) < times {
                tokio::time::sleep(super::LOOK_EVERY).await;
            }
        })
        .await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Hold {
    /// Waits until something is stopped, and tells what.
    pub async fn reached(&self) -> Held {
        let mut held = self.stop.held.subscribe();
        let first = crate::soon(held.wait_for(|held| !held.is_empty())).await.expect("the sender is here");
        first[0].clone()
    }

    /// Waits until so many are stopped.
    pub async fn stopped(&self, count: usize) {
        let mut held = self.stop.held.subscribe();
        crate::soon(held.wait_for(|held| held.len() >= count)).await.expect("the sender is here");
    }

    /// Everything stopped goes on, and nothing is stopped any more.
    pub fn release(self) {
        self.stop.verdict.send_replace(Verdict::Pass);
    }

    /// Everything stopped is lost; what comes later passes.
    pub fn discard(self) {
        self.stop.verdict.send_replace(Verdict::Discard);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let undecided = |verdict: &mut Verdict| {
            let undecided = *verdict == Verdict::Wait;
            *verdict = if undecided { Verdict::Pass } else { *verdict };
            undecided
        };
        self.stop.verdict.send_if_modified(undecided);
    }
}

fn routes(shared: Arc<Shared>) -> Router {
    Router::new().fallback(pass).with_state(shared)
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    lock(&shared.seen).push(path.clone());
    let request = if lock(&shared.tap).is_some() { shared.listen(request).await } else { request };
    let before = Held { headers: request.headers().clone(), status: None };
    if !shared.may_pass(&path, Point::Request, before).await {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let target = lock(&shared.target).clone();
    let answer = target.answer(request).await;
    let after = Held { headers: answer.headers().clone(), status: Some(answer.status()) };
    if !shared.may_pass(&path, Point::Answer, after).await {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    answer
}

impl Shared {
    async fn listen(&self, request: Request) -> Request {
        let (parts, body) = request.into_parts();
        // What breaks off is passed on as far as it came.
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
        let tapped = Tapped { path: parts.uri.path().to_owned(), headers: parts.headers.clone(), body: body.clone() };
        lock(&self.tap).get_or_insert_default().push(tapped);
        Request::from_parts(parts, body.into())
    }

    async fn may_pass(&self, path: &str, point: Point, held: Held) -> bool {
        let matching = |stop: &&Arc<Stop>| {
            path.contains(stop.path_part) && stop.point == point && *stop.verdict.borrow() == Verdict::Wait
        };
        let Some(stop) = lock(&self.stops).iter().find(matching).cloned() else { return true };
        let mut verdict = stop.verdict.subscribe();
        stop.held.send_modify(|all| all.push(held));
        let decided = verdict.wait_for(|verdict| *verdict != Verdict::Wait).await;
        decided.is_ok_and(|verdict| *verdict == Verdict::Pass)
    }
}

impl Target {
    /// The target's answer; 502 where nobody gives one.
    async fn answer(self, request: Request) -> Response {
        match self {
            Self::Nobody => StatusCode::BAD_GATEWAY.into_response(),
            Self::Grpc(mut channel) => {
                let ready = std::future::poll_fn(|context| channel.poll_ready(context)).await;
                let answer = match ready {
                    Ok(()) => channel.call(request.map(tonic::body::Body::new)).await,
                    Err(error) => Err(error),
                };
                answer.map_or_else(|_| StatusCode::BAD_GATEWAY.into_response(), |answer| answer.map(Body::new))
            }
            Self::Http { client, url } => {
                let answer = forward(&client, &url, request).await;
                answer.unwrap_or_else(|_| StatusCode::BAD_GATEWAY.into_response())
            }
        }
    }
}

async fn forward(client: &reqwest::Client, target: &str, request: Request) -> reqwest::Result<Response> {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let url = format!("{target}{path}").parse::<Uri>().expect("a URL");
    for name in [header::HOST, header::CONNECTION, header::TRANSFER_ENCODING] {
        parts.headers.remove(name);
    }
    let sent = client.request(parts.method, url.to_string()).headers(parts.headers);
    let answer = sent.body(reqwest::Body::wrap_stream(body.into_data_stream())).send().await?;
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    for name in [header::CONNECTION, header::TRANSFER_ENCODING] {
        headers.remove(name);
    }
    let mut response = (status, Body::from(answer.bytes().await?)).into_response();
    *response.headers_mut() = headers;
    Ok(response)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
