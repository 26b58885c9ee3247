//! The bridge as `zeebe2faas run` builds it, between two fakes.

use crate::{
    fake_gateway::{FakeGateway, Seen, job},
    fake_openfaas::{FakeOpenFaas, Invocation},
    http, soon,
};
use reqwest::Response;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zeebe2faas::{
    app::{App, AppError},
    config::{self, Environment},
    zeebe::proto::ActivatedJob,
};
use zeebe2faas_contract::{KeyRing, random_key_line};

const LOOK_EVERY: Duration = Duration::from_millis(10);
const LOCK: Duration = Duration::from_secs(60);
/// Ends the transaction as a full disk does.
const DISK_IS_FULL: &str = "
    CREATE TRIGGER full_for_new BEFORE INSERT ON calls BEGIN SELECT RAISE(ROLLBACK, 'database or disk is full'); END;
    CREATE TRIGGER full_for_old BEFORE UPDATE ON calls BEGIN SELECT RAISE(ROLLBACK, 'database or disk is full'); END;
";
const DISK_HAS_ROOM: &str = "DROP TRIGGER full_for_new; DROP TRIGGER full_for_old;";

/// A running bridge and its fakes.
pub struct Product {
    /// Zeebe.
    pub zeebe: FakeGateway,
    /// OpenFaaS.
    pub openfaas: FakeOpenFaas,
    /// Its configuration, keys and ledger.
    pub folder: TempDir,
    /// `http://HOST:PORT` of the callback listener.
    pub callbacks: String,
    /// `http://HOST:PORT` of the admin listener.
    pub admin: String,
    stop: CancellationToken,
    run: JoinHandle<Result<(), AppError>>,
}

impl Product {
    /// With these lines besides the least configuration. Function `guarded` is `run_once`, any other is not.
    pub async fn start(lines: &str) -> Self {
        let (zeebe, openfaas) = (FakeGateway::start(), FakeOpenFaas::start().await);
        let folder = TempDir::new().expect("a folder");
        let configuration = configure(folder.path(), &zeebe.address(), openfaas.url(), lines);
        let settings = config::load(Some(&configuration), &Environment::new()).expect("a good configuration");
        let app = App::build(settings).await.expect("it can be built");
        let callbacks = format!("http://{}", app.callback_address().expect("it is bound"));
        let admin = format!("http://{}", app.admin_address().expect("it is bound"));
        let stop = CancellationToken::new();
        let run = tokio::spawn(app.run(stop.clone()));
        Self { zeebe, openfaas, folder, callbacks, admin, stop, run }
    }

    /// Has the function called by a job of this key.
    pub async fn invoke(&mut self, key: i64, function: &str) -> Invocation {
        self.zeebe.add_to_backlog([calling(key, function)]);
        let invocation = self.openfaas.invocation().await;
        self.zeebe
            .until_seen(|seen| seen.iter().any(|seen| matches!(seen, Seen::Complete(c) if c.job_key == key)))
            .await;
        invocation
    }

    /// Posts a callback as OpenFaaS does.
    pub async fn call_back(&self, token: &str, status: u16, body: impl Into<reqwest::Body>) -> Response {
        let post = http().post(format!("{}/callback/{token}", self.callbacks));
        let post = post.header("x-function-status", status).header("x-duration-seconds", "1.5").body(body);
        soon(post.send()).await.expect("an answer")
    }

    /// The outcomes that Zeebe has been given so far: the variable `call` of each message.
    pub fn outcomes(&self) -> Vec<Value> {
        let outcome = |seen: &Seen| match seen {
            Seen::Publish(message) => {
                let mut variables: Value = serde_json::from_str(&message.variables).expect("JSON");
                Some(variables["call"].take())
            }
            _ => None,
        };
        self.zeebe.seen().iter().filter_map(outcome).collect()
    }

    /// Waits for so many outcomes.
    pub async fn until_outcomes(&self, count: usize) -> Vec<Value> {
        let published = |seen: &[Seen]| seen.iter().filter(|seen| matches!(seen, Seen::Publish(_))).count();
        self.zeebe.until_seen(|seen| published(seen) >= count).await;
        self.outcomes()
    }

    /// What the admin listener answers.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let answer = soon(http().get(format!("{}{path}", self.admin)).send()).await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("a text"))
    }

    /// What it answers to an order, with this token.
    pub async fn act(&self, path: &str, token: Option<&str>) -> (u16, String) {
        let mut request = http().post(format!("{}{path}", self.admin));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = soon(request.send()).await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("a text"))
    }

    /// The token of whoever may act, where the configuration names `admin.token`.
    pub fn admin_token(&self) -> String {
        fs::read_to_string(self.folder.path().join("admin.token")).expect("the token").trim().to_owned()
    }

    /// Waits until the admin listener answers as wanted.
    pub async fn until(&self, path: &str, wanted: impl Fn(u16, &str) -> bool) {
        soon(async {
            loop {
                let (status, text) = self.get(path).await;
                if wanted(status, &text) {
                    return;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        })
        .await;
    }

    /// The key that signs tokens.
    pub fn token_key(&self) -> KeyRing {
        let text = fs::read_to_string(self.folder.path().join("token.key")).expect("the key");
        KeyRing::parse(&text).expect("a key")
    }

    /// From now on nothing can be written to the ledger…
    pub fn fill_the_disk(&self) {
        self.ledger().execute_batch(DISK_IS_FULL).expect("the ledger is there");
    }

    /// …until now.
    pub fn make_room_on_the_disk(&self) {
        self.ledger().execute_batch(DISK_HAS_ROOM).expect("the disk was full");
    }

    fn ledger(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.folder.path().join("zeebe2faas.ledger")).expect("the ledger is there")
    }

    /// Stops it in good order, and leaves its folder.
    pub async fn stop(self) -> TempDir {
        self.stop.cancel();
        soon(self.run).await.expect("no panic").expect("it stops in good order");
        self.folder
    }
}

/// Writes keys, a folder of templates and a configuration with these lines at its end; gives the configuration's path.
pub fn configure(folder: &Path, zeebe: &str, gateway: &str, lines: &str) -> PathBuf {
    for key in ["token.key", "runner.key", "admin.token"] {
        fs::write(folder.join(key), random_key_line("mock")).expect("a file");
    }
    fs::create_dir(folder.join("templates")).expect("a folder");
    let text = format!(
        r#"cluster = "mock"
zeebe.address = "{zeebe}"
openfaas.gateway = "{gateway}"
callback.listen = "127.0.0.1:0"
callback.url = "http://callbacks.invalid"
admin.listen = "127.0.0.1:0"
keys = {{ token_file = "token.key", runner_file = "runner.key" }}
functions.guarded.run_once = true
{lines}
[[worker]]
type = "faas"
poll_interval = "100ms"
"#
    );
    let path = folder.join("zeebe2faas.toml");
    fs::write(&path, text).expect("a file");
    path
}

/// A job that calls this function.
pub fn calling(key: i64, function: &str) -> ActivatedJob {
    let custom_headers = serde_json::json!({ "function": function, "cmdline": "work hard" }).to_string();
    ActivatedJob { custom_headers, element_id: "task".to_owned(), ..job(key, LOCK) }
}
