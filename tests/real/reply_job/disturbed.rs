//! The bridge killed while a task waits itself: the function runs once, and the task ends.

use super::{break_functions, delivered, site, statuses};
use zeebe2faas_tests::crash::Point;

#[tokio::test]
async fn killed_while_the_function_runs_it_goes_on_with_the_running_call() {
    let site = site("job-kill-running", &[], "").await;
    site.hold_functions();
    let mut bridge = site.bridge().await;
    let instance = site.instance("a");
    site.ran(1).await;
    bridge.calls(|calls| calls.iter().any(|call| call["state"] == "submitted")).await;

    bridge.kill().await;
    bridge.restart(&site.callbacks).await;
    site.release_functions();

    assert!(site.succeeded(instance).await);
    assert_eq!(statuses(&delivered(&bridge, 1).await), ["succeeded"]);
    assert_eq!(site.runs(), ["a"]);
}

#[tokio::test]
async fn killed_before_the_request_has_left_it_submits_the_call_that_zeebe_keeps_when_the_job_comes_again() {
    let site = site("job-kill-before-post", &[], "").await;
    let mut bridge = site.bridge().await;
    let post = site.gateway.hold("/async-function/", Point::Request);
    let instance = site.instance("a");
    post.reached().await;
    assert_eq!(site.zeebe.seen("/SetVariables"), 1, "Zeebe knows the call before its request leaves");

    bridge.kill().await;
    post.discard();
    assert!(site.runs().is_empty(), "nothing was queued");
    bridge.restart(&site.callbacks).await;

    assert!(site.succeeded(instance).await);
    assert_eq!(statuses(&delivered(&bridge, 1).await), ["succeeded"]);
    assert_eq!(site.runs(), ["a"]);
}

#[tokio::test]
async fn killed_before_it_hears_that_the_call_is_queued_it_goes_on_with_that_call() {
    let site = site("job-kill-before-202", &[], "").await;
    let mut bridge = site.bridge().await;
    let instance = site.killed_before_202(&mut bridge).await;
    bridge.restart(&site.callbacks).await;
    bridge.calls(|calls| calls.iter().any(|call| call["state"] == "submitted")).await;
    site.release_functions();

    assert!(site.succeeded(instance).await);
    assert_eq!(statuses(&delivered(&bridge, 1).await), ["succeeded"]);
    assert_eq!(site.runs(), ["a"]);
}

#[tokio::test]
async fn killed_before_it_hears_that_zeebe_has_the_failure_it_tells_it_again_and_each_try_runs_once() {
    let site = site("job-kill-before-failed", &[], "").await;
    break_functions(&site);
    let mut bridge = site.bridge().await;
    let fail = site.zeebe.hold("/FailJob", Point::Answer);
    site.begin(site.variables("a")).await;
    fail.reached().await;

    bridge.kill().await;
    fail.discard();
    bridge.restart(&site.callbacks).await;

    let incident = site.records.incident(1).await;
    assert!(incident.message.contains("no such scene"), "{}", incident.message);
    assert_eq!(statuses(&delivered(&bridge, 2).await), ["failed", "failed"]);
    assert_eq!(site.runs().len(), 2);
}
