#![expect(clippy::unwrap_used, reason = "tests")]

//! Two replicas behind one callback address, each with a Zeebe of its own to show which one of them told it what. The
//! first submits; the callbacks go to the second.

use reqwest::StatusCode;
use serde_json::{Value, json};
use std::fs;
use tempfile::TempDir;
use zeebe2faas::zeebe::proto::ActivatedJob;
use zeebe2faas_contract::{CallId, KeyRing, Progress, SIGNATURE_HEADER, random_key_line};
use zeebe2faas_tests::{
    crash::{Point, Proxy},
    fake_gateway::Seen,
    fake_openfaas::Invocation,
    http,
    live::{Live, calling},
    soon,
};

const NAMES: [&str; 2] = ["bridge-0", "bridge-1"];
/// In the year 2100, in milliseconds.
const NEVER: u64 = 4_102_444_800_000;

/// The ways from each replica to the other, by the one that is reached.
struct Ways([Proxy; 2]);

impl Ways {
    async fn new() -> Self {
        Self([Proxy::http().await, Proxy::http().await])
    }

    /// Starts a replica in a folder, which may hold its keys and its ledger.
    async fn start(&self, which: usize, folder: TempDir) -> Live {
        let lines = format!(
            "replica = \"{}\"\nreplicas = {{ timeout = \"3s\", retry = \"100ms\", peers = {{ {} = \"{}\", {} = \"{}\" }} }}",
            NAMES[which],
            NAMES[0],
            self.0[0].url(),
            NAMES[1],
            self.0[1].url(),
        );
        let live = Live::start_in(folder, &lines).await;
        self.0[which].aim(&live.callbacks);
        live
    }

    async fn both() -> (Self, Live, Live) {
        let ways = Self::new().await;
        let [first, second] = folders();
        let (first, second) = (ways.start(0, first).await, ways.start(1, second).await);
        (ways, first, second)
    }
}

/// With the same keys.
fn folders() -> [TempDir; 2] {
    let folders = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    for key in ["token.key", "runner.key"] {
        let line = random_key_line("mock");
        folders.iter().for_each(|folder| fs::write(folder.path().join(key), &line).unwrap());
    }
    folders
}

/// A job that stays open for its call.
fn holding(key: i64, function: &str, variables: &Value) -> ActivatedJob {
    let custom_headers = json!({ "function": function, "cmdline": "work", "reply": "job" }).to_string();
    ActivatedJob { custom_headers, variables: variables.to_string(), ..calling(key, function) }
}

