//! What is attacked: the bridge and real runners in this process, between a fake Zeebe and the spy's gateway.

use super::spy::{Asked, Passed, Spy, passed};
use axum::Router;
use clap::Parser;
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    fs,
    net::SocketAddr,
    path::Path,
    time::Duration,
};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use zeebe2faas::{
    app::App,
    config::{self, Environment},
    zeebe::proto::ActivatedJob,
};
use zeebe2faas_contract::{KeyRing, SIGNATURE_HEADER, random_key_line};
use zeebe2faas_runner::{calls::Calls, server, settings::Arguments};
use zeebe2faas_tests::fake_gateway::{FakeGateway, Seen, job};

/// Far beyond what anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(60);
pub const LOOK_EVERY: Duration = Duration::from_millis(10);
/// The attacker knows that all keys have this id.
pub const KEY_ID: &str = "k1";
const LOCK: Duration = Duration::from_secs(3600);
/// Counts its run, then works until it may end.
const SCRIPT: &str = "echo \"$2\" >> \"$1/runs\"; while ! [ -e \"$1/go-$2\" ]; do sleep 0.02; done; exit \"$3\"\n";

pub struct Site {
    pub folder: TempDir,
    pub zeebe: FakeGateway,
    pub callback: SocketAddr,
    pub admin: SocketAddr,
    pub token_ring: KeyRing,
    pub runner_secret: KeyRing,
    pub runners: HashMap<String, SocketAddr>,
    pub http: reqwest::Client,
    pub spy: Spy,
    stop: CancellationToken,
    bridge: JoinHandle<()>,
}

