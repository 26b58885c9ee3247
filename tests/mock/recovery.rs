#![expect(clippy::unwrap_used, reason = "tests")]

//! What a person does with calls: `zeebe2faas calls cancel`, `deliver`, `retry`, and the orders behind them.

use futures_util::future::{Either, select};
use serde_json::{Value, json};
use std::{process::Stdio, time::Duration};
use tokio::process::Command;
use tonic::Code;
use zeebe2faas::zeebe::proto::{ActivatedJob, FailJobRequest};
use zeebe2faas_tests::{
    binaries,
    fake_gateway::{Answer, Seen, job},
    fake_openfaas::Invocation,
    live::Live,
    soon,
};

const LOCK: Duration = Duration::from_secs(60);
const WITH_TOKEN: &str = "admin.token_file = \"admin.token\"";
const ACTIONS: [&str; 3] = ["cancel", "deliver", "retry"];

/// An order with the right token.
async fn act(live: &Live, invocation: &Invocation, what: &str) -> (u16, String) {
    let path = format!("/api/calls/{}/{what}", invocation.call_id());
    live.act(&path, Some(&live.admin_token())).await
}

async fn until_call(live: &Live, invocation: &Invocation, wanted: impl Fn(&Value) -> bool) {
    let path = format!("/api/calls/{}", invocation.call_id());
    live.until(&path, |_, text| serde_json::from_str(text).is_ok_and(|call| wanted(&call))).await;
}

/// A task that waits itself, its function called.
async fn waiting(live: &mut Live, key: i64) -> Invocation {
    let custom_headers = json!({ "function": "plain", "cmdline": "work", "reply": "job" }).to_string();
    let job = ActivatedJob { custom_headers, element_id: "task".to_owned(), ..job(key, LOCK) };
    live.zeebe.add_to_backlog([job]);
    let invocation = live.openfaas.invocation().await;
    until_call(live, &invocation, |call| call["state"] == "submitted").await;
    invocation
}

async fn failure(live: &Live, count: usize) -> FailJobRequest {
    let failures = |seen: &[Seen]| -> Vec<FailJobRequest> {
        let failure = |seen: &Seen| match seen {
            Seen::Fail(failure) => Some(failure.clone()),
            _ => None,
        };
        seen.iter().filter_map(failure).collect()
    };
    live.zeebe.until_seen(|seen| failures(seen).len() >= count).await;
    failures(&live.zeebe.seen()).pop().unwrap()
}

fn message_ids(live: &Live) -> Vec<String> {
    let id = |seen: &Seen| match seen {
        Seen::Publish(message) => Some(message.message_id.clone()),
        _ => None,
    };
    live.zeebe.seen().iter().filter_map(id).collect()
}