/// Has it submitted.
async fn hold(live: &mut Live, job: ActivatedJob) -> Invocation {
    live.zeebe.add_to_backlog([job]);
    let invocation = live.openfaas.invocation().await;
    live.until(&path(&invocation), |_, text| text.contains(r#""state":"submitted""#)).await;
    invocation
}

/// What Zeebe keeps of a call that the first replica has begun.
fn begun(invocation: &Invocation) -> Value {
    json!({ "zeebe2faasCall": {
        "callId": invocation.call_id(), "try": 1, "owner": NAMES[0], "function": invocation.function,
        "deadlineMs": NEVER, "state": "submitted",
    } })
}

fn path(invocation: &Invocation) -> String {
    format!("/api/calls/{}", invocation.call_id())
}

async fn until_ended(live: &Live, invocation: &Invocation) {
    let delivered = |_, text: &str| text.contains(r#""state":"ended""#) && text.contains(r#""delivered":true"#);
    live.until(&path(invocation), delivered).await;
}

/// The call counts against no limit any more.
async fn until_none_is_in_flight(live: &Live) {
    live.until("/metrics", |_, text| text.contains("calls_in_flight 0\n")).await;
}

async fn counts(live: &Live, verdict: &str, count: usize) {
    let figure = format!("hand_overs_total{{verdict=\"{verdict}\"}} {count}\n");
    live.until("/metrics", |_, text| text.contains(&figure)).await;
}

/// Whether Zeebe was told how a call ended.
fn told(live: &Live) -> bool {
    let is_end = |seen: &Seen| match seen {
        Seen::Complete(complete) => complete.variables.contains(r#""exitCode""#),
        Seen::Publish(_) | Seen::Fail(_) | Seen::Throw(_) => true,
        _ => false,
    };
    live.zeebe.seen().iter().any(is_end)
}

#[tokio::test]
async fn a_callback_that_reaches_another_replica_is_handed_to_the_owner_which_delivers() {
    let (_ways, mut first, second) = Ways::both().await;
    let invocation = first.invoke(1, "plain").await;
    assert_eq!(second.call_back(invocation.token(), 500, "[1]").await.status(), 200);
    let outcome = first.until_outcomes(1).await.remove(0);
    assert_eq!((&outcome["status"], &outcome["result"]), (&json!("failed"), &json!([1])));
    assert_eq!(outcome["durationSeconds"], 1.5);
    until_ended(&first, &invocation).await;
    assert!(!told(&second));
    counts(&second, "handed_on", 1).await;
    counts(&first, "received", 1).await;
}

#[tokio::test]
async fn what_settles_nothing_is_handed_on_too_and_the_owner_asks() {
    let (_ways, mut first, second) = Ways::both().await;
    let invocation = first.invoke(1, "guarded").await;
    assert_eq!(second.call_back(invocation.token(), 502, "").await.status(), 200);
    first.openfaas.was_asked(1).await;
    first.until(&path(&invocation), |_, text| text.contains(r#""asking":true"#)).await;
}

#[tokio::test]
async fn an_owner_that_is_away_hears_what_was_delivered_in_its_place_when_it_is_back() {
    let (ways, mut first, second) = Ways::both().await;
    let invocation = first.invoke(1, "plain").await;
    let first = first.ended().await;

    assert_eq!(second.call_back(invocation.token(), 200, "{}").await.status(), 200);
    assert_eq!(second.until_outcomes(1).await[0]["callId"], invocation.call_id());
    counts(&second, "kept", 1).await;
    // It tells on after a start of its own.
    let second = ways.start(1, second.ended().await).await;
    let first = ways.start(0, first).await;

    until_ended(&first, &invocation).await;
    until_none_is_in_flight(&first).await;
    counts(&second, "told", 1).await;
    assert!(!told(&first), "it was delivered already");
}

#[tokio::test]
async fn an_owner_that_cannot_be_reached_stays_alive_and_hears_of_the_end_later() {
    let (ways, mut first, second) = Ways::both().await;
    let invocation = first.invoke(1, "plain").await;
    let partition = ways.0[0].hold("/callback/", Point::Request);

    assert_eq!(second.call_back(invocation.token(), 200, "{}").await.status(), 200);
    second.until_outcomes(1).await;
    // The message has its id, should the owner not hear of it in time.
    let is_it = |seen: &Seen| matches!(seen, Seen::Publish(message) if message.message_id == invocation.call_id());
    assert!(second.zeebe.seen().iter().any(is_it));
    partition.discard();

    until_ended(&first, &invocation).await;
    assert!(!told(&first));
}

#[tokio::test]
async fn an_owner_that_could_not_deliver_hears_that_it_need_not_any_more() {
    let (ways, mut first, second) = Ways::both().await;
    let invocation = first.invoke(1, "plain").await;
    first.zeebe.crash();
    assert_eq!(first.call_back(invocation.token(), 200, "{}").await.status(), 200);
    let partition = ways.0[0].hold("/callback/", Point::Request);
    assert_eq!(second.call_back(invocation.token(), 200, "{}").await.status(), 200);
    second.until_outcomes(1).await;
    partition.discard();
    until_ended(&first, &invocation).await;
    until_none_is_in_flight(&first).await;
}

#[tokio::test]
async fn a_replica_that_stands_in_asks_on_about_a_call_that_its_ledger_does_not_have() {
    let (_ways, mut first, mut second) = Ways::both().await;
    let invocation = hold(&mut first, calling(1, "guarded")).await;
    let _first = first.ended().await;
    assert_eq!(second.call_back(invocation.token(), 502, "").await.status(), 200);
    second.openfaas.was_asked(3).await;
}

#[tokio::test]
async fn an_outcome_waits_for_zeebe_in_the_ledger_of_the_replica_that_stands_in() {
    let (ways, mut first, mut second) = Ways::both().await;
    let invocation = first.invoke(1, "plain").await;
    let _first = first.ended().await;
    second.zeebe.crash();
    assert_eq!(second.call_back(invocation.token(), 200, "{}").await.status(), 200);
    let second = ways.start(1, second.ended().await).await;
    assert_eq!(second.until_outcomes(1).await[0]["callId"], invocation.call_id());
}

#[tokio::test]
async fn the_failure_of_an_open_job_waits_for_the_owner_which_alone_knows_what_follows() {
    let (ways, mut first, second) = Ways::both().await;
    let invocation = hold(&mut first, holding(1, "plain", &json!({}))).await;
    let first = first.ended().await;

    assert_eq!(second.call_back(invocation.token(), 500, "broken").await.status(), 503);
    let first = ways.start(0, first).await;

    until_ended(&first, &invocation).await;
    first.zeebe.until_seen(|seen| seen.iter().any(|seen| matches!(seen, Seen::Fail(fail) if fail.job_key == 1))).await;
    assert!(!told(&second));
}

#[tokio::test]
async fn the_success_of_an_open_job_is_completed_by_whoever_hears_of_it() {
    let (_ways, mut first, second) = Ways::both().await;
    let invocation = hold(&mut first, holding(1, "plain", &json!({}))).await;
    let _first = first.ended().await;
    assert_eq!(second.call_back(invocation.token(), 200, "{}").await.status(), 200);
    second.zeebe.until_seen(|seen| seen.iter().any(|seen| matches!(seen, Seen::Complete(c) if c.job_key == 1))).await;
}

#[tokio::test]
async fn a_call_whose_job_came_to_another_replica_is_ended_there_and_its_first_owner_only_hears_of_it() {
    let (ways, mut first, mut second) = Ways::both().await;
    let invocation = hold(&mut first, holding(1, "guarded", &json!({}))).await;
    let first = first.ended().await;
    // The lock has ended. The guarded function is invoked again, and runs once.
    let again = hold(&mut second, holding(1, "guarded", &begun(&invocation))).await;
    assert_eq!(again.call_id(), invocation.call_id());

    let (status, body, signature) = failure(&second, &invocation);
    let answer = signed(&second, invocation.token(), status, body, &signature).await;
    assert_eq!(answer, 200);
    second.zeebe.until_seen(|seen| seen.iter().any(|seen| matches!(seen, Seen::Fail(fail) if fail.job_key == 1))).await;
    until_ended(&second, &invocation).await;

    let first = ways.start(0, first).await;
    until_ended(&first, &invocation).await;
    until_none_is_in_flight(&first).await;
    assert!(!told(&first));
}

#[tokio::test]
async fn a_failure_that_came_before_its_job_is_acted_on_when_the_job_comes() {
    let (_ways, mut first, second) = Ways::both().await;
    let invocation = hold(&mut first, holding(1, "plain", &json!({}))).await;
    let _first = first.ended().await;
    assert_eq!(second.call_back(invocation.token(), 500, "broken").await.status(), 503);
    second.zeebe.add_to_backlog([holding(1, "plain", &begun(&invocation))]);
    second.zeebe.until_seen(|seen| seen.iter().any(|seen| matches!(seen, Seen::Fail(fail) if fail.job_key == 1))).await;
    assert!(second.openfaas.is_idle(), "a function without a runner is not invoked twice");
}

/// A runner's report of a failure: status, body, signature.
fn failure(live: &Live, invocation: &Invocation) -> (u16, String, String) {
    let (id, function) = (invocation.call_id().parse::<CallId>().unwrap(), invocation.function.as_str());
    let body = json!({
        "callId": id, "function": function, "outcome": "failed", "message": "no", "exitCode": 1, "signal": null,
        "outOfMemory": false, "startedAtMs": 1, "durationSeconds": 1.0, "cpuSeconds": 1.0, "peakMemoryBytes": 1,
        "outputs": [], "logTail": "",
    });
    let body = body.to_string();
    let answer = zeebe2faas_contract::signature::Answer {
        function,
        call_id: &id,
        status: 500,
        question: "",
        body: body.as_bytes(),
    };
    let signature = answer.sign(&runner_key(live).for_function(function));
    (500, body, signature)
}

fn runner_key(live: &Live) -> KeyRing {
    KeyRing::parse(&fs::read_to_string(live.folder.path().join("runner.key")).unwrap()).unwrap()
}

async fn signed(live: &Live, token: &str, status: u16, body: String, signature: &str) -> StatusCode {
    let post = http().post(format!("{}/callback/{token}", live.callbacks));
    let post = post.header("x-function-status", status).header(SIGNATURE_HEADER, signature).body(body);
    soon(post.send()).await.unwrap().status()
}

#[tokio::test]
async fn nobody_without_the_token_key_can_speak_as_a_replica() {
    let (ways, mut first, second) = Ways::both().await;
    let (invocation, other) = (first.invoke(1, "plain").await, first.invoke(2, "plain").await);
    // What a replica says about another call, as somebody on the way would see it.
    let way = ways.0[0].hold("/callback/", Point::Request);
    second.call_back(other.token(), 200, "{}").await;
    let genuine = way.reached().await.headers["x-zeebe2faas-handed-on"].clone();
    way.discard();
    until_ended(&first, &other).await;

    let sign = |ring: &KeyRing| ring.sign(&[b"zeebe2faas-handed-on-v1\n", b"{}"]);
    let foreign = sign(&KeyRing::parse(&random_key_line("mock")).unwrap());
    for signature in [genuine.to_str().unwrap(), &foreign, "true", "", "mock.AAAA"] {
        let post = http().post(format!("{}/callback/{}", first.callbacks, invocation.token()));
        let post = post.header("x-function-status", 200).header("x-zeebe2faas-delivered", "true");
        let answer = soon(post.header("x-zeebe2faas-handed-on", signature).body("{}").send()).await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (401, "unauthorized\n"));
    }
    let (_, text) = first.read(&path(&invocation)).await;
    assert!(text.contains(r#""outcome":null"#), "{text}");

    // The honest callback still ends it.
    assert_eq!(second.call_back(invocation.token(), 200, "{}").await.status(), 200);
    until_ended(&first, &invocation).await;
    assert!(first.outcomes().iter().any(|outcome| outcome["callId"] == invocation.call_id()));
}

#[tokio::test]
async fn progress_that_reaches_another_replica_is_shown_by_the_owner() {
    let (_ways, mut first, second) = Ways::both().await;
    let invocation = first.invoke(1, "guarded").await;
    let (id, function) = (invocation.call_id().parse::<CallId>().unwrap(), "guarded");
    let progress = json!({
        "callId": id, "function": function, "sequence": 1, "percent": 42.0, "step": "warping", "startedAtMs": 1,
        "elapsedSeconds": 1.0, "cpuSeconds": 1.0, "memoryBytes": 1, "peakMemoryBytes": 1,
    });
    let body = progress.to_string();
    let signature = Progress::sign(&id, function, body.as_bytes(), &runner_key(&second).for_function(function), NEVER);
    let post = http().post(format!("{}/progress/{}", second.callbacks, invocation.token()));
    let answer = soon(post.header(SIGNATURE_HEADER, signature).body(body).send()).await.unwrap();
    assert_eq!(answer.status(), 204, "{}", answer.text().await.unwrap());
    first.until("/api/calls", |_, text| text.contains(r#""step":"warping""#)).await;
    let handed_on = |_, text: &str| text.contains(r#"progress_reports_total{verdict="handed_on"} 1"#);
    second.until("/metrics", handed_on).await;
}

#[tokio::test]
async fn replicas_that_know_nothing_of_each_other_deliver_what_they_hear() {
    let [first, second] = folders();
    let mut first = Live::start_in(first, "replica = \"bridge-0\"").await;
    let second = Live::start_in(second, "replica = \"bridge-1\"").await;
    let invocation = first.invoke(1, "plain").await;
    assert_eq!(second.call_back(invocation.token(), 200, "{}").await.status(), 200);
    assert_eq!(second.outcomes()[0]["callId"], invocation.call_id());
}
