#![expect(clippy::unwrap_used, reason = "tests")]

//! The pause before a job's next try is the bridge's own, since Zeebe's may lose the job.

use serde_json::{Value, json};
use zeebe2faas::{
    clock::now_ms,
    zeebe::proto::{ActivatedJob, FailJobRequest},
};
use zeebe2faas_tests::{
    fake_gateway::Seen,
    live::{Live, calling},
};

async fn failed(live: &Live) -> FailJobRequest {
    let failed = |seen: &Seen| if let Seen::Fail(request) = seen { Some(request.clone()) } else { None };
    live.zeebe.until_seen(|seen| seen.iter().any(|seen| failed(seen).is_some())).await;
    live.zeebe.seen().iter().find_map(failed).unwrap()
}

fn paused(key: i64, until_ms: u64) -> ActivatedJob {
    ActivatedJob { variables: json!({ "zeebe2faasPause": until_ms }).to_string(), ..calling(key, "plain") }
}

#[tokio::test]
async fn a_job_with_another_try_comes_again_at_once_with_the_time_before_which_it_is_not_tried() {
    let mut live = Live::start("calls.retry_backoff = \"10m\"").await;
    let before = now_ms();
    let mut job = calling(1, "plain");
    job.custom_headers = json!({ "function": "plain", "cmdline": "work", "reply": "job" }).to_string();
    live.zeebe.add_to_backlog([job]);
    let invocation = live.openfaas.invocation().await;
    live.call_back(invocation.token(), 500, "broken").await;
    let request = failed(&live).await;
    let after = now_ms();
    assert_eq!((request.job_key, request.retry_back_off), (1, 0));
    let variables: Value = serde_json::from_str(&request.variables).unwrap();
    let pause = variables["zeebe2faasPause"].as_u64().unwrap();
    assert!((before + 600_000..=after + 600_000).contains(&pause), "{variables}, not 10 min from {before} to {after}");
}

#[tokio::test]
async fn before_its_pause_is_over_a_job_is_not_tried_and_its_lock_ends_with_the_pause() {
    let mut live = Live::start("").await;
    live.zeebe.add_to_backlog([paused(1, now_ms() + 600_000)]);
    let lock = |seen: &Seen| {
        if let Seen::UpdateTimeout(request) = seen { Some((request.job_key, request.timeout)) } else { None }
    };
    live.zeebe.until_seen(|seen| seen.iter().any(|seen| lock(seen).is_some())).await;
    let (key, timeout) = live.zeebe.seen().iter().find_map(lock).unwrap();
    assert_eq!(key, 1);
    assert!((1..=600_000).contains(&timeout), "{timeout} ms");

    // One whose pause is over is, and so is one whose pause no bridge can have meant.
    for (key, until_ms) in [(2, 1), (3, now_ms() + 86_400_000)] {
        live.zeebe.add_to_backlog([paused(key, until_ms)]);
        assert_eq!(live.openfaas.invocation().await.function, "plain");
    }
    assert!(live.openfaas.is_idle(), "job 1 was tried");
}
