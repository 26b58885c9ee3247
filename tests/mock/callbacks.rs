#![expect(clippy::unwrap_used, reason = "tests")]

//! The callback listener: what is genuine reaches Zeebe whatever else fails, what is not changes nothing.

use reqwest::Response;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tonic::Code;
use zeebe2faas::{
    bridge::token::Claims,
    ledger::{Pending, Reply},
};
use zeebe2faas_contract::{CallId, KeyRing, random_key_line};
use zeebe2faas_tests::{fake_gateway::Answer, fake_openfaas::Invocation, http, live::Live, soon};

/// A token for a call of the fake cluster.
fn token(invocation: &Invocation, ring: &KeyRing, expires_ms: u64) -> String {
    let pending = Pending {
        id: invocation.call_id().parse::<CallId>().unwrap(),
        function: invocation.function.clone(),
        run_once: false,
        as_job: false,
        reply: Reply::Message("faas-done".into()),
        result: "call".into(),
        tenant: String::new(),
        deadline_ms: expires_ms,
        process_instance_key: 1,
        element_id: "task".into(),
    };
    Claims::new(pending, 1, "bridge-0".into(), expires_ms).seal(ring).unwrap()
}

/// All that a sender sees, but for the time.
async fn seen(answer: Response) -> (u16, Vec<(String, String)>, String) {
    let text = |value: &reqwest::header::HeaderValue| value.to_str().unwrap().to_owned();
    let headers = answer.headers().iter().filter(|(name, _)| *name != "date");
    let headers = headers.map(|(name, value)| (name.to_string(), text(value))).collect();
    (answer.status().as_u16(), headers, answer.text().await.unwrap())
}

async fn late(live: &Live, invocation: &Invocation) -> Value {
    let (status, text) = live.read(&format!("/api/calls/{}", invocation.call_id())).await;
    assert_eq!(status, 200, "{text}");
    serde_json::from_str::<Value>(&text).unwrap()["late"].take()
}

/// A request that stops in the middle of its body.
async fn half_a_callback(live: &Live, token: &str) -> TcpStream {
    let mut connection = TcpStream::connect(live.callbacks.trim_start_matches("http://")).await.unwrap();
    let head = "Host: bridge\r\nX-Function-Status: 200\r\nContent-Length: 8\r\n\r\n";
    let request = format!("POST /callback/{token} HTTP/1.1\r\n{head}half");
    connection.write_all(request.as_bytes()).await.unwrap();
    connection
}

