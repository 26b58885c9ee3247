//! `zeebe2faas callback` as a process of its own.

use crate::{binaries, soon};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    path::Path,
    process::{ExitStatus, Stdio},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// It runs; dropped, it is killed.
pub struct CallbackAck {
    url: String,
    child: Child,
}

impl CallbackAck {
    /// Started in this folder, which has the keys, with this environment only, on a free port.
    pub async fn start(folder: &Path, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(binaries().join("zeebe2faas"));
        command.arg("callback").current_dir(folder).env_clear().envs(environment.iter().copied());
        command.env("ZEEBE2FAAS_CALLBACK_LISTEN", "127.0.0.1:0");
        command.env("ZEEBE2FAAS_KEYS_TOKEN_FILE", "token.key").env("ZEEBE2FAAS_KEYS_RUNNER_FILE", "runner.key");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("`cargo build --workspace --bins` has made the bridge");
        let mut said = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let line = soon(said.next_line()).await.expect("a text").expect("it says where it listens");
        let url = line.strip_prefix("listening on ").expect("an address").to_owned();
        Self { url, child }
    }

    /// `http://HOST:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Stops it in good order.
    pub async fn stop(mut self) -> ExitStatus {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())).expect("it runs");
        kill_process(pid, Signal::TERM).expect("it runs");
        soon(self.child.wait()).await.expect("it ends")
    }
}
