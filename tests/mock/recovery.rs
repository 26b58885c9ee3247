#![expect(clippy::unwrap_used, reason = "tests")]

//! What a person does with calls: `zeebe2faas calls cancel`, `deliver`, `retry`, and the orders behind them.

use serde_json::{Value, json};
use std::{process::Stdio, time::Duration};
use tokio::process::Command;
use tonic::Code;
use zeebe2faas::zeebe::proto::{ActivatedJob, FailJobRequest};
use zeebe2faas_tests::{
    binaries,
    fake_gateway::{Answer, Seen, job},
    fake_openfaas::Invocation,
    product::Product,
    soon,
};

const LOCK: Duration = Duration::from_secs(60);
const WITH_TOKEN: &str = "admin.token_file = \"admin.token\"";
const ACTIONS: [&str; 3] = ["cancel", "deliver", "retry"];

/// An order with the right token.
async fn act(product: &Product, invocation: &Invocation, what: &str) -> (u16, String) {
    let path = format!("/api/calls/{}/{what}", invocation.call_id());
    product.act(&path, Some(&product.admin_token())).await
}

async fn until_call(product: &Product, invocation: &Invocation, wanted: impl Fn(&Value) -> bool) {
    let path = format!("/api/calls/{}", invocation.call_id());
    product.until(&path, |_, text| serde_json::from_str(text).is_ok_and(|call| wanted(&call))).await;
}

/// A task that waits itself, its function called.
async fn waiting(product: &mut Product, key: i64) -> Invocation {
    let custom_headers = json!({ "function": "plain", "cmdline": "work", "reply": "job" }).to_string();
    let job = ActivatedJob { custom_headers, element_id: "task".to_owned(), ..job(key, LOCK) };
    product.zeebe.add_to_backlog([job]);
    let invocation = product.openfaas.invocation().await;
    until_call(product, &invocation, |call| call["state"] == "submitted").await;
    invocation
}

async fn failure(product: &Product, count: usize) -> FailJobRequest {
    let failures = |seen: &[Seen]| -> Vec<FailJobRequest> {
        let failure = |seen: &Seen| match seen {
            Seen::Fail(failure) => Some(failure.clone()),
            _ => None,
        };
        seen.iter().filter_map(failure).collect()
    };
    product.zeebe.until_seen(|seen| failures(seen).len() >= count).await;
    failures(&product.zeebe.seen()).pop().unwrap()
}

fn message_ids(product: &Product) -> Vec<String> {
    let id = |seen: &Seen| match seen {
        Seen::Publish(message) => Some(message.message_id.clone()),
        _ => None,
    };
    product.zeebe.seen().iter().filter_map(id).collect()
}