/// A request whose body the bridge is waiting for.
async fn read_in_part(live: &Live, token: &str) -> TcpStream {
    let mut connection = TcpStream::connect(live.callbacks.trim_start_matches("http://")).await.unwrap();
    let head = "Host: bridge\r\nX-Function-Status: 200\r\nContent-Length: 8\r\nExpect: 100-continue\r\n\r\n";
    connection.write_all(format!("POST /callback/{token} HTTP/1.1\r\n{head}").as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    soon(connection.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100");
    connection
}

#[tokio::test]
async fn nothing_that_is_not_genuine_has_an_effect_or_learns_why() {
    let mut live = Live::start("").await;
    let invocation = live.invoke(1, "plain").await;
    let (genuine, ring) = (invocation.token(), live.token_key());
    let (claims, signature) = genuine.split_once('.').unwrap();
    let never = u64::MAX / 2;
    let other = live.invoke(2, "plain").await;
    let tokens = [
        "nonsense".to_owned(),
        "%ff".to_owned(),
        format!("{genuine}x"),
        claims.to_owned(),
        format!("{claims}."),
        format!(".{signature}"),
        format!("{}.{signature}", other.token().split('.').next().unwrap()),
        token(&invocation, &KeyRing::parse(&random_key_line("mock")).unwrap(), never),
        token(&invocation, &KeyRing::parse(&random_key_line("other")).unwrap(), never),
        token(&invocation, &ring, 1),
        "a".repeat(10_000),
    ];
    let mut answers = Vec::new();
    for token in &tokens {
        answers.push((token, seen(live.call_back(token, 200, "{}").await).await));
    }
    for (token, answer) in &answers {
        assert_eq!((answer.0, answer.2.as_str()), (401, "unauthorized\n"), "{token}");
        assert_eq!(answer, &answers[0].1, "{token}");
    }
    assert!(live.outcomes().is_empty());

    // The same calls still end as they should.
    assert_eq!(live.call_back(genuine, 200, "{}").await.status(), 200);
    assert_eq!(live.until_outcomes(1).await[0]["callId"], invocation.call_id());
}

#[tokio::test]
async fn a_token_is_for_one_call_only() {
    let mut live = Live::start("").await;
    let (first, second) = (live.invoke(1, "plain").await, live.invoke(2, "plain").await);
    live.call_back(second.token(), 200, "2").await;
    live.call_back(first.token(), 500, "1").await;
    let outcomes = live.until_outcomes(2).await;
    for (invocation, status, result) in [(first, "failed", 1), (second, "succeeded", 2)] {
        let outcome = outcomes.iter().find(|outcome| outcome["callId"] == invocation.call_id()).unwrap();
        assert_eq!((&outcome["status"], &outcome["result"]), (&json!(status), &json!(result)));
    }
}

#[tokio::test]
async fn a_callback_that_comes_again_is_answered_and_changes_nothing() {
    let mut live = Live::start("").await;
    let invocation = live.invoke(1, "plain").await;
    for _ in 0..3 {
        let answer = seen(live.call_back(invocation.token(), 200, "{\"files\": 2}").await).await;
        assert_eq!((answer.0, answer.2.as_str()), (200, "ok\n"));
    }
    assert_eq!(late(&live, &invocation).await, Value::Null);
    // Another word than the first is kept for people, and goes nowhere.
    assert_eq!(live.call_back(invocation.token(), 500, "broken").await.status(), 200);
    assert_eq!(late(&live, &invocation).await["status"], "failed");
    live.until("/api/calls", |_, text| text.contains(r#""delivered":true"#)).await;
    let outcomes = live.outcomes();
    assert_eq!((outcomes.len(), &outcomes[0]["result"]), (1, &json!({ "files": 2 })));
}

#[tokio::test]
async fn a_callback_that_names_another_call_than_its_token_changes_nothing() {
    let mut product = Live::start("").await;
    let (first, second) = (product.invoke(1, "guarded").await, product.invoke(2, "guarded").await);
    let post = |id: String| {
        let post = http().post(format!("{}/callback/{}", product.callbacks, first.token()));
        post.header("x-function-status", 500).header("x-call-id", id).send()
    };
    assert_eq!(seen(soon(post(second.call_id().to_owned())).await.unwrap()).await.0, 401);
    let (_, text) = product.read(&format!("/api/calls/{}", first.call_id())).await;
    assert!(text.contains(r#""asking":false"#), "{text}");
    assert_eq!(soon(post(first.call_id().to_owned())).await.unwrap().status(), 200);
    product.openfaas.was_asked(1).await;
}

#[tokio::test]
async fn an_unsigned_answer_of_a_guarded_function_ends_nothing_and_has_the_runner_asked() {
    let mut live = Live::start("").await;
    let invocation = live.invoke(1, "guarded").await;
    let forged = json!({ "callId": invocation.call_id(), "function": "guarded", "outcome": "succeeded" });
    assert_eq!(live.call_back(invocation.token(), 200, forged.to_string()).await.status(), 200);
    live.openfaas.was_asked(1).await;
    let (_, text) = live.read(&format!("/api/calls/{}", invocation.call_id())).await;
    assert!(text.contains(r#""asking":true"#) && text.contains(r#""outcome":null"#), "{text}");
    assert!(live.outcomes().is_empty());
}

#[tokio::test]
async fn a_404_is_final_only_when_the_gateway_says_that_there_is_no_such_function() {
    let mut live = Live::start("").await;
    let (there, gone) = (live.invoke(1, "plain").await, live.invoke(2, "gone").await);
    live.openfaas.tells(&["plain"]);
    live.call_back(there.token(), 404, "no such page").await;
    live.call_back(gone.token(), 404, "").await;
    let outcomes = live.until_outcomes(1).await;
    assert_eq!((outcomes.len(), &outcomes[0]["callId"]), (1, &json!(gone.call_id())));
    assert_eq!((&outcomes[0]["status"], &outcomes[0]["retryable"]), (&json!("refused"), &json!(false)));
    assert_eq!(outcomes[0]["message"], "OpenFaaS has no function `gone`; deploy it (stack.yml)");
}

#[tokio::test]
async fn an_over_long_answer_is_cut_and_its_outcome_is_kept() {
    let mut live = Live::start("callback.body_limit_bytes = 1024").await;
    let invocation = live.invoke(1, "plain").await;
    // Far more than the sockets hold: who sends it must be read to the end.
    let answer = live.call_back(invocation.token(), 200, "x".repeat(20 << 20)).await;
    assert_eq!(answer.status(), 200);
    let outcome = live.until_outcomes(1).await.remove(0);
    assert_eq!((&outcome["status"], &outcome["truncated"]), (&json!("succeeded"), &json!(true)));
    assert_eq!(outcome["result"], "x".repeat(1024));
}

#[tokio::test]
async fn of_a_callback_that_stalls_what_arrived_counts_and_the_next_one_has_its_turn() {
    let mut live = Live::start("callback.read_timeout = \"100ms\"\ncallback.max_concurrent = 1").await;
    let (stalled, next) = (live.invoke(1, "plain").await, live.invoke(2, "plain").await);
    let mut connection = half_a_callback(&live, stalled.token()).await;
    assert_eq!(live.call_back(next.token(), 200, "2").await.status(), 200);
    let mut answer = [0; 12];
    soon(connection.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    let outcomes = live.until_outcomes(2).await;
    let outcome = outcomes.iter().find(|outcome| outcome["callId"] == stalled.call_id()).unwrap();
    let expected = (&json!("succeeded"), &json!(true), &json!("half"));
    assert_eq!((&outcome["status"], &outcome["truncated"], &outcome["result"]), expected);
}

#[tokio::test]
async fn a_fifth_callback_of_one_call_at_once_is_not_read_and_settles_nothing() {
    let mut live = Live::start("callback.read_timeout = \"10m\"").await;
    let (plain, guarded) = (live.invoke(1, "plain").await, live.invoke(2, "guarded").await);
    let mut stalled = Vec::new();
    for invocation in [&plain, &guarded] {
        for _ in 0..4 {
            stalled.push(read_in_part(&live, invocation.token()).await);
        }
    }
    assert_eq!(live.call_back(plain.token(), 200, "fifth").await.status(), 503, "OpenFaaS brings it again");
    assert_eq!(live.call_back(guarded.token(), 200, "fifth").await.status(), 200);
    live.openfaas.was_asked(1).await;
    assert!(live.outcomes().is_empty());
    drop(stalled);
    live.until_outcomes(1).await;
    assert_eq!(live.call_back(plain.token(), 200, "another").await.status(), 200);
}

#[tokio::test]
async fn a_callback_whose_sender_goes_away_before_the_answer_is_delivered_all_the_same() {
    const CALLS: i64 = 20;
    let mut live = Live::start("").await;
    for key in 1..=CALLS {
        let invocation = live.invoke(key, "plain").await;
        let mut connection = half_a_callback(&live, invocation.token()).await;
        // Whole, or broken off.
        if key % 2 == 0 {
            connection.write_all(b"done").await.unwrap();
        }
    }
    let outcomes = live.until_outcomes(usize::try_from(CALLS).unwrap()).await;
    assert!(outcomes.iter().all(|outcome| outcome["status"] == "succeeded"), "{outcomes:#?}");
}

#[tokio::test]
async fn with_a_full_disk_an_outcome_is_with_zeebe_before_the_answer() {
    let mut live = Live::start("").await;
    let invocation = live.invoke(1, "plain").await;
    live.fill_the_disk();
    assert_eq!(live.call_back(invocation.token(), 200, "{}").await.status(), 200);
    assert_eq!(live.outcomes().len(), 1);
    live.make_room_on_the_disk();
    // Zeebe knows the message's id.
    live.zeebe.script("PublishMessage", Answer::Status(Code::AlreadyExists));
    assert_eq!(live.call_back(invocation.token(), 200, "{}").await.status(), 200);
    live.until("/api/calls", |_, text| text.contains(r#""delivered":true"#)).await;
}

#[tokio::test]
async fn with_a_full_disk_and_without_zeebe_a_callback_is_answered_503_and_taken_later() {
    let mut live = Live::start("").await;
    let invocation = live.invoke(1, "plain").await;
    live.fill_the_disk();
    live.zeebe.script("PublishMessage", Answer::Status(Code::InvalidArgument));
    assert_eq!(live.call_back(invocation.token(), 200, "{}").await.status(), 503);
    live.make_room_on_the_disk();
    assert_eq!(live.call_back(invocation.token(), 200, "{}").await.status(), 200);
    live.until("/api/calls", |_, text| text.contains(r#""delivered":true"#)).await;
}

#[tokio::test]
async fn what_zeebe_was_given_while_the_disk_was_full_the_ledger_knows_when_there_is_room() {
    let mut product = Live::start("zeebe.request_timeout = \"2s\"").await;
    let invocation = product.invoke(1, "plain").await;
    product.zeebe.script("PublishMessage", Answer::Silence);
    assert_eq!(product.call_back(invocation.token(), 200, "{}").await.status(), 200);
    product.until_outcomes(1).await;
    product.fill_the_disk();
    product.until_outcomes(2).await;
    product.until("/metrics", |_, text| text.contains("calls_in_flight 0")).await;
    product.make_room_on_the_disk();
    product.until("/api/calls", |_, text| text.contains(r#""delivered":true"#)).await;
}

#[tokio::test]
async fn with_a_full_disk_no_call_is_submitted_and_none_is_lost() {
    let mut live = Live::start("").await;
    live.fill_the_disk();
    live.zeebe.add_to_backlog([zeebe2faas_tests::live::calling(1, "plain")]);
    live.until("/metrics", |_, text| text.contains("jobs_activated_total{job_type=\"faas\"} 1")).await;
    live.until("/metrics", |_, text| text.contains("calls_in_flight 0")).await;
    live.make_room_on_the_disk();
    // Its lock has ended.
    let invocation = live.invoke(1, "plain").await;
    assert!(live.openfaas.is_idle(), "it was submitted twice");
    assert_eq!(live.call_back(invocation.token(), 200, "{}").await.status(), 200);
    live.until_outcomes(1).await;
}

#[tokio::test]
async fn the_callback_listener_shows_nothing_but_its_own_health() {
    let live = Live::start("").await;
    for (path, status) in [("/healthz", 200), ("/metrics", 404), ("/api/calls", 404), ("/callback/x", 405)] {
        let answer = http().get(format!("{}{path}", live.callbacks)).send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
    }
}
