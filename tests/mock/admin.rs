#![expect(clippy::unwrap_used, reason = "tests")]

//! The admin listener: what an orchestrator asks and Prometheus reads.

use tonic::Code;
use zeebe2faas_tests::{
    fake_gateway::{Answer, FakeGateway},
    live::Live,
};

const MANUAL: &str = include_str!("../../docs/metrics.md");

#[tokio::test]
async fn it_is_ready_while_zeebe_answers_and_alive_in_any_case() {
    let mut live = Live::start("").await;
    live.until("/readyz", |status, text| status == 200 && text == "ready\n").await;
    live.zeebe.crash();
    let waiting = "job type faas: waiting for Zeebe: ";
    live.until("/readyz", |status, text| status == 503 && text.starts_with(waiting)).await;
    assert_eq!(live.read("/healthz").await, (200, "ok\n".to_owned()));
    let crashed = std::mem::replace(&mut live.zeebe, FakeGateway::start());
    live.zeebe = crashed.restart();
    live.until("/readyz", |status, _| status == 200).await;
}

#[tokio::test]
async fn every_metric_is_counted_and_stands_in_the_manual() {
    let mut live = Live::start("").await;
    let (ended, waiting) = (live.invoke(1, "plain").await, live.invoke(2, "guarded").await);
    // A publication that is made again.
    live.zeebe.script("PublishMessage", Answer::Status(Code::ResourceExhausted));
    live.call_back(ended.token(), 200, "{}").await;
    live.call_back(waiting.token(), 502, "").await;
    live.call_back("forged", 200, "{}").await;
    live.until("/metrics", |_, text| text.contains("calls_in_flight 1\n") && text.contains("delivery_seconds_count 1"))
        .await;

    let (_, text) = live.read("/metrics").await;
    for line in [
        r#"zeebe2faas_jobs_activated_total{job_type="faas"} 2"#,
        r#"zeebe2faas_submissions_total{function="plain",result="queued"} 1"#,
        r#"zeebe2faas_callbacks_total{verdict="final"} 1"#,
        r#"zeebe2faas_callbacks_total{verdict="provisional"} 1"#,
        r#"zeebe2faas_callbacks_total{verdict="rejected"} 1"#,
        r#"zeebe2faas_callbacks_rejected_total{reason="forged"} 1"#,
        r#"zeebe2faas_zeebe_retries_total{rpc="PublishMessage"} 1"#,
        "zeebe2faas_calls_waiting 1",
        "zeebe2faas_calls_undelivered 0",
        r#"zeebe2faas_calls_ended_total{function="plain",status="succeeded"} 1"#,
        r#"zeebe2faas_call_duration_seconds_sum{function="plain",status="succeeded"} 1.5"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
    }
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let names: Vec<&str> = types.map(|line| line.split(' ').next().unwrap()).collect();
    for name in
        ["zeebe2faas_ledger_commit_seconds", "zeebe2faas_oldest_call_seconds", "zeebe2faas_nearest_deadline_seconds"]
    {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    for name in names {
        assert!(MANUAL.contains(&format!("| `{name}")), "{name} is not in docs/metrics.md");
    }
}
