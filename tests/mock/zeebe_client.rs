#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

//! The Zeebe client against a gateway that refuses, is silent, or crashes.

use serde_json::json;
use std::time::Duration;
use tonic::Code;
use zeebe2faas::zeebe::{Client, Error, Message, NewInstance, Retry, Settings};
use zeebe2faas_tests::fake_gateway::{Answer, FakeGateway, Seen};

const LONG: Duration = Duration::from_secs(20);

fn client(address: impl Into<String>) -> Client {
    let first_pause = Duration::from_millis(1);
    let longest_pause = Duration::from_millis(20);
    Client::new(&Settings { first_pause, longest_pause, ..Settings::new(address) }).unwrap()
}

fn impatient(address: impl Into<String>) -> Client {
    Client::new(&Settings { request_timeout: Duration::from_millis(100), ..Settings::new(address) }).unwrap()
}

fn created(seen: &[Seen]) -> usize {
    seen.iter().filter(|seen| matches!(seen, Seen::Create(_))).count()
}

#[tokio::test]
async fn a_completion_refused_under_back_pressure_is_sent_until_zeebe_takes_it() {
    let gateway = FakeGateway::start();
    for _ in 0..5 {
        gateway.script("CompleteJob", Answer::Status(Code::ResourceExhausted));
    }
    client(gateway.address())
        .complete_job(42, &json!({"call": {"status": "submitted"}}), Retry::Forever)
        .await
        .unwrap();
    let seen = gateway.seen();
    assert_eq!(seen.len(), 6);
    for request in seen {
        let Seen::Complete(request) = request else { panic!("{request:?}") };
        assert_eq!((request.job_key, request.variables.as_str()), (42, r#"{"call":{"status":"submitted"}}"#));
    }
}

#[tokio::test]
async fn retrying_ends_at_its_limit_with_an_error() {
    let gateway = FakeGateway::start();
    for _ in 0..10_000 {
        gateway.script("FailJob", Answer::Status(Code::Unavailable));
    }
    let limit = Retry::within(Duration::from_millis(200));
    let error = client(gateway.address()).fail_job(&Default::default(), limit).await.unwrap_err();
    // The last attempt may have been cut short by the limit.
    assert!(matches!(error, Error::Unavailable { .. } | Error::Timeout { .. }), "{error}");
    assert!(gateway.seen().len() > 1);
}

#[tokio::test]
async fn an_error_that_will_not_change_is_not_sent_again() {
    let gateway = FakeGateway::start();
    gateway.script("CompleteJob", Answer::Status(Code::NotFound));
    let error = client(gateway.address()).complete_job(1, &json!({}), Retry::Forever).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { rpc: "CompleteJob", .. }), "{error}");
    assert_eq!(gateway.seen().len(), 1);
}

#[tokio::test]
async fn a_gateway_that_does_not_answer_is_given_up_at_the_deadline() {
    let gateway = FakeGateway::start();
    gateway.script("Topology", Answer::Silence);
    let error = impatient(gateway.address()).topology(Retry::Never).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { rpc: "Topology", .. }), "{error}");
}

#[tokio::test]
async fn after_a_deadline_the_next_attempt_may_succeed() {
    let gateway = FakeGateway::start();
    gateway.script("PublishMessage", Answer::Silence);
    let message = Message { name: "faas-done".into(), id: "a".into(), ..Message::default() };
    let key = impatient(gateway.address()).publish_message(&message, Retry::within(LONG)).await.unwrap();
    assert_eq!((key, gateway.seen().len()), (7, 2));
}

#[tokio::test]
async fn a_message_without_an_id_is_not_published_twice() {
    let gateway = FakeGateway::start();
    gateway.script("PublishMessage", Answer::Silence);
    let error = impatient(gateway.address()).publish_message(&Message::default(), Retry::Forever).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    assert_eq!(gateway.seen().len(), 1);
}

#[tokio::test]
async fn an_instance_is_not_created_twice_when_the_answer_is_lost() {
    for answer in [Answer::Silence, Answer::Status(Code::Unavailable), Answer::Status(Code::DeadlineExceeded)] {
        let gateway = FakeGateway::start();
        gateway.script("CreateProcessInstance", answer);
        let client = impatient(gateway.address());
        let error = client.create_process_instance(&NewInstance::default(), Retry::Forever).await.unwrap_err();
        assert!(matches!(error, Error::Timeout { .. } | Error::Unavailable { .. }), "{error}");
        assert_eq!(created(&gateway.seen()), 1, "{answer:?}");
    }
}

#[tokio::test]
async fn an_instance_that_zeebe_refused_under_back_pressure_is_created_later() {
    let gateway = FakeGateway::start();
    gateway.script("CreateProcessInstance", Answer::Status(Code::ResourceExhausted));
    let instance = NewInstance { bpmn_process_id: "phr-pair".into(), ..NewInstance::default() };
    client(gateway.address()).create_process_instance(&instance, Retry::within(LONG)).await.unwrap();
    let seen = gateway.seen();
    assert_eq!(created(&seen), 2);
    assert!(matches!(&seen[1], Seen::Create(r) if r.bpmn_process_id == "phr-pair" && r.version == -1));
}

#[tokio::test]
async fn a_crash_of_the_gateway_is_survived_by_a_new_connection() {
    let gateway = FakeGateway::start();
    let client = client(gateway.address());
    client.topology(Retry::Never).await.unwrap();
    let gateway = gateway.restart();
    client.complete_job(1, &json!({}), Retry::within(LONG)).await.unwrap();
    assert!(gateway.seen().iter().any(|seen| matches!(seen, Seen::Complete(_))));
}

#[tokio::test]
async fn an_instance_waits_for_a_gateway_that_is_down_and_is_then_created_once() {
    let mut gateway = FakeGateway::start();
    gateway.crash();
    let client = client(gateway.address());
    let error = client.create_process_instance(&NewInstance::default(), Retry::Never).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    let creation =
        tokio::spawn(async move { client.create_process_instance(&NewInstance::default(), Retry::within(LONG)).await });
    let gateway = gateway.restart();
    assert_eq!(creation.await.unwrap().unwrap(), 1);
    assert_eq!(created(&gateway.seen()), 1);
}

#[tokio::test]
async fn an_unreachable_gateway_is_named_with_the_reason_and_what_to_check() {
    let mut gateway = FakeGateway::start();
    gateway.crash();
    let error = client(gateway.address()).topology(Retry::Never).await.unwrap_err().to_string();
    for part in [&*gateway.address(), "Connection refused", "ZEEBE_ADDRESS"] {
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test]
async fn something_that_is_no_gateway_is_told_apart() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let web = axum::Router::new();
    tokio::spawn(async move { axum::serve(listener, web).await });
    let error = client(&address).topology(Retry::Never).await.unwrap_err();
    assert!(error.to_string().contains(&address), "{error}");
}
