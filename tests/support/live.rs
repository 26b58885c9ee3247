//! A whole bridge within the test, between a fake Zeebe and a fake OpenFaaS, seen through its two listeners.
#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a test ends where its surroundings fail")]

use crate::{
    binaries,
    fake_gateway::{FakeGateway, job},
    http,
};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde_json::{Value, json};
use std::{collections::VecDeque, fs, path::Path, time::Duration};
use tempfile::TempDir;
use tokio::{net::TcpListener, process::Command, sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use zeebe2faas::{
    app::{App, AppError},
    config,
};
use zeebe2faas_contract::{
    CallId, Invocation, KeyRing, Outcome, Progress, Report, SIGNATURE_HEADER, random_key_line, signature::Answer,
};

/// Far beyond what any step takes; it only ends tests that fail.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a condition of another task is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);
const LOCK: Duration = Duration::from_secs(60);

const TEMPLATE: &str = "function = 'guarded'\nmemory = '8Gi'\ncores = 4\ncommand = 'prog {{ word }}'\n";

/// The bridge and its surroundings.
pub struct Live {
    /// Zeebe.
    pub zeebe: FakeGateway,
    /// `http://HOST:PORT` of the admin listener.
    pub admin: String,
    /// `HOST:PORT` of the callback listener.
    pub callback: String,
    /// The runners' secret.
    pub secret: KeyRing,
    folder: TempDir,
    openfaas: String,
    invoked: mpsc::UnboundedReceiver<Call>,
    stop: CancellationToken,
    running: JoinHandle<Result<(), AppError>>,
}

/// A call that OpenFaaS took.
#[derive(Debug)]
pub struct Call {
    /// What its runner would get.
    pub invocation: Invocation,
    /// Where its callback goes.
    pub callback_url: String,
}

impl Live {
    /// Starts everything. The function `guarded` has a runner, others do not.
    pub async fn start() -> Self {
        let folder = TempDir::new().expect("a folder");
        let secret = random_key_line("live");
        fs::create_dir(folder.path().join("templates")).expect("a folder");
        fs::write(folder.path().join("templates/measured.toml"), TEMPLATE).expect("a file");
        fs::write(folder.path().join("runner.key"), &secret).expect("a file");
        fs::write(folder.path().join("token.key"), random_key_line("live")).expect("a file");
        let secret = KeyRing::parse(&secret).expect("a key");
        let (zeebe, (openfaas, invoked)) = (FakeGateway::start(), openfaas().await);
        let (stop, app) = (CancellationToken::new(), build(folder.path(), &zeebe, &openfaas).await.expect("a bridge"));
        let (callback, admin) = addresses(&app);
        let running = tokio::spawn(app.run(stop.clone()));
        Self { zeebe, admin, callback, secret, folder, openfaas, invoked, stop, running }
    }

    /// Stops the bridge, and waits until it has stopped.
    pub async fn stop(&mut self) {
        self.stop.cancel();
        soon(&mut self.running).await.expect("it does not break off").expect("it stops in good order");
    }

    /// Starts it again, after a stop, with the same ledger.
    pub async fn restart(&mut self) {
        self.stop = CancellationToken::new();
        // What was under way may still hold the ledger for a moment.
        let app = soon(async {
            loop {
                match build(self.folder.path(), &self.zeebe, &self.openfaas).await {
                    Err(AppError::Ledger(_)) => tokio::time::sleep(LOOK_EVERY).await,
                    app => return app.expect("a bridge"),
                }
            }
        })
        .await;
        (self.callback, self.admin) = addresses(&app);
        self.running = tokio::spawn(app.run(self.stop.clone()));
    }

    /// A job with these headers and variables becomes a call.
    pub async fn call(&mut self, key: i64, headers: &Value, variables: &Value) -> Call {
        let mut job = job(key, LOCK);
        (job.custom_headers, job.variables) = (headers.to_string(), variables.to_string());
        (job.bpmn_process_id, job.element_id) = ("process".to_owned(), "<script>task()</script>".to_owned());
        self.zeebe.until_streams_are(1).await;
        self.zeebe.push([job]);
        let call = soon(self.invoked.recv()).await.expect("OpenFaaS is there");
        self.until(&call, |shown| shown["state"] == "submitted").await;
        call
    }

    /// A call of a function, which runs `prog`.
    pub async fn call_of(&mut self, key: i64, function: &str) -> Call {
        self.call(key, &json!({ "function": function, "cmdline": "prog" }), &json!({})).await
    }

    /// A report as the call's runner would sign it.
    pub fn sign(&self, call: &Call, body: &[u8]) -> String {
        let Invocation { call_id, function, deadline_ms, .. } = &call.invocation;
        Progress::sign(call_id, function, body, &self.secret.for_function(function), *deadline_ms)
    }

    /// Posts a body to the call's progress URL.
    pub async fn post(&self, call: &Call, body: Vec<u8>, signature: Option<&str>) -> u16 {
        let url = call.invocation.progress_url.as_deref().expect("a progress URL");
        self.post_to(url, body, signature).await
    }

    /// Posts a body to a URL of the callback listener, which in these tests has another address than it is told.
    pub async fn post_to(&self, url: &str, body: Vec<u8>, signature: Option<&str>) -> u16 {
        let url = url.replace("http://bridge.test", &format!("http://{}", self.callback));
        let mut request = http().post(url).body(body);
        if let Some(signature) = signature {
            request = request.header(SIGNATURE_HEADER, signature);
        }
        soon(request.send()).await.expect("the bridge answers").status().as_u16()
    }

    /// Posts a report, signed, and expects it to be heard.
    pub async fn report(&self, call: &Call, progress: &Progress) {
        let body = serde_json::to_vec(progress).expect("JSON");
        let signature = self.sign(call, &body);
        assert_eq!(self.post(call, body, Some(&signature)).await, 204);
    }

    /// Ends a guarded call, by its callback.
    pub async fn end(&self, call: &Call, log_tail: &str) {
        let Invocation { call_id, function, .. } = &call.invocation;
        let report = Report {
            call_id: call_id.clone(),
            function: function.clone(),
            outcome: Outcome::Failed,
            message: log_tail.to_owned(),
            exit_code: Some(1),
            signal: None,
            out_of_memory: false,
            started_at_ms: Some(1),
            duration_seconds: 1.0,
            cpu_seconds: 1.0,
            peak_memory_bytes: 1,
            outputs: Vec::new(),
            log_tail: log_tail.to_owned(),
        };
        let body = serde_json::to_vec(&report).expect("JSON");
        let answer = Answer { function, call_id, status: 500, question: "", body: &body };
        let signature = answer.sign(&self.secret.for_function(function));
        let url = call.callback_url.replace("http://bridge.test", &format!("http://{}", self.callback));
        let request = http().post(url).header("x-function-status", "500");
        let request = request.header(SIGNATURE_HEADER, signature).body(body);
        assert_eq!(soon(request.send()).await.expect("the bridge answers").status(), 200);
    }

    /// What the admin listener answers.
    pub async fn get(&self, path: &str) -> reqwest::Response {
        soon(http().get(format!("{}{path}", self.admin)).send()).await.expect("the bridge answers")
    }

    /// What it says of a call.
    pub async fn shown(&self, call: &Call) -> Value {
        let answer = self.get(&format!("/api/calls/{}", call.invocation.call_id)).await;
        serde_json::from_str(&answer.text().await.expect("a text")).expect("JSON")
    }

    /// Waits until this can be said of a call.
    pub async fn until(&self, call: &Call, wanted: impl Fn(&Value) -> bool) {
        soon(async {
            while !wanted(&self.shown(call).await) {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        })
        .await;
    }

    /// What `zeebe2faas` prints with these arguments.
    pub async fn command(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(binaries().join("zeebe2faas"));
        command.args(arguments).current_dir(self.folder.path());
        command.env("ZEEBE2FAAS_ADMIN_LISTEN", self.admin.trim_start_matches("http://"));
        let output = soon(command.output()).await.expect("`cargo build --workspace --bins` has made the bridge");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("a text")
    }

    /// The figure of this name and label, as Prometheus reads it.
    pub async fn figure(&self, name: &str) -> Option<f64> {
        let text = self.get("/metrics").await.text().await.expect("a text");
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }

    /// Listens to the events from now on.
    pub async fn listen(&self) -> Listener {
        Listener { answer: self.get("/api/events").await, text: String::new(), heard: VecDeque::new() }
    }
}

/// A client of `/api/events`.
pub struct Listener {
    /// The answer's head.
    pub answer: reqwest::Response,
    text: String,
    heard: VecDeque<(String, Value)>,
}

impl Listener {
    /// The next change of this kind; those before it are passed over.
    pub async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let (event, change) = self.next().await.expect("the stream goes on");
            assert_eq!(event, "call");
            if wanted(&change) {
                return change;
            }
        }
    }

    /// The next event and its data; nothing once the stream has ended.
    pub async fn next(&mut self) -> Option<(String, Value)> {
        while self.heard.is_empty() {
            let chunk = soon(self.answer.chunk()).await.expect("the stream ends in good order")?;
            self.text.push_str(std::str::from_utf8(&chunk).expect("ASCII"));
            while let Some(end) = self.text.find("\n\n") {
                let event: String = self.text.drain(..end + 2).collect();
                let field = |name| event.lines().find_map(|line| line.strip_prefix(name));
                if let (Some(name), Some(data)) = (field("event: "), field("data: ")) {
                    self.heard.push_back((name.to_owned(), serde_json::from_str(data).expect("JSON")));
                }
            }
        }
        self.heard.pop_front()
    }
}