impl Site {
    /// Two guarded functions, `one` and `two`, and `plain`, which has no runner.
    pub async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let zeebe = FakeGateway::start();
        let (token, secret) = (random_key_line(KEY_ID), random_key_line(KEY_ID));
        let runner_secret = KeyRing::parse(&secret).unwrap();
        let mut runners = HashMap::new();
        for function in ["one", "two"] {
            runners.insert(function.to_owned(), runner(folder.path(), function, &runner_secret).await);
        }
        let http = zeebe2faas::tls::plain_http().pool_max_idle_per_host(0).build().unwrap();
        let spy = Spy::new(runners.clone(), http.clone());
        let gateway = serve(spy.clone().router()).await;
        fs::write(folder.path().join("work"), SCRIPT).unwrap();
        fs::write(folder.path().join("token.key"), &token).unwrap();
        fs::write(folder.path().join("runner.key"), &secret).unwrap();
        fs::create_dir(folder.path().join("templates")).unwrap();
        let text = format!(
            r#"cluster = "attacked"
zeebe.address = "{}"
openfaas.gateway = "http://{gateway}"
callback = {{ listen = "127.0.0.1:0", url = "http://callback" }}
admin.listen = "127.0.0.1:0"
keys = {{ token_file = "token.key", runner_file = "runner.key" }}
calls.ask_interval = "20ms"
listeners.max_rejected_per_second = 100000
functions = {{ one = {{ run_once = true }}, two = {{ run_once = true }} }}
[[worker]]
type = "faas"
"#,
            zeebe.address()
        );
        let settings = config::parse(&folder.path().join("zeebe2faas.toml"), &text, &Environment::new()).unwrap();
        let app = App::build(settings).await.unwrap();
        let (callback, admin) = (app.callback_address().unwrap(), app.admin_address().unwrap());
        let stop = CancellationToken::new();
        let running = app.run(stop.clone());
        let bridge = tokio::spawn(async move { running.await.unwrap() });
        let token_ring = KeyRing::parse(&token).unwrap();
        Self { folder, zeebe, callback, admin, token_ring, runner_secret, runners, http, spy, stop, bridge }
    }

    /// Ends the bridge; the site is of no more use.
    pub async fn stop(self) {
        self.stop.cancel();
        timeout(PATIENCE, self.bridge).await.unwrap().unwrap();
    }

    /// A job becomes a call; its invocation, which nobody has worked yet. The program will end with this code.
    pub async fn submit(&self, key: i64, function: &str, exit_code: u8) -> Passed {
        let name = key.to_string();
        let cmdline = "/bin/sh {{ folder }}/work {{ folder }} {{ name }} {{ code }}";
        let headers = serde_json::json!({ "function": function, "cmdline": cmdline });
        let variables = serde_json::json!({ "folder": self.folder.path(), "name": name, "code": exit_code });
        let before = self.spy.lock().invocations.len();
        self.zeebe.add_to_backlog([ActivatedJob {
            custom_headers: headers.to_string(),
            variables: variables.to_string(),
            process_instance_key: key,
            ..job(key, LOCK)
        }]);
        self.spy.until(|spied| spied.invocations.len() > before).await;
        let passed = self.spy.lock().invocations[before].clone();
        let id = passed.call_id().to_string();
        self.until_calls(|calls| calls.get(&id).is_some_and(|call| call["state"] == "submitted")).await;
        passed
    }

    /// OpenFaaS hands the invocation to the runner; its answer.
    pub async fn invoke(&self, function: &str, invocation: &Passed) -> (u16, Passed) {
        let url = format!("http://{}/", self.runners[function]);
        let sent = self.http.post(url).headers(invocation.headers.clone()).body(invocation.body.clone());
        passed(sent.send().await.unwrap()).await
    }

    /// OpenFaaS makes the callback of an answer.
    pub async fn call_back(&self, path: &str, status: u16, answer: &Passed) -> u16 {
        let mut sent = self.http.post(format!("http://{}{path}", self.callback)).body(answer.body.clone());
        sent = sent.header("x-function-status", status);
        if let Some(signature) = answer.headers.get(SIGNATURE_HEADER) {
            sent = sent.header(SIGNATURE_HEADER, signature);
        }
        sent.send().await.unwrap().status().as_u16()
    }

    /// Lets the program of a job end.
    pub fn let_end(&self, key: i64) {
        fs::write(self.folder.path().join(format!("go-{key}")), "").unwrap();
    }

    /// The jobs whose program ran, in order.
    pub fn runs(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join("runs")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The ledger, as the admin listener shows it, by call id.
    pub async fn calls(&self) -> BTreeMap<String, Value> {
        let answer = self.http.get(format!("http://{}/api/calls", self.admin)).send().await.unwrap();
        let calls: Vec<Value> = answer.json().await.unwrap();
        calls.into_iter().map(|call| (call["callId"].as_str().unwrap().to_owned(), call)).collect()
    }

    pub async fn until_calls(&self, wanted: impl Fn(&BTreeMap<String, Value>) -> bool) {
        let looking = async {
            while !wanted(&self.calls().await) {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        timeout(PATIENCE, looking).await.unwrap();
    }

    /// The outcomes that Zeebe got, by the call's id.
    pub fn published(&self) -> Vec<(String, Value)> {
        let outcome = |seen: &Seen| match seen {
            Seen::Publish(message) => {
                Some((message.correlation_key.clone(), serde_json::from_str(&message.variables).unwrap()))
            }
            _ => None,
        };
        self.zeebe.seen().iter().filter_map(outcome).collect()
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.spy.lock().asked.clone()
    }

    /// Waits until the bridge has asked so much more.
    pub async fn until_asked(&self, more: usize) {
        let before = self.spy.lock().asked.len();
        self.spy.until(|spied| spied.asked.len() >= before + more).await;
    }
}

async fn runner(folder: &Path, function: &str, secret: &KeyRing) -> SocketAddr {
    let key = folder.join(format!("{function}.key"));
    fs::write(&key, secret.for_function(function).to_file_text()).unwrap();
    let (key, state) = (key.to_str().unwrap(), folder.join("state"));
    let words = ["runner", "--function", function, "--key-file", key, "--allow", "/bin/sh", "--max-runs", "8"];
    let state = ["--state-dir", state.to_str().unwrap(), "--poll", "20ms", "--allow-dirs", folder.to_str().unwrap()];
    let settings = Arguments::try_parse_from(words.iter().chain(&state)).unwrap().check().unwrap();
    let calls = Calls::open(settings.clone()).unwrap();
    serve(server::router(&settings, calls)).await
}

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}