/// What `zeebe2faas calls` with these arguments says: its exit code, and all it printed.
async fn calls(product: &Product, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(binaries().join("zeebe2faas"));
    command.arg("calls").args(arguments).current_dir(product.folder.path()).stdin(Stdio::null());
    command.env("ZEEBE2FAAS_ADMIN_LISTEN", product.admin.trim_start_matches("http://"));
    let output = soon(command.output()).await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn without_the_setting_nobody_may_act_and_the_answer_says_what_to_set() {
    let mut product = Product::start("").await;
    let invocation = product.invoke(1, "plain").await;
    for what in ACTIONS {
        let (status, text) = act(&product, &invocation, what).await;
        assert_eq!(status, 403);
        assert!(text.contains("set admin.token_file"), "{text}");
    }
    until_call(&product, &invocation, |call| call["state"] == "submitted").await;
}

#[tokio::test]
async fn only_the_whole_token_opens_and_reading_needs_none() {
    let mut product = Product::start(WITH_TOKEN).await;
    let invocation = product.invoke(1, "plain").await;
    let token = product.admin_token();
    let others = [None, Some(""), Some(&token[1..]), Some(&token[..token.len() - 1]), Some("a token of many bytes")];
    for what in ACTIONS {
        for other in others {
            let (status, _) = product.act(&format!("/api/calls/{}/{what}", invocation.call_id()), other).await;
            assert_eq!(status, 401, "{what} {other:?}");
        }
    }
    until_call(&product, &invocation, |call| call["state"] == "submitted").await;
    let unknown = "a".repeat(26);
    assert_eq!(product.act(&format!("/api/calls/{unknown}/cancel"), Some(&token)).await.0, 404);
    assert_eq!(product.act("/api/calls/5/cancel", Some(&token)).await.0, 400);
}

#[tokio::test]
async fn a_cancelled_call_ends_once_and_its_receive_task_hears_of_it() {
    let mut product = Product::start(WITH_TOKEN).await;
    let invocation = product.invoke(1, "plain").await;
    assert_eq!(act(&product, &invocation, "deliver").await.0, 409, "it has not ended");

    let (code, said) = calls(&product, &["cancel", invocation.call_id()]).await;
    assert_eq!((code, &*said), (Some(0), "cancelled; Zeebe gets this as its outcome\n"));
    let outcomes = product.until_outcomes(1).await;
    assert_eq!((&outcomes[0]["status"], &outcomes[0]["retryable"]), (&json!("cancelled"), &json!(false)));
    until_call(&product, &invocation, |call| call["delivered"] == true).await;

    let (code, said) = calls(&product, &["cancel", invocation.call_id()]).await;
    assert_eq!((code, &*said), (Some(1), "zeebe2faas: it has ended already, and Zeebe has its outcome\n"));
    product.call_back(invocation.token(), 200, "{}").await;
    until_call(&product, &invocation, |call| call["late"]["status"] == "succeeded").await;
    assert_eq!(product.outcomes().len(), 1);
}

#[tokio::test]
async fn where_openfaas_cancels_invocations_it_is_told_to() {
    for cancels in [false, true] {
        let mut product = Product::start(&format!("openfaas.cancels = {cancels}\n{WITH_TOKEN}")).await;
        let invocation = product.invoke(1, "plain").await;
        assert_eq!(act(&product, &invocation, "cancel").await.0, 200);
        let expected = if cancels { vec![invocation.call_id().to_owned()] } else { Vec::new() };
        assert_eq!(product.openfaas.cancelled(), expected);
    }
}

#[tokio::test]
async fn a_guarded_call_whose_runner_says_nothing_stays_open() {
    let mut product = Product::start(WITH_TOKEN).await;
    let invocation = product.invoke(1, "guarded").await;
    let (status, text) = act(&product, &invocation, "cancel").await;
    assert_eq!(status, 502);
    assert!(text.contains("ask again"), "{text}");
    until_call(&product, &invocation, |call| call["state"] == "submitted").await;
}

#[tokio::test]
async fn an_outcome_that_zeebe_refused_is_listed_and_delivered_when_a_person_says_so() {
    let mut product = Product::start(WITH_TOKEN).await;
    let (invocation, other) = (product.invoke(1, "plain").await, product.invoke(2, "plain").await);
    for _ in 0..3 {
        product.zeebe.script("PublishMessage", Answer::Status(Code::InvalidArgument));
    }
    product.call_back(invocation.token(), 200, "{}").await;
    product.until_outcomes(1).await;
    until_call(&product, &invocation, |call| call["state"] == "ended" && call["delivered"] == false).await;
    let (_, listed) = calls(&product, &["--undelivered"]).await;
    assert!(listed.contains(invocation.call_id()) && !listed.contains(other.call_id()), "{listed}");

    let (status, text) = act(&product, &invocation, "deliver").await;
    assert_eq!(status, 502, "Zeebe refuses it still: {text}");
    // The bridge goes on by itself: once at once, then after a long pause.
    product.until_outcomes(3).await;
    let (code, said) = calls(&product, &["deliver", invocation.call_id()]).await;
    assert_eq!((code, &*said), (Some(0), "delivered: Zeebe has its outcome\n"));
    until_call(&product, &invocation, |call| call["delivered"] == true).await;
    let ids = message_ids(&product);
    assert_eq!((ids.len(), ids.iter().all(|id| id == invocation.call_id())), (4, true), "{ids:?}");
}

#[tokio::test]
async fn a_message_that_zeebe_had_is_published_again_under_its_id_or_where_a_person_says_so_under_a_new_one() {
    let mut product = Product::start(WITH_TOKEN).await;
    let invocation = product.invoke(1, "plain").await;
    product.call_back(invocation.token(), 200, "{}").await;
    until_call(&product, &invocation, |call| call["delivered"] == true).await;

    product.zeebe.script("PublishMessage", Answer::Status(Code::AlreadyExists));
    let (_, text) = act(&product, &invocation, "deliver").await;
    assert!(text.contains("Zeebe still keeps the message"), "{text}");
    assert_eq!(act(&product, &invocation, "deliver").await, (200, r#"{"message":"published again"}"#.to_owned()));
    let (code, _) = calls(&product, &["deliver", invocation.call_id(), "--again"]).await;
    assert_eq!(code, Some(0));

    let ids = message_ids(&product);
    let id = invocation.call_id();
    assert_eq!(ids[..3], [id, id, id]);
    assert!(ids[3] != id && ids[3].starts_with(id), "{ids:?}");
    let outcomes = product.outcomes();
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]));
}

