#![expect(clippy::unwrap_used, reason = "tests")]

//! The log as JSON: which call, process instance and element a line is about.

use serde_json::{Value, json};
use std::{collections::BTreeMap, path::Path};
use tempfile::TempDir;
use tonic::Code;
use zeebe2faas::zeebe::proto::ActivatedJob;
use zeebe2faas_tests::{
    crash::{Bridge, Proxy},
    fake_gateway::{Answer, FakeGateway, Seen},
    fake_openfaas::{FakeOpenFaas, Invocation},
    http,
    live::{calling, configure},
    soon,
};

/// The only lines that may be about no call: those about the process and its peers.
const OF_THE_PROCESS: [&str; 9] = [
    "started",
    "connected to Zeebe",
    "waiting for Zeebe",
    "no job stream",
    "the job stream broke",
    "trying again",
    "a connection broke",
    "the gateway does not tell",
    "stopping",
];
/// Lines about a job that has no call.
const OF_A_JOB: [&str; 2] = ["not submitted", "thrown"];

fn job(key: i64, headers: &Value) -> ActivatedJob {
    let element_id = format!("task-{key}");
    ActivatedJob {
        custom_headers: headers.to_string(),
        process_instance_key: instance(key),
        element_id,
        ..calling(key, "")
    }
}

fn instance(key: i64) -> i64 {
    5000 + key
}

async fn call_back(bridge: &Bridge, invocation: &Invocation, status: u16) {
    let post = http().post(format!("{}/callback/{}", bridge.callback_url(), invocation.token()));
    let answer = soon(post.header("x-function-status", status).body("{}").send()).await.unwrap();
    assert_eq!(answer.status(), 200);
}

fn lines(log: &str) -> Vec<Value> {
    let parsed = |line: &str| {
        assert_eq!(line.matches("\"message\":").count(), 1, "a field hides the message: {line}");
        serde_json::from_str(line).unwrap()
    };
    log.lines().map(parsed).collect()
}

fn message(line: &Value) -> &str {
    line["fields"]["message"].as_str().unwrap()
}

/// Waits until so many lines say this.
async fn says(bridge: &Bridge, what: &str, times: usize) {
    soon(async {
        while lines(&bridge.log()).iter().filter(|line| message(line) == what).count() < times {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// Calls that go well, fail, are refused by Zeebe, asked about, cancelled, and a restart in between; the log of it all,
/// and the job of each call.
async fn eventful(folder: &Path) -> (String, BTreeMap<String, i64>) {
    let (zeebe, mut openfaas, proxy) = (FakeGateway::start(), FakeOpenFaas::start().await, Proxy::http().await);
    let lines = "admin.token_file = \"admin.token\"\ncalls.ask_interval = \"20ms\"";
    let configuration = configure(folder, &zeebe.address(), openfaas.url(), lines);
    let mut bridge = Bridge::start(&configuration, &[], &proxy).await;
    let mut jobs = BTreeMap::new();
    let mut calls = Vec::new();
    let headers = |function: &str, reply: &str| json!({"function": function, "cmdline": "x", "reply": reply});
    for (key, function, reply) in [
        (1, "plain", "message"),
        (2, "guarded", "message"),
        (3, "refused", "message"),
        (4, "held", "job"),
        (5, "kept", "message"),
    ] {
        zeebe.add_to_backlog([job(key, &headers(function, reply))]);
        calls.push(openfaas.invocation().await);
        jobs.insert(calls.last().unwrap().call_id().to_owned(), key);
    }
    zeebe.add_to_backlog([job(6, &json!({"function": "f"})), job(7, &json!({"throw": "OOPS", "from": "call"}))]);
    says(&bridge, "not submitted", 1).await;
    says(&bridge, "submitted", 5).await;
    call_back(&bridge, &calls[0], 200).await;
    call_back(&bridge, &calls[1], 502).await;
    says(&bridge, "asked in vain; asking on", 1).await;
    zeebe.until_seen(|seen| seen.iter().any(|seen| matches!(seen, Seen::Publish(_)))).await;
    zeebe.script("PublishMessage", Answer::Status(Code::InvalidArgument));
    call_back(&bridge, &calls[2], 200).await;
    says(&bridge, "Zeebe refuses the outcome", 1).await;
    let token = std::fs::read_to_string(folder.join("admin.token")).unwrap();
    assert_eq!(bridge.act(calls[3].call_id(), "cancel", token.trim()).await.0, 200);
    says(&bridge, "ended", 3).await;
    bridge.kill().await;
    bridge.restart(&proxy).await;
    call_back(&bridge, &calls[4], 500).await;
    says(&bridge, "ended", 4).await;
    (bridge.log(), jobs)
}

#[tokio::test]
async fn each_line_about_a_call_names_it_its_process_instance_and_its_element() {
    let folder = TempDir::new().unwrap();
    let (log, jobs) = eventful(folder.path()).await;
    let mut named = BTreeMap::new();
    for line in lines(&log) {
        let span = &line["span"];
        let about = |parts: &[&str]| parts.iter().any(|part| message(&line).starts_with(part));
        if span.is_null() {
            assert!(about(&OF_THE_PROCESS), "it names nothing: {line}");
            continue;
        }
        match span["call"].as_str() {
            Some(id) => {
                let key = jobs[id];
                let expected = (json!(instance(key)), json!(format!("task-{key}")));
                assert_eq!((span["instance"].clone(), span["element"].clone()), expected, "{line}");
                *named.entry(message(&line).to_owned()).or_insert(0) += 1;
            }
            None => {
                assert!(about(&OF_A_JOB), "it names no call: {line}");
                assert!(span["instance"].is_i64() && span["element"].is_string(), "{line}");
            }
        }
        // Nothing is said twice.
        assert!(line["fields"]["call"].is_null() && line["spans"].is_null(), "{line}");
    }
    for expected in [("submitted", 5), ("ended", 4), ("ended by an operator", 1), ("Zeebe refuses the outcome", 1)] {
        assert_eq!(named.get(expected.0), Some(&expected.1), "{expected:?} in {named:?}");
    }
    assert!(named.contains_key("asked in vain; asking on"), "{named:?}");
}
