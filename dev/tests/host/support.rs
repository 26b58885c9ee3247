//! A host with functions of the test's own, and a receiver of callbacks.

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use std::{fs, future::Future, os::unix::fs::PermissionsExt, path::PathBuf, time::Duration};
use tempfile::TempDir;
use tokio::sync::mpsc;
use zeebe2faas_dev::host::{Host, HostOptions, Stack};

const DEADLINE: Duration = Duration::from_secs(30);

/// The stand-in for a runner, as function `http`, and whatever else the test declares.
pub const HTTP: &str = "http: {environment: {mode: http, fprocess: function.py, upstream_url: 'http://127.0.0.1:1', RUNNER_FUNCTION: http}}";

pub struct Workshop {
    pub dir: TempDir,
    pub functions: Vec<String>,
}

impl Workshop {
    pub fn with(functions: &[&str]) -> Self {
        let workshop =
            Self { dir: TempDir::new().unwrap(), functions: functions.iter().map(ToString::to_string).collect() };
        workshop.program("function.py", include_str!("function.py"));
        workshop
    }

    pub fn program(&self, name: &str, text: &str) {
        let path = self.bin().join(name);
        fs::create_dir_all(self.bin()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub fn options(&self) -> HostOptions {
        let functions: String = self.functions.iter().map(|line| format!("  {line}\n")).collect();
        let text = format!("provider: {{name: openfaas}}\nfunctions:\n{functions}");
        let stack = Stack::parse("stack.yml", &text).unwrap();
        HostOptions { path_dirs: vec![self.bin()], ..HostOptions::new(stack, self.dir.path().join("state")) }
    }

    pub async fn host(&self) -> Host {
        Host::start(self.options()).await.unwrap()
    }

    /// Lets every `POST /wait?NAME` of a function go on.
    pub fn release(&self, function: &str, name: &str) {
        fs::write(self.dir.path().join("state").join(function).join(name), "").unwrap();
    }

    fn bin(&self) -> PathBuf {
        self.dir.path().join("bin")
    }
}

/// One request that reached the receiver.
#[derive(Debug)]
pub struct Received {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub struct Receiver {
    pub url: String,
    received: mpsc::UnboundedReceiver<Received>,
}

impl Receiver {
    /// Answers 200, below `/moved` 302, and keeps what it got.
    pub async fn start() -> Self {
        let (sender, received) = mpsc::unbounded_channel();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new().fallback(receive).with_state(sender);
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { url, received }
    }

    pub async fn next(&mut self) -> Received {
        in_time(self.received.recv()).await.unwrap()
    }

    /// Nothing has come. Only meaningful after something that comes later has been seen.
    pub fn is_empty(&mut self) -> bool {
        self.received.try_recv().is_err()
    }
}

async fn receive(
    State(sender): State<mpsc::UnboundedSender<Received>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let moved = uri.path().starts_with("/moved");
    let _ = sender.send(Received { method, uri, headers, body });
    if moved { (StatusCode::FOUND, [("location", "/landed")]).into_response() } else { StatusCode::OK.into_response() }
}

pub async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, work).await.expect("it takes too long")
}

/// Asks again and again, for what tells nobody when it changes.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, asking).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// A client that follows no redirect.
pub fn client() -> reqwest::Client {
    zeebe2faas::tls::plain_http().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

pub async fn submit(host: &Host, target: &str, call_id: &str, callback: &str) -> reqwest::Response {
    let post = client().post(format!("{}/async-function/{target}", host.url()));
    post.header("x-call-id", call_id).header("x-callback-url", callback).body("work").send().await.unwrap()
}

pub async fn post(host: &Host, target: &str) -> reqwest::Response {
    client().post(format!("{}/function/{target}", host.url())).body("work").send().await.unwrap()
}
