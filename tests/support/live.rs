//! A whole bridge within the test, as `zeebe2faas run` builds it, between a fake Zeebe and a fake OpenFaaS, seen through
//! its two listeners.

mod calls;

pub use calls::{Call, call_id, progress};

use crate::{
    binaries,
    events::Listener,
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
use tokio::{process::Command, task::JoinHandle};
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

/// What functions are told; no such host is there.
const CALLBACKS: &str = "http://callbacks.invalid";
const TEMPLATE: &str = "function = 'guarded'\nmemory = '8Gi'\ncores = 4\ncommand = 'prog {{ word }}'\n";

/// The bridge and its surroundings.
pub struct Live {
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

impl Live {
    /// With these lines besides the least configuration, and the template `measured`. Function `guarded` is `run_once`,
    /// any other is not.
    pub async fn start(lines: &str) -> Self {
        Self::start_in(TempDir::new().expect("a folder"), lines).await
    }

    /// The same with a folder whose keys and ledger are used, where it has them.
    pub async fn start_in(folder: TempDir, lines: &str) -> Self {
        let (zeebe, openfaas) = (FakeGateway::start(), FakeOpenFaas::start().await);
        configure(folder.path(), &zeebe.address(), openfaas.url(), lines);
        fs::write(folder.path().join("templates/measured.toml"), TEMPLATE).expect("a file");
        let app = build_soon(folder.path()).await;
        let (callbacks, admin) = addresses(&app);
        let stop = CancellationToken::new();
        let run = tokio::spawn(app.run(stop.clone()));
        Self { zeebe, openfaas, folder, callbacks, admin, stop, run }
    }

    /// Stops the bridge in good order, and waits until it has stopped.
    pub async fn stop(&mut self) {
        self.stop.cancel();
        soon(&mut self.run).await.expect("no panic").expect("it stops in good order");
    }

    /// Stops it, and gives its folder for another one.
    pub async fn ended(mut self) -> TempDir {
        self.stop().await;
        self.folder
    }

    /// Starts it again, after a stop, with the same configuration and ledger.
    pub async fn restart(&mut self) {
        self.stop = CancellationToken::new();
        let app = build_soon(self.folder.path()).await;
        (self.callbacks, self.admin) = addresses(&app);
        self.run = tokio::spawn(app.run(self.stop.clone()));
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
    pub async fn get(&self, path: &str) -> Response {
        soon(http().get(format!("{}{path}", self.admin)).send()).await.expect("an answer")
    }

    /// The status of its answer, and the answer.
    pub async fn read(&self, path: &str) -> (u16, String) {
        let answer = self.get(path).await;
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
                let (status, text) = self.read(path).await;
                if wanted(status, &text) {
                    return;
                }
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
        let (_, text) = self.read("/metrics").await;
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }

    /// Listens to the events from now on.
    pub async fn listen(&self) -> Listener {
        Listener::start(&self.admin).await
    }

    /// The key that signs tokens.
    pub fn token_key(&self) -> KeyRing {
        self.key("token.key")
    }

    /// The secret that the runners' keys are made of.
    pub fn runner_secret(&self) -> KeyRing {
        self.key("runner.key")
    }

    fn key(&self, name: &str) -> KeyRing {
        let text = fs::read_to_string(self.folder.path().join(name)).expect("the key");
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
}

async fn build(folder: &Path) -> Result<App, AppError> {
    let path = folder.join(config::DEFAULT_FILE);
    App::build(config::load(Some(&path), &Environment::new()).expect("a good configuration")).await
}

/// Of the callback listener, and of the admin listener.
fn addresses(app: &App) -> (String, String) {
    let callbacks = app.callback_address().expect("it is bound");
    (format!("http://{callbacks}"), format!("http://{}", app.admin_address().expect("it is bound")))
}

/// Waits where what was under way when another one stopped still holds the ledger for a moment.
async fn build_soon(folder: &Path) -> App {
    soon(async {
        loop {
            match build(folder).await {
                Err(AppError::Ledger(_)) => tokio::time::sleep(LOOK_EVERY).await,
                app => return app.expect("it can be built"),
            }
        }
    })
    .await
}

/// Writes keys, a folder of templates and a configuration with these lines at its end; gives the configuration's path.
pub fn configure(folder: &Path, zeebe: &str, gateway: &str, lines: &str) -> PathBuf {
    for key in ["token.key", "runner.key", "admin.token"] {
        if !folder.join(key).exists() {
            fs::write(folder.join(key), random_key_line("mock")).expect("a file");
        }
    }
    fs::create_dir_all(folder.join("templates")).expect("a folder");
    let text = format!(
        r#"cluster = "mock"
zeebe.address = "{zeebe}"
openfaas.gateway = "{gateway}"
callback.listen = "127.0.0.1:0"
callback.url = "{CALLBACKS}"
admin.listen = "127.0.0.1:0"
keys = {{ token_file = "token.key", runner_file = "runner.key" }}
functions.guarded.run_once = true
{lines}
[[worker]]
type = "faas"
poll_interval = "100ms"
"#
    );
    let path = folder.join(config::DEFAULT_FILE);
    fs::write(&path, text).expect("a file");
    path
}

/// A job that calls this function.
pub fn calling(key: i64, function: &str) -> ActivatedJob {
    let custom_headers = serde_json::json!({ "function": function, "cmdline": "work hard" }).to_string();
    ActivatedJob { custom_headers, element_id: "task".to_owned(), ..job(key, LOCK) }
}
