//! A site to be examined by `zeebe2faas doctor`: the function host with the real runner, and a configuration that each
//! test spoils in its own way. Zeebe is the test's.
#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a test ends where its surroundings fail")]

use crate::{
    binaries,
    crash::{guarded, stack},
    http, soon,
};
use serde_json::Value;
use std::{fs, net::TcpListener, path::PathBuf, process::Stdio};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};
use zeebe2faas_contract::{KeyRing, random_key_line};
use zeebe2faas_dev::host::{Host, HostOptions, Stack};

/// The surroundings.
pub struct Site {
    /// Its files: configuration, keys, stack, templates.
    pub folder: TempDir,
    /// The functions.
    pub host: Host,
    callback: u16,
    admin: u16,
}

/// What a doctor said.
pub struct Diagnosis {
    /// Its exit code.
    pub code: Option<i32>,
    /// Its findings.
    pub findings: Vec<Value>,
}

impl Site {
    /// Healthy, for a Zeebe at this address.
    pub async fn new(zeebe: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        // Time-outs that nest as they should.
        let times = [("exec_timeout", "12h"), ("read_timeout", "12h5m"), ("write_timeout", "12h5m")];
        let functions = stack(&[guarded("count", "echo", &times)]);
        let secret = random_key_line("a");
        fs::write(folder.path().join("runner.key"), &secret).expect("a file");
        fs::write(folder.path().join("token.key"), random_key_line("a")).expect("a file");
        fs::write(folder.path().join("stack.yml"), &functions).expect("a file");
        fs::create_dir(folder.path().join("templates")).expect("a folder");
        let stack = Stack::parse("stack.yml", &functions).expect("a stack");
        let mut options = HostOptions::new(stack, folder.path().join("state"));
        options.key_ring = Some(KeyRing::parse(&secret).expect("a key"));
        options.path_dirs = vec![binaries()];
        let host = Host::start(options).await.expect("the functions start");
        let site = Self { folder, host, callback: free_port(), admin: free_port() };
        let (gateway, callback, admin) = (site.host.url(), site.callback, site.admin);
        let text = format!(
            r#"cluster = "doctor"
zeebe.address = "{zeebe}"
openfaas.gateway = "{gateway}"
callback = {{ listen = "127.0.0.1:{callback}", url = "http://127.0.0.1:{callback}" }}
admin.listen = "127.0.0.1:{admin}"
keys = {{ token_file = "token.key", runner_file = "runner.key" }}
functions.count.run_once = true
[[worker]]
type = "faas"
"#
        );
        fs::write(site.configuration(), text).expect("a file");
        site
    }

    /// The configuration's file.
    pub fn configuration(&self) -> PathBuf {
        self.folder.path().join("zeebe2faas.toml")
    }

    /// The URL of the callback listener.
    pub fn callback_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.callback)
    }

    /// Replaces a part of the configuration.
    pub fn spoil(&self, part: &str, with: &str) {
        let text = fs::read_to_string(self.configuration()).expect("a file");
        assert!(text.contains(part), "{part} is not in {text}");
        fs::write(self.configuration(), text.replace(part, with)).expect("a file");
    }

    fn command(&self) -> Command {
        let mut command = Command::new(binaries().join("zeebe2faas"));
        command.arg("--config").arg(self.configuration()).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// What a doctor says, whose probe waits so long for its callback.
    pub async fn examine(&self, patience: &str) -> Diagnosis {
        let mut command = self.command();
        command.args(["doctor", "--json", "--patience", patience, "--stack"]).arg(self.folder.path().join("stack.yml"));
        let output = soon(command.output()).await.expect("it runs");
        let findings = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            let errors = String::from_utf8_lossy(&output.stderr);
            unreachable!("{error}: {errors}")
        });
        Diagnosis { code: output.status.code(), findings }
    }

    /// Starts the bridge; it is ready when this returns. Dropped, it is killed.
    pub async fn bridge(&self) -> Child {
        let mut child = self.command().arg("run").stderr(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        // Read on for as long as it runs: a full pipe would stop it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let url = format!("http://127.0.0.1:{}/readyz", self.admin);
        soon(async {
            while !http().get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await;
        child
    }
}

impl Diagnosis {
    /// The names of the checks that ended so: `ok`, `warning`, `failed`, `skipped`.
    pub fn checks(&self, state: &str) -> Vec<&str> {
        self.findings.iter().filter(|finding| finding["state"] == state).filter_map(|f| f["check"].as_str()).collect()
    }

    /// Message and advice of a check.
    pub fn words(&self, check: &str) -> String {
        let finding = self.findings.iter().find(|finding| finding["check"] == check).expect("the check is there");
        format!("{} → {}", finding["message"], finding["advice"])
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}