/// What `zeebe2faas calls` with these arguments says: its exit code, and all it printed.
async fn calls(live: &Live, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(binaries().join("zeebe2faas"));
    command.arg("calls").args(arguments).current_dir(live.folder.path()).stdin(Stdio::null());
    command.env("ZEEBE2FAAS_ADMIN_LISTEN", live.admin.trim_start_matches("http://"));
    let output = soon(command.output()).await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn without_the_setting_nobody_may_act_and_the_answer_says_what_to_set() {
    let mut live = Live::start("").await;
    let invocation = live.invoke(1, "plain").await;
    for what in ACTIONS {
        let (status, text) = act(&live, &invocation, what).await;
        assert_eq!(status, 403);
        assert!(text.contains("set admin.token_file"), "{text}");
    }
    until_call(&live, &invocation, |call| call["state"] == "submitted").await;
}

#[tokio::test]
async fn only_the_whole_token_opens_and_reading_needs_none() {
    let mut live = Live::start(WITH_TOKEN).await;
    let invocation = live.invoke(1, "plain").await;
    let token = live.admin_token();
    let others = [None, Some(""), Some(&token[1..]), Some(&token[..token.len() - 1]), Some("a token of many bytes")];
    for what in ACTIONS {
        for other in others {
            let (status, _) = live.act(&format!("/api/calls/{}/{what}", invocation.call_id()), other).await;
            assert_eq!(status, 401, "{what} {other:?}");
        }
    }
    until_call(&live, &invocation, |call| call["state"] == "submitted").await;
    let unknown = "a".repeat(26);
    assert_eq!(live.act(&format!("/api/calls/{unknown}/cancel"), Some(&token)).await.0, 404);
    assert_eq!(live.act("/api/calls/5/cancel", Some(&token)).await.0, 400);
}

#[tokio::test]
async fn a_cancelled_call_ends_once_and_its_receive_task_hears_of_it() {
    let mut live = Live::start(WITH_TOKEN).await;
    let invocation = live.invoke(1, "plain").await;
    assert_eq!(act(&live, &invocation, "deliver").await.0, 409, "it has not ended");

    let (code, said) = calls(&live, &["cancel", invocation.call_id()]).await;
    assert_eq!((code, &*said), (Some(0), "cancelled; Zeebe gets this as its outcome\n"));
    let outcomes = live.until_outcomes(1).await;
    assert_eq!((&outcomes[0]["status"], &outcomes[0]["retryable"]), (&json!("cancelled"), &json!(false)));
    until_call(&live, &invocation, |call| call["delivered"] == true).await;

    let (code, said) = calls(&live, &["cancel", invocation.call_id()]).await;
    assert_eq!((code, &*said), (Some(1), "zeebe2faas: it has ended already, and Zeebe has its outcome\n"));
    live.call_back(invocation.token(), 200, "{}").await;
    until_call(&live, &invocation, |call| call["late"]["status"] == "succeeded").await;
    assert_eq!(live.outcomes().len(), 1);
}

#[tokio::test]
async fn where_openfaas_cancels_invocations_it_is_told_to() {
    for cancels in [false, true] {
        let mut live = Live::start(&format!("openfaas.cancels = {cancels}\n{WITH_TOKEN}")).await;
        let invocation = live.invoke(1, "plain").await;
        assert_eq!(act(&live, &invocation, "cancel").await.0, 200);
        let expected = if cancels { vec![invocation.call_id().to_owned()] } else { Vec::new() };
        assert_eq!(live.openfaas.cancelled(), expected);
    }
}

#[tokio::test]
async fn a_guarded_call_whose_runner_says_nothing_stays_open() {
    let mut live = Live::start(WITH_TOKEN).await;
    let invocation = live.invoke(1, "guarded").await;
    let (status, text) = act(&live, &invocation, "cancel").await;
    assert_eq!(status, 502);
    assert!(text.contains("ask again"), "{text}");
    until_call(&live, &invocation, |call| call["state"] == "submitted").await;
}

#[tokio::test]
async fn an_outcome_that_zeebe_refused_is_listed_and_delivered_when_a_person_says_so() {
    let mut live = Live::start(WITH_TOKEN).await;
    let (invocation, other) = (live.invoke(1, "plain").await, live.invoke(2, "plain").await);
    for _ in 0..3 {
        live.zeebe.script("PublishMessage", Answer::Status(Code::InvalidArgument));
    }
    live.call_back(invocation.token(), 200, "{}").await;
    live.until_outcomes(1).await;
    until_call(&live, &invocation, |call| call["state"] == "ended" && call["delivered"] == false).await;
    let (_, listed) = calls(&live, &["--undelivered"]).await;
    assert!(listed.contains(invocation.call_id()) && !listed.contains(other.call_id()), "{listed}");

    let (status, text) = act(&live, &invocation, "deliver").await;
    assert_eq!(status, 502, "Zeebe refuses it still: {text}");
    // The bridge goes on by itself: once at once, then after a long pause.
    live.until_outcomes(3).await;
    let (code, said) = calls(&live, &["deliver", invocation.call_id()]).await;
    assert_eq!((code, &*said), (Some(0), "delivered: Zeebe has its outcome\n"));
    until_call(&live, &invocation, |call| call["delivered"] == true).await;
    let ids = message_ids(&live);
    assert_eq!((ids.len(), ids.iter().all(|id| id == invocation.call_id())), (4, true), "{ids:?}");
}

#[tokio::test]
async fn an_order_is_carried_out_when_whoever_gave_it_has_gone() {
    let mut live = Live::start(&format!("zeebe.request_timeout = \"1s\"\n{WITH_TOKEN}")).await;
    let invocation = live.invoke(1, "plain").await;
    // The bridge by itself would try again after a long pause only.
    live.zeebe.script("PublishMessage", Answer::Status(Code::InvalidArgument));
    live.zeebe.script("PublishMessage", Answer::Silence);
    live.call_back(invocation.token(), 200, "{}").await;
    live.until_outcomes(1).await;
    {
        let order = act(&live, &invocation, "deliver");
        let order = std::pin::pin!(order);
        let begun = live.until_outcomes(2);
        let begun = std::pin::pin!(begun);
        assert!(matches!(select(order, begun).await, Either::Right(_)), "Zeebe is silent");
    }
    until_call(&live, &invocation, |call| call["delivered"] == true).await;
}

#[tokio::test]
async fn a_message_that_zeebe_had_is_published_again_under_its_id_or_where_a_person_says_so_under_a_new_one() {
    let mut live = Live::start(WITH_TOKEN).await;
    let invocation = live.invoke(1, "plain").await;
    live.call_back(invocation.token(), 200, "{}").await;
    until_call(&live, &invocation, |call| call["delivered"] == true).await;

    live.zeebe.script("PublishMessage", Answer::Status(Code::AlreadyExists));
    let (_, text) = act(&live, &invocation, "deliver").await;
    assert!(text.contains("Zeebe still keeps the message"), "{text}");
    assert_eq!(act(&live, &invocation, "deliver").await, (200, r#"{"message":"published again"}"#.to_owned()));
    let (code, _) = calls(&live, &["deliver", invocation.call_id(), "--again"]).await;
    assert_eq!(code, Some(0));

    let ids = message_ids(&live);
    let id = invocation.call_id();
    assert_eq!(ids[..3], [id, id, id]);
    assert!(ids[3] != id && ids[3].starts_with(id), "{ids:?}");
    let outcomes = live.outcomes();
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]));
}

