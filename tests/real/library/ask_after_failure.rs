use super::site;
use serde_json::{Value, json};
use std::{fs, process::Stdio};
use tokio::{process::Command, task::JoinHandle};
use zeebe2faas_tests::{
    binaries,
    crash::{Bridge, Site, guarded},
    soon,
};

/// `work FOLDER` fails while the folder says so.
const WORK: &str = "#!/bin/sh\n[ ! -e \"$1/broken\" ] || { echo 'no such scene' >&2; exit 3; }\n";

async fn asking(name: &'static str) -> Site {
    site(name, "ask-after-failure", &[guarded("f", "work", &[])], &[("work", WORK)]).await
}

fn begin(site: &Site, process: &str) -> JoinHandle<Value> {
    let variables = json!({ "folder": site.folder() });
    let request = json!({ "function": "f", "cmdline": "work {{ folder }}", "variables": variables });
    site.start(process, json!({ "request": request, "tries": 1 }))
}

/// The id of the newest of so many calls that have failed.
async fn failed(bridge: &Bridge, count: usize) -> String {
    let is_told = |call: &&Value| call["status"] == "failed" && call["delivered"] == true;
    let calls = bridge.calls(|calls| calls.iter().filter(is_told).count() == count).await;
    calls[0]["callId"].as_str().unwrap().to_owned()
}

/// Decides as a person does, on the command line.
async fn decide(site: &Site, call: &str, decision: &str) {
    let mut command = Command::new(binaries().join("zeebe2faas"));
    let vars = json!({ "decision": decision }).to_string();
    command.args(["publish", "faas-decision", call, "--vars", &vars]).current_dir(site.folder());
    command.env("ZEEBE_ADDRESS", site.zeebe.url()).stdin(Stdio::null());
    let output = soon(command.output()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

async fn outcome(instance: JoinHandle<Value>) -> (Value, Value) {
    let mut outcome = soon(instance).await.unwrap()["outcome"].take();
    (outcome["status"].take(), outcome["decision"].take())
}

#[tokio::test]
async fn a_failed_function_is_called_again_when_a_person_has_mended_it_and_says_so() {
    let site = asking("ask-retry").await;
    fs::write(site.folder().join("broken"), "").unwrap();
    let bridge = site.bridge().await;
    let instance = begin(&site, "ask-retry-ask-after-failure");
    let first = failed(&bridge, 1).await;
    decide(&site, &first, "try it again").await;
    decide(&site, &first, "retry").await;
    let second = failed(&bridge, 2).await;
    assert_ne!(first, second);
    fs::remove_file(site.folder().join("broken")).unwrap();
    decide(&site, &second, "retry").await;
    assert_eq!(outcome(instance).await, (json!("succeeded"), json!("retry")));
}

#[tokio::test]
async fn a_failed_function_is_skipped_or_given_up_and_one_that_succeeds_asks_nobody() {
    let site = asking("ask-others").await;
    let bridge = site.bridge().await;
    let instance = begin(&site, "ask-others-ask-after-failure");
    assert_eq!(outcome(instance).await, (json!("succeeded"), Value::Null));
    fs::write(site.folder().join("broken"), "").unwrap();
    for (number, decision) in ["skip", "give up"].into_iter().enumerate() {
        let instance = begin(&site, "ask-others-ask-after-failure");
        decide(&site, &failed(&bridge, number + 1).await, decision).await;
        assert_eq!(outcome(instance).await, (json!("failed"), json!(decision)));
    }
}

#[tokio::test]
async fn nobody_decides_and_patience_ends() {
    let site = asking("ask-nobody").await;
    fs::write(site.folder().join("broken"), "").unwrap();
    let _bridge = site.bridge().await;
    let request = json!({ "function": "f", "cmdline": "work {{ folder }}", "variables": { "folder": site.folder() } });
    let variables = json!({ "request": request, "tries": 1, "patience": "PT1S" });
    let instance = site.start("ask-nobody-ask-after-failure", variables);
    assert_eq!(outcome(instance).await, (json!("failed"), json!("none")));
}
