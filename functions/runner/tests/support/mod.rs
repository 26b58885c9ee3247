//! Starts runners as processes and speaks to them as the bridge does.
#![allow(dead_code, reason = "each test file uses what it needs")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

pub mod s3;

use reqwest::{Client, Method, Response};
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tempfile::TempDir;
use zeebe2faas_contract::{
    CALL_ID_HEADER, CallId, CallState, Invocation, KeyRing, Outcome, Report, SIGNATURE_HEADER, call_path,
    random_key_line,
    signature::{Answer, Request},
};

pub const FUNCTION: &str = "otbcli";
/// Far above what any step takes, on a loaded machine too.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// A function's shared state, its keys and a folder for the programs' files.
pub struct Function {
    pub folder: TempDir,
    pub ring: KeyRing,
}

impl Function {
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let ring = KeyRing::parse(&random_key_line("k1")).unwrap().for_function(FUNCTION);
        fs::write(folder.path().join("key"), ring.to_file_text()).unwrap();
        Self { folder, ring }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// A runner with short times that may run `/bin/sh`.
    pub fn runner(&self, settings: &[(&str, &str)]) -> Runner {
        let mut command = Command::new(env!("CARGO_BIN_EXE_zeebe2faas-runner"));
        command
            .env("RUNNER_LISTEN", "127.0.0.1:0")
            .env("RUNNER_FUNCTION", FUNCTION)
            .env("RUNNER_KEY_FILE", self.path("key"))
            .env("RUNNER_STATE_DIR", self.path("state"))
            .env("RUNNER_ALLOW", "/bin/sh")
            .env("RUNNER_MAX_RUNS", "4")
            .env("RUNNER_GRACE", "500ms")
            .env("RUNNER_BEAT", "50ms")
            .env("RUNNER_GIVE_UP_AFTER", "5s")
            .env("RUNNER_DEAD_AFTER", "6s")
            .env("RUNNER_POLL", "20ms")
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let mut process = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?}")).to_owned();
        // reqwest wants a provider of cryptography also for plain HTTP; whoever comes second finds it there.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Tests of time-outs need connections of their own.
        let client = Client::builder().tls_certs_only([]).no_proxy().pool_max_idle_per_host(0).build().unwrap();
        Runner { process, url, client, ring: self.ring.clone() }
    }
}

/// A call of `/bin/sh -c SCRIPT ARGS…`.
pub fn shell(number: i64, script: &str, args: &[&str]) -> Invocation {
    let words = ["/bin/sh", "-c", script, "script"];
    let args = words.iter().chain(args).map(ToString::to_string).collect();
    Invocation::new(CallId::new("test", number, 1), FUNCTION.into(), args, Vec::new(), now_ms() + 120_000)
}

pub struct Runner {
    pub process: Child,
    pub url: String,
    pub client: Client,
    pub ring: KeyRing,
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Runner {
    /// SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    pub async fn send(&self, invocation: &Invocation) -> Response {
        let body = serde_json::to_vec(invocation).unwrap();
        self.send_body(&invocation.call_id, body, invocation.deadline_ms).await
    }

    /// The same to a runner that may end before it answers.
    pub async fn try_send(&self, invocation: &Invocation) -> reqwest::Result<Response> {
        let body = serde_json::to_vec(invocation).unwrap();
        self.request(&invocation.call_id, body, invocation.deadline_ms).send().await
    }

    pub async fn send_body(&self, call_id: &CallId, body: Vec<u8>, expires_ms: u64) -> Response {
        self.request(call_id, body, expires_ms).send().await.unwrap()
    }

    fn request(&self, call_id: &CallId, body: Vec<u8>, expires_ms: u64) -> reqwest::RequestBuilder {
        let request = Request { method: "POST", path: "/", function: FUNCTION, call_id, body: &body };
        let request = self
            .client
            .post(&self.url)
            .header(CALL_ID_HEADER, call_id.as_str())
            .header(SIGNATURE_HEADER, request.sign(&self.ring, expires_ms));
        request.body(body)
    }

    /// The signed report that answers the invocation.
    pub async fn post(&self, invocation: &Invocation) -> Report {
        let response = self.send(invocation).await;
        let (status, bytes) = self.genuine(response, &invocation.call_id, "").await;
        let report: Report =
            serde_json::from_slice(&bytes).unwrap_or_else(|_| panic!("{status} {}", String::from_utf8_lossy(&bytes)));
        assert_eq!(status, report.http_status());
        report
    }

    /// Status and body of an answer whose signature holds.
    pub async fn genuine(&self, response: Response, call_id: &CallId, question: &str) -> (u16, Vec<u8>) {
        let status = response.status().as_u16();
        let signature = response.headers().get(SIGNATURE_HEADER).map(|value| value.to_str().unwrap().to_owned());
        let body = response.bytes().await.unwrap().to_vec();
        let answer = Answer { function: FUNCTION, call_id, status, question, body: &body };
        let genuine = signature.is_some_and(|signature| answer.verify(&self.ring, &signature));
        assert!(genuine, "{status} {}", String::from_utf8_lossy(&body));
        (status, body)
    }

    pub async fn ask(&self, method: Method, call_id: &CallId, query: &str) -> CallState {
        let path = format!("{}{query}", call_path(call_id));
        let request = Request { method: method.as_str(), path: &path, function: FUNCTION, call_id, body: b"" };
        let question = request.sign(&self.ring, now_ms() + 60_000);
        let request = self.client.request(method, format!("{}{path}", self.url)).header(SIGNATURE_HEADER, &question);
        let (status, body) = self.genuine(request.send().await.unwrap(), call_id, &question).await;
        assert_eq!(status, 200);
        serde_json::from_slice(&body).unwrap()
    }

    pub async fn state(&self, call_id: &CallId) -> CallState {
        self.ask(Method::GET, call_id, "").await
    }

    pub async fn cancel(&self, call_id: &CallId) -> CallState {
        self.ask(Method::DELETE, call_id, "").await
    }
}

/// Looks until it is so.
pub async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let give_up_at = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < give_up_at, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub fn lines(path: &Path) -> usize {
    fs::read_to_string(path).unwrap_or_default().lines().count()
}

/// Whether a process runs; a zombie does not.
pub fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

pub fn ended(state: CallState) -> Report {
    match state {
        CallState::Ended { report } => *report,
        other => panic!("{other:?}"),
    }
}

pub fn outcome(state: CallState) -> Outcome {
    ended(state).outcome
}
