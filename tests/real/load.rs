//! More at once than the bridge may have in flight.

use std::collections::BTreeSet;
use zeebe2faas_tests::crash::Site;

const CALLS: usize = 200;
const IN_FLIGHT: &str = "50";

#[tokio::test]
async fn two_hundred_calls_at_once_each_succeed_and_run_once() {
    let site = Site::new("two-hundred").await;
    let bridge = site.bridge_with(&[("ZEEBE2FAAS_WORKER_0__MAX_IN_FLIGHT", IN_FLIGHT)]).await;
    let names: Vec<String> = (0..CALLS).map(|number| format!("call-{number:03}")).collect();
    let begun = names.iter().map(|name| site.begin(site.variables(name)));
    let instances: BTreeSet<i64> = futures_util::future::join_all(begun).await.into_iter().collect();

    // As long as some end, a slow machine has time.
    for ended in (1..=CALLS).step_by(10) {
        site.records.ended_instances(ended).await;
    }
    assert_eq!(site.records.ended_instances(CALLS).await, instances);
    assert_eq!(site.runs(), names);
    let ended = |call: &serde_json::Value| call["status"] == "succeeded" && call["delivered"] == true;
    bridge.calls(|calls| calls.len() == CALLS && calls.iter().all(ended)).await;
    // PublishMessage may be sent again under back-pressure.
    assert_eq!(site.gateway.seen("/async-function/"), CALLS);
}
