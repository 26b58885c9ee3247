//! Tasks that wait themselves, at a Zeebe that misbehaves.

use serde_json::{Value, json};
use std::time::Duration;
use tonic::Code;
use zeebe2faas::zeebe::proto::ActivatedJob;
use zeebe2faas_tests::{
    fake_gateway::{Answer, Seen, job},
    fake_openfaas::Invocation,
    live::{Live, calling},
};

const LOCK: Duration = Duration::from_secs(60);
/// Renewed three times a second.
const SHORT_LOCK: &str = "calls.job_lock = \"1s\"";

fn waiting(key: i64) -> ActivatedJob {
    let custom_headers = json!({ "function": "plain", "cmdline": "work", "reply": "job" }).to_string();
    ActivatedJob { custom_headers, element_id: "task".to_owned(), element_instance_key: key, ..job(key, LOCK) }
}

async fn begin(live: &mut Live, key: i64) -> Invocation {
    live.zeebe.add_to_backlog([waiting(key)]);
    live.openfaas.invocation().await
}

fn renewals(seen: &[Seen], key: i64) -> usize {
    seen.iter().filter(|seen| matches!(seen, Seen::UpdateTimeout(update) if update.job_key == key)).count()
}

fn completed(seen: &[Seen], key: i64) -> bool {
    seen.iter().any(|seen| matches!(seen, Seen::Complete(complete) if complete.job_key == key))
}

async fn until_call(live: &Live, id: &str, wanted: impl Fn(&Value) -> bool) {
    live.until(&format!("/api/calls/{id}"), |_, text| serde_json::from_str(text).is_ok_and(|call| wanted(&call))).await;
}

#[tokio::test]
async fn a_task_that_is_gone_before_the_request_has_left_is_not_submitted() {
    let mut live = Live::start("").await;
    live.zeebe.script("SetVariables", Answer::Status(Code::NotFound));
    live.zeebe.add_to_backlog([waiting(1)]);
    live.zeebe.until_seen(|seen| seen.iter().any(|seen| matches!(seen, Seen::Other("SetVariables")))).await;

    live.zeebe.add_to_backlog([calling(2, "other")]);
    assert_eq!(live.openfaas.invocation().await.function, "other");
    assert!(live.openfaas.is_idle());
}

#[tokio::test]
async fn a_renewal_that_fails_is_made_again_and_the_call_goes_on() {
    let mut live = Live::start(SHORT_LOCK).await;
    for code in [Code::Unavailable, Code::FailedPrecondition, Code::Internal] {
        live.zeebe.script("UpdateJobTimeout", Answer::Status(code));
    }
    let invocation = begin(&mut live, 1).await;
    live.zeebe.until_seen(|seen| renewals(seen, 1) >= 5).await;

    live.call_back(invocation.token(), 200, "{}").await;
    live.zeebe.until_seen(|seen| completed(seen, 1)).await;
    until_call(&live, invocation.call_id(), |call| call["status"] == "succeeded" && call["delivered"] == true).await;
}

#[tokio::test]
async fn a_task_that_is_gone_at_a_renewal_ends_its_call_as_cancelled_and_what_comes_later_changes_nothing() {
    let mut live = Live::start(SHORT_LOCK).await;
    let invocation = begin(&mut live, 1).await;
    live.zeebe.until_seen(|seen| renewals(seen, 1) >= 1).await;
    live.zeebe.script("UpdateJobTimeout", Answer::Status(Code::NotFound));
    until_call(&live, invocation.call_id(), |call| call["status"] == "cancelled" && call["delivered"] == true).await;

    live.call_back(invocation.token(), 200, "{}").await;
    until_call(&live, invocation.call_id(), |call| call["late"]["status"] == "succeeded").await;
    assert!(!completed(&live.zeebe.seen(), 1));
}

#[tokio::test]
async fn the_lock_of_a_call_that_ended_during_a_renewal_is_not_renewed_any_more() {
    let mut live = Live::start(SHORT_LOCK).await;
    live.zeebe.script("UpdateJobTimeout", Answer::Silence);
    let first = begin(&mut live, 1).await;
    live.zeebe.until_seen(|seen| renewals(seen, 1) == 1).await;
    live.call_back(first.token(), 200, "{}").await;
    live.zeebe.until_seen(|seen| completed(seen, 1)).await;

    let second = begin(&mut live, 2).await;
    live.zeebe.until_seen(|seen| renewals(seen, 2) >= 4).await;
    assert!(renewals(&live.zeebe.seen(), 1) <= 2, "{:#?}", live.zeebe.seen());
    live.call_back(second.token(), 200, "{}").await;
}

#[tokio::test]
async fn a_job_that_comes_again_with_spoilt_variables_goes_on_with_its_running_call() {
    let mut live = Live::start("").await;
    let invocation = begin(&mut live, 1).await;
    live.zeebe.until_seen(|seen| renewals(seen, 1) == 1).await;
    until_call(&live, invocation.call_id(), |call| call["state"] == "submitted").await;
    let kept = json!({ "callId": invocation.call_id(), "try": 1, "owner": "bridge-0", "function": "plain",
        "deadlineMs": 1, "state": "submitted" });
    let custom_headers = json!({ "function": "plain", "cmdline": "work {{ gone }}", "reply": "job" }).to_string();
    let spoilt =
        ActivatedJob { custom_headers, variables: json!({ "zeebe2faasCall": kept }).to_string(), ..waiting(1) };
    // Somebody else's call is no reason to wait.
    live.zeebe.add_to_backlog([ActivatedJob { key: 2, ..spoilt.clone() }, spoilt]);
    let failed = |seen: &[Seen], key| seen.iter().any(|seen| matches!(seen, Seen::Fail(fail) if fail.job_key == key));
    live.zeebe.until_seen(|seen| renewals(seen, 1) == 2 && failed(seen, 2)).await;
    assert!(!failed(&live.zeebe.seen(), 1));

    live.call_back(invocation.token(), 200, "{}").await;
    live.zeebe.until_seen(|seen| completed(seen, 1)).await;
}

#[tokio::test]
async fn a_success_that_an_incident_stands_before_is_kept_until_zeebe_takes_it() {
    let mut live = Live::start("").await;
    let invocation = begin(&mut live, 1).await;
    live.zeebe.script("CompleteJob", Answer::Status(Code::FailedPrecondition));
    live.call_back(invocation.token(), 200, "{}").await;
    live.zeebe.until_seen(|seen| completed(seen, 1)).await;
    until_call(&live, invocation.call_id(), |call| call["state"] == "ended" && call["delivered"] == false).await;
}