#[tokio::test]
async fn the_task_of_an_open_job_is_tried_again_at_once_with_all_its_retries() {
    let mut product = Product::start(WITH_TOKEN).await;
    let open = waiting(&mut product, 1).await;
    let (code, said) = calls(&product, &["retry", open.call_id()]).await;
    assert_eq!((code, &*said), (Some(0), "cancelled; its task is tried again under a new call id\n"));
    let again = failure(&product, 1).await;
    assert_eq!((again.job_key, again.retries, again.retry_back_off), (1, 3, 0));
    assert_eq!(serde_json::from_str::<Value>(&again.variables).unwrap(), json!({ "zeebe2faasTry": 2 }));
    until_call(&product, &open, |call| call["delivered"] == true).await;
    assert_eq!(act(&product, &open, "retry").await.0, 409, "Zeebe has the outcome");

    let failed = waiting(&mut product, 2).await;
    product.zeebe.script("FailJob", Answer::Status(Code::InvalidArgument));
    product.call_back(failed.token(), 500, "broken").await;
    let first = failure(&product, 2).await;
    assert_eq!((first.job_key, first.retries), (2, 2));
    until_call(&product, &failed, |call| call["state"] == "ended").await;
    assert_eq!(act(&product, &failed, "retry").await.0, 200);
    let again = failure(&product, 3).await;
    assert_eq!((again.job_key, again.retries, again.retry_back_off), (2, 3, 0));
}

#[tokio::test]
async fn a_call_that_a_receive_task_waits_for_is_not_tried_again_and_the_answer_says_who_does_that() {
    let mut product = Product::start(WITH_TOKEN).await;
    let invocation = product.invoke(1, "plain").await;
    let (status, text) = act(&product, &invocation, "retry").await;
    assert_eq!(status, 409);
    assert!(text.contains("`calls cancel` ends the call"), "{text}");
    until_call(&product, &invocation, |call| call["state"] == "submitted").await;
}

#[tokio::test]
async fn calls_are_found_by_function_instance_and_age() {
    let mut product = Product::start("").await;
    let (plain, guarded) = (product.invoke(1, "plain").await, product.invoke(2, "guarded").await);
    for (arguments, expected) in [
        (&["--function", "plain"][..], &[&plain][..]),
        (&["--function", "none"], &[]),
        (&["--instance", "0", "--state", "submitted"], &[&plain, &guarded]),
        (&["--instance", "7"], &[]),
        (&["--older-than", "1h"], &[]),
        (&["--undelivered"], &[]),
    ] {
        let (code, listed) = calls(&product, arguments).await;
        let found: Vec<&str> = listed.lines().skip(1).filter_map(|line| line.split(' ').next()).collect();
        assert_eq!((code, found.len()), (Some(0), expected.len()), "{arguments:?}: {listed}");
        assert!(expected.iter().all(|call| found.contains(&call.call_id())), "{arguments:?}: {listed}");
    }
}
