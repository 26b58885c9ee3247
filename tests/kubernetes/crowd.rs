//! A thousand Jobs in flight cost the bridge little memory, and the API server no more watches than one does.

use crate::site::{Site, phase, until};
use kube::api::ListParams;
use serde_json::Value;
use std::collections::HashSet;
use zeebe2faas_contract::CallId;

const JOBS: i64 = 1000;
/// 60 MB, as Linux counts memory.
const LIMIT_KIB: u64 = 60_000_000 / 1024;

#[tokio::test]
async fn a_thousand_jobs_in_flight_take_less_than_60_mb_and_three_watches() {
    let site = Site::alone("").await;
    let begun = std::time::Instant::now();
    let calls: Vec<CallId> = (1..=JOBS).map(|key| site.begin(key, "hangs", Value::Null, Value::Null)).collect();
    for some in (0..=calls.len()).step_by(100) {
        until(async || running(&site).await >= some).await;
    }
    site.bridge.calls(|calls| calls.iter().filter(|call| call["state"] == "submitted").count() == 1000).await;
    let (now, peak) = (site.bridge.memory_kb("VmRSS"), site.bridge.memory_kb("VmHWM"));
    eprintln!("{JOBS} Jobs in {:?}: the bridge takes {now} kB, at most {peak} kB", begun.elapsed());
    assert!(peak < LIMIT_KIB, "{peak} kB");
    until(async || has_its_three_watches(&site).await).await;

    site.kubelet.make_room();
    for some in (0..=calls.len()).step_by(100) {
        until(async || site.published() >= some).await;
    }
    let outcomes = site.outcomes();
    assert!(outcomes.iter().all(|outcome| outcome["status"] == "succeeded"));
    let told: HashSet<&str> = outcomes.iter().filter_map(|outcome| outcome["callId"].as_str()).collect();
    assert_eq!(told, calls.iter().map(CallId::as_str).collect(), "each one once");
    let peak = site.bridge.memory_kb("VmHWM");
    eprintln!("all delivered after {:?}; at most {peak} kB", begun.elapsed());
    assert!(peak < LIMIT_KIB, "{peak} kB");
    until(async || has_its_three_watches(&site).await).await;
}

async fn running(site: &Site) -> usize {
    let pods = site.pods().list(&ListParams::default()).await.expect("a list");
    pods.iter().filter(|pod| phase(pod) == Some("Running")).count()
}

/// Of pods the kubelet here has another one. For a moment one may be being renewed.
async fn has_its_three_watches(site: &Site) -> bool {
    (watches(site, "jobs").await, watches(site, "pods").await, watches(site, "events").await) == (1, 2, 1)
}

/// Open watches on what lies in one namespace, as the API server counts them.
async fn watches(site: &Site, resource: &str) -> u64 {
    let request = axum::http::Request::get("/metrics").body(Vec::new()).expect("a request");
    let text = site.client.request_text(request).await.expect("figures");
    let resource = format!("resource=\"{resource}\"");
    let wanted = ["apiserver_longrunning_requests{", "scope=\"namespace\"", "verb=\"WATCH\"", &resource];
    let lines = text.lines().filter(|line| wanted.iter().all(|part| line.contains(part)));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}
