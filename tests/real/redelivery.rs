//! What OpenFaaS does to a call that runs, and to its callback: the function runs once, the process ends once.

use serde_json::Value;
use std::time::Duration;
use zeebe2faas_tests::{
    crash::{Bridge, Point, Site},
    soon,
};

/// The id of the only call, once OpenFaaS has it.
async fn submitted(bridge: &Bridge) -> String {
    let calls = bridge.calls(|calls| calls.iter().any(|call| call["state"] == "submitted")).await;
    calls[0]["callId"].as_str().unwrap().to_owned()
}

async fn ended_once(site: &Site, bridge: &Bridge, callbacks: usize) {
    site.callbacks.has_seen("/callback/", callbacks).await;
    let call = bridge.calls(|calls| calls.iter().all(|call| call["delivered"] == true)).await.remove(0);
    assert_eq!(bridge.call(call["callId"].as_str().unwrap()).await["late"], Value::Null);
    assert_eq!(site.runs(), ["a"]);
    assert_eq!(site.zeebe.seen("/PublishMessage"), 1);
    assert_eq!(site.records.ended_instances(1).await.len(), 1);
}

#[tokio::test]
async fn a_running_call_that_is_delivered_again_and_again_runs_once_and_ends_once() {
    let site = Site::new("redelivered").await;
    site.hold_functions();
    let bridge = site.bridge().await;
    site.host.faults().change(|faults| faults.ack_wait = Some(Duration::from_millis(50)));
    let instance = site.instance("a");
    let id = submitted(&bridge).await;
    site.ran(1).await;
    soon(site.host.delivered(&id, 4)).await;
    site.host.faults().change(|faults| faults.ack_wait = None);
    site.release_functions();

    assert!(site.succeeded(instance).await);
    ended_once(&site, &bridge, 4).await;
}

#[tokio::test]
async fn a_call_whose_queue_worker_dies_while_it_runs_runs_once_and_ends_once() {
    let site = Site::new("worker-dies").await;
    site.hold_functions();
    let bridge = site.bridge().await;
    let instance = site.instance("a");
    let id = submitted(&bridge).await;
    site.ran(1).await;
    site.host.faults().kill_worker();
    soon(site.host.delivered(&id, 2)).await;
    site.release_functions();

    assert!(site.succeeded(instance).await);
    ended_once(&site, &bridge, 1).await;
}

#[tokio::test]
async fn a_doubled_callback_ends_the_call_once() {
    let site = Site::new("callback-twice").await;
    let bridge = site.bridge().await;
    site.host.faults().change(|faults| faults.double_callbacks = 1);

    assert!(site.succeeded(site.instance("a")).await);
    ended_once(&site, &bridge, 2).await;
}

#[tokio::test]
async fn a_lost_callback_is_made_good_at_the_deadline_by_what_the_runner_has_stored() {
    let site = Site::new("callback-lost").await;
    let settings = [("ZEEBE2FAAS_CALLS_TIMEOUT", "15s"), ("ZEEBE2FAAS_CALLS_GRACE", "0s")];
    let bridge = site.bridge_with(&settings).await;
    site.host.faults().change(|faults| faults.lose_callbacks = 1);

    assert!(site.succeeded(site.instance("a")).await);
    ended_once(&site, &bridge, 0).await;
    assert_eq!(site.callbacks.seen("/callback/"), 0);
}

#[tokio::test]
async fn a_callback_before_the_receive_task_is_entered_waits_for_it_in_zeebe() {
    let site = Site::new("callback-early").await;
    let bridge = site.bridge().await;
    let complete = site.zeebe.hold("/CompleteJob", Point::Request);
    let publish = site.zeebe.hold("/PublishMessage", Point::Answer);
    let instance = site.instance("a");
    complete.reached().await;
    publish.reached().await;
    publish.release();
    bridge.calls(|calls| calls.iter().any(|call| call["delivered"] == true)).await;
    assert!(!instance.is_finished(), "the service task is still open");
    complete.release();

    assert!(site.succeeded(instance).await);
    ended_once(&site, &bridge, 1).await;
}
