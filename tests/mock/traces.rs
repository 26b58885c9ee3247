#![expect(clippy::unwrap_used, reason = "tests")]

//! Traces, as a collector sees them.

use serde_json::json;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;
use zeebe2faas::traces::proto::{span::Kind, status::Code};
use zeebe2faas_contract::{Outcome, Report, SIGNATURE_HEADER, Step, TraceParent, signature::Answer};
use zeebe2faas_tests::{
    collector::{Collector, Exported},
    crash::{Bridge, Proxy},
    fake_gateway::{FakeGateway, Seen},
    fake_openfaas::FakeOpenFaas,
    http,
    live::{Call, Live, calling, configure},
    soon,
};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn traced(collector: &Collector) -> String {
    format!("traces = {{ endpoint = \"http://{}\", service = \"bridge\" }}", collector.address())
}

/// Ends a guarded call as its runner does, whose clock goes a minute fast, and whose program took two seconds.
async fn succeed(live: &Live, call: &Call) {
    let (call_id, function) = (&call.invocation.call_id, &call.invocation.function);
    let accepted_ms = live.shown(call).await["acceptedMs"].as_u64().unwrap();
    let report = json!({
        "callId": call_id, "function": function, "outcome": "succeeded",
        "startedAtMs": accepted_ms + 60_000, "durationSeconds": 2.0,
    });
    let report: Report = serde_json::from_value(report).unwrap();
    assert_eq!(report.outcome, Outcome::Succeeded);
    let body = serde_json::to_string(&report).unwrap();
    let answer = Answer { function, call_id, status: 200, question: "", body: body.as_bytes() };
    let signature = answer.sign(&live.runner_secret().for_function(function));
    let post = http().post(format!("{}/callback/{}", live.callbacks, call.token()));
    let post = post.header("x-function-status", "200").header(SIGNATURE_HEADER, signature).body(body);
    assert_eq!(soon(post.send()).await.unwrap().status(), 200);
}

/// The span of this step.
fn step<'a>(spans: &'a [Exported], name: &str) -> &'a Exported {
    spans.iter().find(|exported| exported.span.name.starts_with(name)).unwrap()
}

#[tokio::test]
async fn a_call_is_one_trace_from_its_job_through_the_function_to_the_delivery_also_through_a_restart() {
    let collector = Collector::start().await;
    let mut live = Live::start(&traced(&collector)).await;
    let call = live.call_of(1, "guarded").await;
    live.stop().await;
    live.restart().await;
    succeed(&live, &call).await;
    let spans = collector.spans(5).await;

    let (id, parent) = (&call.invocation.call_id, call.invocation.traceparent.unwrap());
    assert!(spans.iter().all(|exported| exported.span.trace_id == parent.trace_id), "{spans:#?}");
    let [whole, submit, wait, run, deliver] =
        ["call", "submit", "wait", "run", "deliver"].map(|name| step(&spans, name));
    for part in [submit, wait, run, deliver] {
        assert_eq!(part.span.parent_span_id, whole.span.span_id, "{}", part.span.name);
        assert_eq!(part.attribute("faas.invocation_id").as_deref(), Some(id.as_str()));
    }
    assert!(whole.span.parent_span_id.is_empty());
    assert_eq!((run.service.as_str(), whole.service.as_str()), ("guarded", "bridge"));
    assert_eq!(run.span.span_id, parent.span_id, "the program hangs its spans below its run");
    assert_eq!(run.span.kind, i32::from(Kind::Consumer));
    assert_eq!(whole.attribute("zeebe.process_id").as_deref(), Some("process"));
    assert_eq!(whole.attribute("zeebe.job_key").as_deref(), Some("1"));
    assert_eq!(whole.attribute("zeebe2faas.status").as_deref(), Some("succeeded"));

    let shown = live.shown(&call).await;
    let nanos = |name: &str| shown[name].as_u64().unwrap() * 1_000_000;
    let times = |exported: &Exported| (exported.span.start_time_unix_nano, exported.span.end_time_unix_nano);
    let started = nanos("acceptedMs") + 60_000_000_000;
    assert_eq!(times(whole), (nanos("acceptedMs"), nanos("deliveredMs")));
    assert_eq!(times(submit), (nanos("acceptedMs"), nanos("submittedMs")));
    assert_eq!(times(wait), (nanos("submittedMs"), started));
    assert_eq!(times(run), (started, started + 2_000_000_000));
    assert_eq!(times(deliver), (nanos("endedMs"), nanos("deliveredMs")));
}

