//! The gateway. Its owner reads everything that passes, and lies when told to.

use super::site::PATIENCE;
use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};
use tokio::{sync::watch, time::timeout};
use zeebe2faas_contract::{CallId, SIGNATURE_HEADER};

/// An invocation or a callback, as it passed.
#[derive(Debug, Clone)]
pub struct Passed {
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Passed {
    pub fn header(&self, name: &str) -> String {
        self.headers.get(name).unwrap().to_str().unwrap().to_owned()
    }

    pub fn call_id(&self) -> CallId {
        self.header("x-call-id").parse().unwrap()
    }

    /// The path of the callback URL.
    pub fn callback_path(&self) -> String {
        self.header("x-callback-url").split_once("http://callback").unwrap().1.to_owned()
    }

    pub fn token(&self) -> String {
        self.callback_path().strip_prefix("/callback/").unwrap().to_owned()
    }
}

/// A question of the bridge to a runner, and its answer.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: Method,
    pub path: String,
    pub question: String,
    pub status: u16,
    pub answer: Passed,
}

/// An answer of the gateway's own instead of a runner's.
pub type Lie = (u16, Option<String>, Vec<u8>);

#[derive(Default)]
pub struct Spied {
    pub invocations: Vec<Passed>,
    pub asked: Vec<Asked>,
    lies: Vec<Lie>,
    told: usize,
}

/// The gateway: takes invocations and keeps them, passes questions on.
#[derive(Clone)]
pub struct Spy {
    spied: Arc<Mutex<Spied>>,
    changed: watch::Sender<()>,
    runners: HashMap<String, SocketAddr>,
    http: reqwest::Client,
}

impl Spy {
    /// Questions go to the runners of these functions.
    pub fn new(runners: HashMap<String, SocketAddr>, http: reqwest::Client) -> Self {
        Self { spied: Arc::default(), changed: watch::Sender::new(()), runners, http }
    }

    pub fn router(self) -> Router {
        Router::new()
            .route("/async-function/{name}", post(queue))
            .route("/function/{name}/{*path}", any(pass_on))
            .route("/system/functions", get(async || r#"[{"name": "one"}, {"name": "two"}, {"name": "plain"}]"#))
            .with_state(self)
    }

    pub fn lock(&self) -> MutexGuard<'_, Spied> {
        self.spied.lock().unwrap()
    }

    /// The gateway answers questions itself, with each of these at least twice.
    pub async fn lie(&self, lies: Vec<Lie>) {
        let wanted = lies.len() * 2;
        {
            let mut spied = self.lock();
            (spied.lies, spied.told) = (lies, 0);
        }
        self.until(|spied| spied.told >= wanted).await;
        self.lock().lies.clear();
    }

    fn note(&self, note: impl FnOnce(&mut Spied)) {
        note(&mut self.lock());
        self.changed.send_replace(());
    }

    pub async fn until(&self, wanted: impl Fn(&Spied) -> bool) {
        let mut changes = self.changed.subscribe();
        let waiting = async {
            while !wanted(&self.lock()) {
                changes.changed().await.unwrap();
            }
        };
        timeout(PATIENCE, waiting).await.unwrap();
    }
}

async fn queue(State(spy): State<Spy>, headers: HeaderMap, body: Bytes) -> StatusCode {
    spy.note(|spied| spied.invocations.push(Passed { headers, body }));
    StatusCode::ACCEPTED
}

async fn pass_on(
    State(spy): State<Spy>,
    Path((function, _)): Path<(String, String)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let lie = {
        let mut spied = spy.lock();
        let told = spied.told;
        spied.told += usize::from(!spied.lies.is_empty());
        spied.lies.get(told % spied.lies.len().max(1)).cloned()
    };
    if let Some((status, signature, body)) = lie {
        spy.changed.send_replace(());
        return answer(status, signature.as_deref(), body);
    }
    let path =
        uri.path_and_query().unwrap().as_str().strip_prefix(&format!("/function/{function}")).unwrap().to_owned();
    let Some(runner) = spy.runners.get(&function) else { return StatusCode::NOT_FOUND.into_response() };
    let question = headers.get(SIGNATURE_HEADER).unwrap().to_str().unwrap().to_owned();
    let sent = spy.http.request(method.clone(), format!("http://{runner}{path}")).header(SIGNATURE_HEADER, &question);
    let (status, passed) = passed(sent.send().await.unwrap()).await;
    let response = answer(status, Some(&passed.header(SIGNATURE_HEADER)), passed.body.to_vec());
    spy.note(|spied| spied.asked.push(Asked { method, path, question, status, answer: passed }));
    response
}

fn answer(status: u16, signature: Option<&str>, body: Vec<u8>) -> Response {
    let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
    if let Some(signature) = signature {
        let name = HeaderName::from_static(SIGNATURE_HEADER);
        response.headers_mut().insert(name, HeaderValue::from_str(signature).unwrap());
    }
    response
}

pub async fn passed(response: reqwest::Response) -> (u16, Passed) {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    (status, Passed { headers, body: response.bytes().await.unwrap() })
}
