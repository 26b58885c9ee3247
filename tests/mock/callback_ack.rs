#![expect(clippy::unwrap_used, reason = "tests")]

//! `zeebe2faas callback`, which keeps nothing: a bridge submits, its callbacks go there.

use serde_json::json;
use std::{collections::BTreeSet, fs, path::Path};
use tonic::Code;
use zeebe2faas::zeebe::proto::ActivatedJob;
use zeebe2faas_contract::SIGNATURE_HEADER;
use zeebe2faas_tests::{
    callback_ack::CallbackAck,
    fake_gateway::{Answer, FakeGateway, Seen},
    fake_openfaas::Invocation,
    http,
    live::{Live, calling, progress},
    soon,
};

/// With nothing but its environment and the bridge's keys, at this Zeebe; where the bridge is, it does not know.
async fn alone(live: &Live, zeebe: &FakeGateway, more: &[(&str, &str)]) -> CallbackAck {
    let address = zeebe.address();
    let patient = [("ZEEBE2FAAS_CALLBACK_PATIENCE", "60s")];
    let environment = [&[("ZEEBE_ADDRESS", &*address), ("ZEEBE2FAAS_CONFIG", "ack.toml")], &patient[..], more].concat();
    fs::write(live.folder.path().join("ack.toml"), "").unwrap();
    CallbackAck::start(live.folder.path(), &environment).await
}

/// The same, and it knows where the bridge is.
async fn beside(live: &Live, zeebe: &FakeGateway) -> CallbackAck {
    let address = zeebe.address();
    let lines = format!("replicas = {{ timeout = \"60s\", peers.bridge-0 = \"{}\" }}\n", live.callbacks);
    fs::write(live.folder.path().join("ack.toml"), lines).unwrap();
    let environment = [("ZEEBE_ADDRESS", &*address), ("ZEEBE2FAAS_CONFIG", "ack.toml")];
    CallbackAck::start(live.folder.path(), &environment).await
}

async fn post(ack: &CallbackAck, token: &str, headers: &[(&str, &str)], body: &str) -> u16 {
    let mut request = http().post(format!("{}/callback/{token}", ack.url())).body(body.to_owned());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    soon(request.send()).await.unwrap().status().as_u16()
}

async fn succeed(ack: &CallbackAck, invocation: &Invocation) -> u16 {
    post(ack, invocation.token(), &[("x-function-status", "200"), ("x-call-id", invocation.call_id())], "{}").await
}

fn published(zeebe: &FakeGateway) -> Vec<String> {
    let id = |seen: Seen| if let Seen::Publish(message) = seen { Some(message.message_id) } else { None };
    zeebe.seen().into_iter().filter_map(id).collect()
}

