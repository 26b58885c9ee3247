//! The broker away when the bridge starts, and going away while calls run.

use std::collections::BTreeSet;
use zeebe2faas_dev::broker::{Broker, BrokerOptions};
use zeebe2faas_tests::crash::Site;

const CALLS: usize = 4;

#[tokio::test]
async fn with_the_broker_away_at_the_start_and_during_the_calls_everything_ends_once() {
    let options = BrokerOptions { log_records: true, ..BrokerOptions::default() };
    let mut broker = Broker::start(options).await.unwrap();
    let site = Site::on(&broker, "outage").await;
    site.hold_functions();

    broker.kill();
    // Without the proxy, which would still be there: the address refuses connections.
    let bridge = site.bridge_with(&[("ZEEBE2FAAS_ZEEBE_ADDRESS", &broker.grpc_address())]).await;
    bridge.readiness_says("job type outage: waiting for Zeebe: ").await;
    broker.restart().await.unwrap();
    bridge.readiness_says("ready\n").await;

    let names: Vec<String> = (0..CALLS).map(|number| format!("call-{number}")).collect();
    let mut instances = BTreeSet::new();
    for name in &names {
        instances.insert(site.begin(site.variables(name)).await);
    }
    site.ran(CALLS).await;
    broker.kill();
    site.release_functions();
    bridge.readiness_says("waiting for Zeebe: ").await;
    bridge.calls(|calls| calls.iter().filter(|call| call["state"] == "ended").count() == CALLS).await;
    broker.restart().await.unwrap();

    assert_eq!(site.records.ended_instances(CALLS).await, instances);
    bridge.calls(|calls| calls.len() == CALLS && calls.iter().all(|call| call["delivered"] == true)).await;
    assert_eq!(site.runs(), names);
    assert_eq!(site.gateway.seen("/async-function/"), CALLS);
}
