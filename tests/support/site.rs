//! A whole bridge in this process, between a fake Zeebe and a fake OpenFaaS.

use crate::{
    PATIENCE,
    fake_gateway::{FakeGateway, Seen, job},
    soon,
};
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use reqwest::Url;
use std::{fs, net::SocketAddr, path::Path};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    sync::{Mutex, mpsc},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use zeebe2faas::{
    app::{App, AppError},
    config::{self, Environment},
    tls::plain_http,
    zeebe::proto::ActivatedJob,
};
use zeebe2faas_contract::random_key_line;

/// The bridge and its surroundings. Its functions are called by the test.
pub struct Site {
    /// Zeebe.
    pub zeebe: FakeGateway,
    /// The configuration's folder, with `token.key`.
    pub folder: TempDir,
    /// Where callbacks go.
    pub callback: SocketAddr,
    /// Health and figures.
    pub admin: SocketAddr,
    submitted: Mutex<mpsc::UnboundedReceiver<String>>,
    stop: CancellationToken,
    bridge: JoinHandle<Result<(), AppError>>,
    faas: JoinHandle<()>,
}

/// The folder of a bridge that is about to start.
pub fn folder() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    fs::write(folder.path().join("token.key"), random_key_line("first")).expect("a file");
    fs::create_dir(folder.path().join("templates")).expect("a folder");
    folder
}

impl Site {
    /// With these lines on top of the plainest configuration.
    pub async fn start(more: &str) -> Self {
        Self::start_in(folder(), "http", more).await
    }

    /// In this folder, with callbacks over `scheme`.
    pub async fn start_in(folder: TempDir, scheme: &str, more: &str) -> Self {
        let zeebe = FakeGateway::start();
        let (submissions, submitted) = mpsc::unbounded_channel();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let gateway = listener.local_addr().expect("an address");
        let router = Router::new().route("/async-function/{name}", post(queue)).with_state(submissions);
        let faas = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        let text = format!(
            r#"cluster = "test"
drain_timeout = "1s"
zeebe.address = "{}"
openfaas.gateway = "http://{gateway}"
admin.listen = "127.0.0.1:0"
keys.token_file = "token.key"
callback.listen = "127.0.0.1:0"
callback.url = "{scheme}://127.0.0.1:1"
{more}
"#,
            zeebe.address()
        );
        let settings = config::parse(&folder.path().join("zeebe2faas.toml"), &text, &Environment::new());
        let app = App::build(settings.expect("a configuration")).await.expect("a bridge");
        let callback = app.callback_address().expect("an address");
        let admin = app.admin_address().expect("an address");
        let stop = CancellationToken::new();
        let bridge = tokio::spawn(app.run(stop.clone()));
        Self { zeebe, folder, callback, admin, submitted: Mutex::new(submitted), stop, bridge, faas }
    }

    /// Hands a job out, and gives path and query of the callback URL with which it was submitted.
    pub async fn submit(&self, key: i64) -> String {
        let headers = r#"{"function":"otbcli","cmdline":"run it"}"#.to_owned();
        self.zeebe.until_streams_are(1).await;
        self.zeebe.push([ActivatedJob {
            r#type: "openfaas".to_owned(),
            custom_headers: headers,
            element_id: "task".to_owned(),
            ..job(key, PATIENCE)
        }]);
        let url = soon(async { self.submitted.lock().await.recv().await }).await.expect("the fake lives");
        Url::parse(&url).expect("a URL").path().to_owned()
    }

    /// Waits until so many outcomes are published.
    pub async fn until_published(&self, count: usize) {
        let published = |seen: &Seen| matches!(seen, Seen::Publish(_));
        self.zeebe.until_seen(|seen| seen.iter().filter(|seen| published(seen)).count() >= count).await;
    }

    /// A figure of `/metrics`, by the beginning of its line; 0 where it is not there yet.
    pub async fn figure(&self, beginning: &str) -> f64 {
        let client = plain_http().build().expect("a client");
        let answer = client.get(format!("http://{}/metrics", self.admin)).send().await.expect("it answers");
        let text = answer.text().await.expect("a text");
        let line = text.lines().find(|line| line.starts_with(beginning));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0.0)
    }

    /// Stops it in good order.
    pub async fn stop(mut self) {
        self.stop.cancel();
        soon(&mut self.bridge).await.expect("no panic").expect("a good end");
    }

    /// Replaces a file as operators and Kubernetes do.
    pub fn replace(&self, name: &str, text: &str) {
        replace(self.folder.path(), name, text);
    }
}

/// Replaces a file in one step.
pub fn replace(folder: &Path, name: &str, text: &str) {
    let new = folder.join(format!("{name}.new"));
    fs::write(&new, text).expect("a file");
    fs::rename(new, folder.join(name)).expect("a file");
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop.cancel();
        self.faas.abort();
    }
}

async fn queue(State(submissions): State<mpsc::UnboundedSender<String>>, headers: HeaderMap) -> StatusCode {
    let url = headers.get("x-callback-url").and_then(|url| url.to_str().ok()).unwrap_or_default();
    // The test has ended when nobody takes it.
    let _ = submissions.send(url.to_owned());
    StatusCode::ACCEPTED
}