#[tokio::test]
async fn the_task_of_an_open_job_is_tried_again_at_once_with_all_its_retries() {
    let mut live = Live::start(WITH_TOKEN).await;
    let open = waiting(&mut live, 1).await;
    let (code, said) = calls(&live, &["retry", open.call_id()]).await;
    assert_eq!((code, &*said), (Some(0), "cancelled; its task is tried again under a new call id\n"));
    let again = failure(&live, 1).await;
    assert_eq!((again.job_key, again.retries, again.retry_back_off), (1, 3, 0));
    assert_eq!(serde_json::from_str::<Value>(&again.variables).unwrap(), json!({ "zeebe2faasTry": 2 }));
    until_call(&live, &open, |call| call["delivered"] == true).await;
    assert_eq!(act(&live, &open, "retry").await.0, 409, "Zeebe has the outcome");

    let failed = waiting(&mut live, 2).await;
    live.zeebe.script("FailJob", Answer::Status(Code::InvalidArgument));
    live.call_back(failed.token(), 500, "broken").await;
    let first = failure(&live, 2).await;
    assert_eq!((first.job_key, first.retries), (2, 2));
    until_call(&live, &failed, |call| call["state"] == "ended").await;
    assert_eq!(act(&live, &failed, "retry").await.0, 200);
    let again = failure(&live, 3).await;
    assert_eq!((again.job_key, again.retries, again.retry_back_off), (2, 3, 0));
}

#[tokio::test]
async fn a_call_that_a_receive_task_waits_for_is_submitted_again_only_where_a_guard_lets_it_run_once() {
    let mut live = Live::start(WITH_TOKEN).await;
    let invocation = live.invoke(1, "plain").await;
    let (status, text) = act(&live, &invocation, "retry").await;
    assert_eq!(status, 409);
    assert!(text.contains("`calls cancel` ends the call"), "{text}");
    until_call(&live, &invocation, |call| call["state"] == "submitted").await;

    let lost = live.invoke(2, "guarded").await;
    let (code, said) = calls(&live, &["retry", lost.call_id()]).await;
    assert_eq!(code, Some(0), "{said}");
    let again = live.openfaas.invocation().await;
    assert_eq!((again.call_id(), &again.body), (lost.call_id(), &lost.body), "the very same call");
    assert_eq!(again.headers["x-zeebe2faas-signature"], lost.headers["x-zeebe2faas-signature"]);
    assert!(live.openfaas.is_idle(), "and only once");
}

#[tokio::test]
async fn calls_are_found_by_function_instance_and_age() {
    let mut live = Live::start("").await;
    let (plain, guarded) = (live.invoke(1, "plain").await, live.invoke(2, "guarded").await);
    for (arguments, expected) in [
        (&["--function", "plain"][..], &[&plain][..]),
        (&["--function", "none"], &[]),
        (&["--instance", "0", "--state", "submitted"], &[&plain, &guarded]),
        (&["--instance", "7"], &[]),
        (&["--older-than", "1h"], &[]),
        (&["--undelivered"], &[]),
    ] {
        let (code, listed) = calls(&live, arguments).await;
        let found: Vec<&str> = listed.lines().skip(1).filter_map(|line| line.split(' ').next()).collect();
        assert_eq!((code, found.len()), (Some(0), expected.len()), "{arguments:?}: {listed}");
        assert!(expected.iter().all(|call| found.contains(&call.call_id())), "{arguments:?}: {listed}");
    }
}