#[tokio::test]
async fn a_traceparent_of_the_process_is_the_parent_and_decides_whether_the_call_is_sampled() {
    let collector = Collector::start().await;
    let mut live = Live::start(&traced(&collector)).await;
    let headers = json!({ "function": "plain", "cmdline": "work" });
    let below = async |live: &mut Live, key: i64, parent: &str| {
        live.call(key, &headers, &json!({ "traceparent": parent })).await
    };
    let unsampled = below(&mut live, 1, &PARENT.replace("-01", "-00")).await;
    let nonsense = below(&mut live, 2, "nonsense").await;
    let sampled = below(&mut live, 3, PARENT).await;
    assert!(!unsampled.invocation.traceparent.unwrap().sampled);
    // One after the other, so that the spans of the last are the last.
    for call in [&unsampled, &nonsense, &sampled] {
        live.call_back(call.token(), 500, "broken").await;
        live.until_shown(call, |shown| shown["delivered"] == true).await;
    }
    let spans = collector.spans(8).await;

    assert_eq!(spans.len(), 8, "four of two calls: {spans:#?}");
    let parent: TraceParent = PARENT.parse().unwrap();
    let below: Vec<Exported> = spans.iter().filter(|e| e.span.trace_id == parent.trace_id).cloned().collect();
    let id = &sampled.invocation.call_id;
    let whole = step(&below, "call");
    assert_eq!(whole.span.parent_span_id, parent.span_id);
    assert_eq!(step(&below, "run").span.span_id, sampled.invocation.traceparent.unwrap().span_id);
    assert_eq!(whole.span.status.as_ref().unwrap().code, i32::from(Code::Error));
    assert_eq!(whole.attribute("faas.invocation_id").as_deref(), Some(id.as_str()));
    let own = TraceParent::of(&nonsense.invocation.call_id, Step::Call, None);
    assert!(spans.iter().any(|e| e.span.span_id == own.span_id && e.span.trace_id == own.trace_id));
}

fn configured(folder: &Path, zeebe: &FakeGateway, openfaas: &FakeOpenFaas, collector: &Collector) -> PathBuf {
    configure(folder, &zeebe.address(), openfaas.url(), &traced(collector))
}

#[tokio::test]
async fn while_the_collector_is_away_nothing_waits_the_log_says_so_once_and_the_traces_come_later() {
    let folder = TempDir::new().unwrap();
    let collector = Collector::start().await;
    collector.is_away(true);
    let (zeebe, mut openfaas, proxy) = (FakeGateway::start(), FakeOpenFaas::start().await, Proxy::http().await);
    let configuration = configured(folder.path(), &zeebe, &openfaas, &collector);
    let bridge = Bridge::start(&configuration, &[], &proxy).await;
    for key in 1..=3 {
        zeebe.add_to_backlog([calling(key, "plain")]);
        let invocation = openfaas.invocation().await;
        bridge.calls(|calls| calls.iter().all(|call| call["state"] != "accepted")).await;
        let post = http().post(format!("{}/callback/{}", bridge.callback_url(), invocation.token()));
        soon(post.header("x-function-status", "200").send()).await.unwrap();
    }
    zeebe.until_seen(|seen| seen.iter().filter(|seen| matches!(seen, Seen::Publish(_))).count() == 3).await;
    bridge.calls(|calls| calls.iter().filter(|call| call["delivered"] == true).count() == 3).await;

    collector.was_asked(2).await;
    collector.is_away(false);
    let spans = collector.spans(12).await;
    assert_eq!(spans.len(), 12, "four of each call: {spans:#?}");
    bridge.has_counted("zeebe2faas_traces_total{verdict=\"exported\"}", 3.0).await;
    let said = |part: &str| bridge.log().lines().filter(|line| line.contains(part)).count();
    soon(async {
        while said("the collector takes traces again") == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert_eq!(said("the collector takes no traces"), 1);
}

#[tokio::test]
async fn what_a_collector_refuses_is_counted_and_costs_nothing_but_these_spans() {
    let collector = Collector::start().await;
    collector.answers(&[400]);
    let mut live = Live::start(&traced(&collector)).await;
    for key in [1, 2] {
        let invocation = live.invoke(key, "plain").await;
        live.call_back(invocation.token(), 200, "{}").await;
        collector.was_asked(usize::try_from(key).unwrap()).await;
    }
    live.until("/metrics", |_, text| {
        text.contains(r#"traces_total{verdict="refused"} 1"#) && text.contains(r#"traces_total{verdict="exported"} 1"#)
    })
    .await;
    assert_eq!(live.until_outcomes(2).await.len(), 2);
}