/// A report of a run that began at `started_at_ms`.
pub fn progress(call: &Call, started_at_ms: u64, sequence: u64, percent: f64, step: &str) -> Progress {
    Progress {
        call_id: call.invocation.call_id.clone(),
        function: call.invocation.function.clone(),
        sequence,
        started_at_ms,
        elapsed_seconds: 2.0,
        percent: Some(percent),
        step: Some(step.to_owned()),
        cpu_seconds: 7.5,
        memory_bytes: 3 << 30,
        peak_memory_bytes: 4 << 30,
    }
}

/// What comes in time; a test that waits in vain ends.
pub async fn soon<T>(event: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, event).await.expect("it happens in time")
}

async fn build(folder: &Path, zeebe: &FakeGateway, openfaas: &str) -> Result<App, AppError> {
    let text = format!(
        r#"cluster = "live"
zeebe.address = "{}"
openfaas.gateway = "{openfaas}"
callback = {{ listen = "127.0.0.1:0", url = "http://bridge.test", max_concurrent = 1, read_timeout = "10m" }}
admin.listen = "127.0.0.1:0"
keys = {{ token_file = "token.key", runner_file = "runner.key" }}
functions.guarded.run_once = true
[[worker]]
type = "faas"
"#,
        zeebe.address()
    );
    let settings = config::parse(&folder.join("zeebe2faas.toml"), &text, &config::Environment::new());
    App::build(settings.expect("a configuration")).await
}

/// Of the callback listener, and of the admin listener.
fn addresses(app: &App) -> (String, String) {
    let callback = app.callback_address().expect("an address").to_string();
    (callback, format!("http://{}", app.admin_address().expect("an address")))
}

/// Takes every invocation, and does not know of any call that it is asked about.
async fn openfaas() -> (String, mpsc::UnboundedReceiver<Call>) {
    let (send, invoked) = mpsc::unbounded_channel();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let router = Router::new().fallback(take).with_state(send);
    tokio::spawn(axum::serve(listener, router).into_future());
    (url, invoked)
}

async fn take(State(invoked): State<mpsc::UnboundedSender<Call>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let url = headers.get("x-callback-url").and_then(|url| url.to_str().ok());
    let (Some(url), Ok(invocation)) = (url, serde_json::from_slice(&body)) else { return StatusCode::BAD_GATEWAY };
    // The test may have ended.
    let _ = invoked.send(Call { invocation, callback_url: url.to_owned() });
    StatusCode::ACCEPTED
}

/// The id that the bridge gives the call of a job.
pub fn call_id(key: i64) -> CallId {
    CallId::new("live", key, 1)
}