fn names(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn a_callback_is_answered_once_zeebe_has_its_outcome_and_nothing_is_kept() {
    let mut live = Live::start("").await;
    let zeebe = FakeGateway::start();
    let ack = alone(&live, &zeebe, &[]).await;
    let invocation = live.invoke(1, "plain").await;
    zeebe.script("PublishMessage", Answer::Status(Code::ResourceExhausted));
    let before = names(live.folder.path());

    assert_eq!(succeed(&ack, &invocation).await, 200);

    assert_eq!(published(&zeebe), [invocation.call_id(), invocation.call_id()], "refused once, then taken");
    assert_eq!(names(live.folder.path()), before);
    assert!(live.outcomes().is_empty(), "the bridge was not told");
    assert!(ack.stop().await.success());
}

#[tokio::test]
async fn while_zeebe_is_away_no_callback_is_said_to_be_taken() {
    let mut live = Live::start("").await;
    let mut zeebe = FakeGateway::start();
    let ack = alone(&live, &zeebe, &[("ZEEBE2FAAS_CALLBACK_PATIENCE", "200ms")]).await;
    let invocation = live.invoke(1, "plain").await;
    zeebe.crash();
    assert_eq!(succeed(&ack, &invocation).await, 503);
    let zeebe = zeebe.restart();
    // OpenFaaS does not repeat it; a runner that is asked does.
    let patient = alone(&live, &zeebe, &[]).await;
    assert_eq!(succeed(&patient, &invocation).await, 200);
    assert_eq!(published(&zeebe), [invocation.call_id()]);
}

#[tokio::test]
async fn the_bridge_that_owns_the_call_gets_its_callback_where_it_can_be_reached() {
    let mut live = Live::start("").await;
    let zeebe = FakeGateway::start();
    let ack = beside(&live, &zeebe).await;
    let (first, second) = (live.invoke(1, "plain").await, live.invoke(2, "plain").await);
    assert_eq!(succeed(&ack, &first).await, 200);
    assert_eq!(live.until_outcomes(1).await[0]["callId"], first.call_id());
    assert!(published(&zeebe).is_empty());

    live.stop().await;
    assert_eq!(succeed(&ack, &second).await, 200);
    assert_eq!(published(&zeebe), [second.call_id()], "the bridge is away, so Zeebe has it");
}

#[tokio::test]
async fn a_guarded_call_ends_with_its_runners_signature_only() {
    let mut live = Live::start("").await;
    let zeebe = FakeGateway::start();
    let ack = alone(&live, &zeebe, &[]).await;
    let call = live.call_of(1, "guarded").await;
    assert_eq!(post(&ack, call.token(), &[("x-function-status", "200")], "{}").await, 503);
    assert!(published(&zeebe).is_empty());
    let (body, signature) = live.failure(&call, "no memory");
    let headers = [("x-function-status", "500"), (SIGNATURE_HEADER, &*signature)];
    assert_eq!(post(&ack, call.token(), &headers, &body).await, 200);
    assert_eq!(published(&zeebe), [call.invocation.call_id.as_str()]);
}

#[tokio::test]
async fn an_open_job_is_answered_by_the_bridge_that_holds_it_and_by_nobody_else() {
    let mut live = Live::start("").await;
    let zeebe = FakeGateway::start();
    let (known, unknown) = (beside(&live, &zeebe).await, alone(&live, &zeebe, &[]).await);
    let custom_headers = json!({ "function": "plain", "cmdline": "work", "reply": "job" }).to_string();
    live.zeebe.add_to_backlog([ActivatedJob { custom_headers, ..calling(1, "plain") }]);
    let invocation = live.openfaas.invocation().await;
    assert_eq!(succeed(&unknown, &invocation).await, 503);
    assert_eq!(succeed(&known, &invocation).await, 200);
    live.zeebe.until_seen(|seen| seen.iter().any(|seen| matches!(seen, Seen::Complete(c) if c.job_key == 1))).await;
    assert!(zeebe.seen().is_empty());
}

#[tokio::test]
async fn what_is_not_genuine_gets_401_and_nothing_else() {
    let mut live = Live::start("").await;
    let zeebe = FakeGateway::start();
    let ack = alone(&live, &zeebe, &[]).await;
    let invocation = live.invoke(1, "plain").await;
    let token = invocation.token();
    let ok = ("x-function-status", "200");
    for (token, headers) in [
        ("nonsense".to_owned(), vec![ok]),
        (format!("{token}A"), vec![ok]),
        (token[1..].to_owned(), vec![ok]),
        (token.to_owned(), vec![ok, ("x-call-id", "aaaaaaaaaaaaaaaaaaaaaaaaaa")]),
        (token.to_owned(), vec![ok, ("x-zeebe2faas-handed-on", "true")]),
    ] {
        assert_eq!(post(&ack, &token, &headers, "{}").await, 401, "{token} {headers:?}");
    }
    assert!(zeebe.seen().is_empty());
}

#[tokio::test]
async fn progress_goes_on_to_the_bridge_that_owns_the_call() {
    let mut live = Live::start("").await;
    let zeebe = FakeGateway::start();
    let (known, unknown) = (beside(&live, &zeebe).await, alone(&live, &zeebe, &[]).await);
    let call = live.call_of(1, "guarded").await;
    let body = serde_json::to_vec(&progress(&call, 1, 1, 42.0, "warping")).unwrap();
    let signature = live.sign(&call, &body);
    for (ack, token, status) in [(&unknown, call.token(), 204), (&known, "nonsense", 401), (&known, call.token(), 204)]
    {
        let request = http().post(format!("{}/progress/{token}", ack.url()));
        let request = request.header(SIGNATURE_HEADER, &signature).body(body.clone());
        assert_eq!(soon(request.send()).await.unwrap().status(), status);
    }
    live.until("/api/calls", |_, text| text.contains(r#""step":"warping""#)).await;
}
