//! The bridge's own binary, to be killed and started again.

use super::Proxy;
use crate::{binaries, events::Listener, http, soon};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStderr, Command},
    sync::oneshot,
};

/// How often a condition of another process is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A bridge that runs or was killed.
pub struct Bridge {
    configuration: PathBuf,
    settings: Vec<(String, String)>,
    child: Option<Child>,
    admin: String,
    callback: String,
    log: Arc<Mutex<String>>,
}

impl Bridge {
    /// Starts the binary with `settings` in its environment, and aims the proxy of callbacks at it.
    pub async fn start(configuration: &Path, settings: &[(&str, &str)], callbacks: &Proxy) -> Self {
        let settings = settings.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let (configuration, log) = (configuration.to_owned(), Arc::default());
        let (admin, callback) = (String::new(), String::new());
        let mut bridge = Self { configuration, settings, child: None, admin, callback, log };
        bridge.restart(callbacks).await;
        bridge
    }

    /// Starts it again, with the same configuration and ledger. Its ports are new.
    pub async fn restart(&mut self, callbacks: &Proxy) {
        assert!(self.child.is_none(), "it runs already");
        // A shell starts it without SIGXFSZ: at a limit of file sizes it sees an error, as it does on a full disk.
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(binaries().join("zeebe2faas"));
        command.args(["--log-json", "--config"]).arg(&self.configuration).arg("run");
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command.env("RUST_LOG", "zeebe2faas=debug").stdin(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("`cargo build --workspace --bins` has made the bridge");
        let (send, started) = oneshot::channel();
        tokio::spawn(read(child.stderr.take().expect("it is piped"), self.log.clone(), send));
        self.child = Some(child);
        let (callback, admin) = soon(started).await.expect("it ends before it has started");
        (self.callback, self.admin) = (format!("http://{callback}"), format!("http://{admin}"));
        callbacks.aim(&self.callback);
    }

    /// `http://HOST:PORT` of the callback listener.
    pub fn callback_url(&self) -> &str {
        &self.callback
    }

    /// `http://HOST:PORT` of the admin listener.
    pub fn admin_url(&self) -> &str {
        &self.admin
    }

    /// Figures of the process in kB, as `/proc/PID/status` names them: `VmRSS`, `VmHWM`.
    pub fn memory_kb(&self, name: &str) -> u64 {
        let path = format!("/proc/{}/status", self.pid().as_raw_nonzero());
        let status = std::fs::read_to_string(path).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).expect("a figure of the kernel")
    }

    /// SIGKILL: nothing is finished, nothing is written.
    pub async fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().await.expect("it can be killed");
    }

    /// SIGTERM, sent only.
    pub fn terminate(&self) {
        kill_process(self.pid(), Signal::TERM).expect("it can be signalled");
    }

    fn pid(&self) -> Pid {
        let pid = self.child.as_ref().and_then(Child::id).and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        pid.expect("it runs")
    }

    /// From now on no file can be written any further, as on a full disk; or again.
    pub fn fill_disk(&self, full: bool) {
        let before = getrlimit(Resource::Fsize);
        let limit = Rlimit { current: if full { Some(0) } else { before.maximum }, ..before };
        prlimit(Some(self.pid()), Resource::Fsize, limit).expect("its limits can be changed");
    }

    /// What it has logged so far, a JSON object a line.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it says that it is stopping, or has stopped.
    pub async fn stops(&self) {
        soon(async {
            while let Ok(answer) = http().get(format!("{}/readyz", self.admin)).send().await
                && !answer.text().await.is_ok_and(|text| text.contains("stopping"))
            {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        })
        .await;
    }

    /// Waits until the counter `name` of its figures is at least so high.
    pub async fn has_counted(&self, name: &str, count: f64) {
        soon(async {
            while self.figure(name).await < count {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        })
        .await;
    }

    /// A figure by its name in `/metrics`, all labels together.
    pub async fn figure(&self, name: &str) -> f64 {
        let answer = self.get("metrics").await;
        let text = answer.text().await.expect("a text");
        let samples = text.lines().filter(|line| line.starts_with(name));
        samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// How it ended by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it runs");
        soon(child.wait()).await.expect("its end can be waited for")
    }

    async fn get(&self, path: &str) -> reqwest::Response {
        http().get(format!("{}/{path}", self.admin)).send().await.expect("it answers")
    }

    /// Waits until `/readyz` says that it is stopping.
    pub async fn is_stopping(&self) {
        self.readiness_says("stopping").await;
    }

    /// Waits until `/readyz` says this.
    pub async fn readiness_says(&self, part: &str) {
        soon(async {
            loop {
                let answer = self.get("readyz").await;
                if answer.text().await.expect("a text").contains(part) {
                    return;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        })
        .await;
    }

    /// Waits until this can be said of the calls of its ledger, and gives them.
    pub async fn calls(&self, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        soon(async {
            loop {
                let answer = self.get("api/calls?limit=1000").await;
                let calls: Vec<Value> = answer.json().await.expect("a list");
                if wanted(&calls) {
                    return calls;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        })
        .await
    }

    /// Has something done with a call, and says what it answered.
    pub async fn act(&self, id: &str, what: &str, token: &str) -> (u16, String) {
        let request = http().post(format!("{}/api/calls/{id}/{what}", self.admin)).bearer_auth(token);
        let answer = soon(request.send()).await.expect("it answers");
        (answer.status().as_u16(), answer.text().await.expect("a text"))
    }

    /// Listens to the events from now on.
    pub async fn listen(&self) -> Listener {
        Listener::start(&self.admin).await
    }

    /// Everything known of a call.
    pub async fn call(&self, id: &str) -> Value {
        let answer = self.get(&format!("api/calls/{id}")).await;
        answer.json().await.expect("a call")
    }
}

/// A test that failed shows what the bridge said.
impl Drop for Bridge {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

/// Keeps the log, and tells the listeners' addresses when it says that it has started.
async fn read(stderr: ChildStderr, log: Arc<Mutex<String>>, started: oneshot::Sender<(String, String)>) {
    let (mut lines, mut started) = (BufReader::new(stderr).lines(), Some(started));
    while let Ok(Some(line)) = lines.next_line().await {
        let said: Value = serde_json::from_str(&line).unwrap_or_default();
        let fields = &said["fields"];
        if fields["message"] == "started"
            && let (Some(callback), Some(admin)) = (fields["callback"].as_str(), fields["admin"].as_str())
            && let Some(started) = started.take()
        {
            // Nobody waits any more when the test has failed meanwhile.
            let _ = started.send((callback.to_owned(), admin.to_owned()));
        }
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.push_str(&line);
        log.push('\n');
    }
}
