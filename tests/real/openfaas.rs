//! What `make test-openfaas` does before a gateway that is somebody else's, before our function host as a process.

use std::{fs, process::Stdio};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};
use zeebe2faas_contract::random_key_line;
use zeebe2faas_tests::{
    binaries,
    outside::{self, Gateway},
    process::Gentle,
    soon,
};

/// The functions of `stack.yml`, and the folder of their files.
async fn functions(folder: &TempDir) -> (Gateway, Gentle) {
    let (data, runner_secret) = (folder.path().join("data"), folder.path().join("runner.key"));
    fs::create_dir(&data).unwrap();
    fs::write(&runner_secret, random_key_line("outside")).unwrap();
    let stack = include_str!("../../stack.yml");
    let stack = stack.replace("RUNNER_ALLOW_DIRS: /data", &format!("RUNNER_ALLOW_DIRS: {}", data.display()));
    fs::write(folder.path().join("stack.yml"), stack).unwrap();
    let mut command = Command::new(binaries().join("zeebe2faas-dev"));
    command.args(["functions", "--listen", "127.0.0.1:0", "--state", "state", "--without", "callback-ack"]);
    command.arg("--runner-secret").arg(&runner_secret).current_dir(folder.path());
    command.stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = soon(said.next_line()).await.unwrap().unwrap();
    let url = line.strip_prefix("listening on ").unwrap().to_owned();
    let callback = "127.0.0.1:0".parse().unwrap();
    (Gateway { url, credentials: None, runner_secret, data, callback }, Gentle::new(child))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_is_asked_of_a_gateway_from_outside_our_function_host_does() {
    let folder = TempDir::new().unwrap();
    let (gateway, functions) = functions(&folder).await;
    outside::chain(&gateway).await;
    outside::failure(&gateway).await;
    outside::lost_callback(&gateway).await;
    outside::forged_callback(&gateway).await;
    outside::deadline(&gateway).await;
    outside::unknown_function(&gateway).await;
    assert!(functions.end().await.success());
}
