//! Zeebe's clients that others wrote, unmodified, against the embedded engine. `make setup` installs them.
//! (`examples/zeebe-rs` has the third one, in a test of its own.)

use serde_json::{Value, json};
use std::{
    env,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::process::Command;
use zeebe2faas_dev::engine::serve::{Clock, Engine};
use zeebe2faas_tests::soon;

const CLIENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/clients");

/// Runs a client's script, and holds what it saw against what Zeebe would have shown.
async fn sees_what_zeebe_shows(name: &str, program: &Path, script: &str) {
    for mode in ["poll", "stream"] {
        let engine = Engine::start((Ipv4Addr::LOCALHOST, 0).into(), Clock::system()).await.unwrap();
        let address = engine.address().unwrap().to_string();
        let client = Command::new(program)
            .args([script, &address, "order.bpmn", mode])
            .current_dir(CLIENTS)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output =
            soon(client).await.unwrap_or_else(|error| panic!("{}: {error}; run `make setup`", program.display()));
        let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{name}, {mode}:\n{said}\n{errors}");
        let seen: Value = serde_json::from_str(said.lines().last().unwrap_or_default()).unwrap();
        let variables = json!({
            "orderId": format!("{name}-{mode}"), "pictures": 6, "price": 42, "currency": "EUR", "paid": 42,
        });
        let wanted = json!({
            "partitions": 1, "process": "order", "retries": [2, 1], "variables": variables, "refused": true,
        });
        assert_eq!(seen, wanted, "{name}, {mode}:\n{errors}");
        engine.stop().await;
    }
}

/// Where `.ci/setup` puts what it installs.
fn cache() -> PathBuf {
    let home = || Path::new(&env::var_os("HOME").unwrap()).join(".cache");
    env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from).join("zeebe2faas")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pyzeebe_deploys_starts_works_publishes_and_reads_the_result() {
    sees_what_zeebe_shows("pyzeebe", &cache().join("pyzeebe/bin/python3"), "pyzeebe/client.py").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn camundas_own_sdk_deploys_starts_works_publishes_and_reads_the_result() {
    sees_what_zeebe_shows("camunda8-sdk", Path::new("node"), "camunda8-sdk/client.js").await;
}
