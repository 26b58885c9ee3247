//! Killed between the job's activation and its completion.

use zeebe2faas_tests::crash::{Point, Site};

#[tokio::test]
async fn killed_before_the_request_has_left_it_submits_the_job_when_it_comes_again() {
    let site = Site::new("kill-before-post").await;
    let mut bridge = site.bridge().await;
    let post = site.gateway.hold("/async-function/", Point::Request);
    let instance = site.instance("a");
    post.reached().await;

    bridge.kill().await;
    post.discard();
    assert!(site.runs().is_empty(), "nothing was queued");
    bridge.restart(&site.callbacks).await;

    assert!(site.succeeded(instance).await);
    assert_eq!(site.runs(), ["a"]);
}

#[tokio::test]
async fn killed_before_it_hears_that_the_call_is_queued_it_learns_what_the_function_did_meanwhile() {
    let site = Site::new("kill-before-202").await;
    let mut bridge = site.bridge().await;
    let post = site.gateway.hold("/async-function/", Point::Answer);
    let callback = site.callbacks.hold("/callback/", Point::Answer);
    let instance = site.instance("a");
    post.reached().await;

    bridge.kill().await;
    post.discard();
    callback.reached().await;
    callback.discard();
    bridge.restart(&site.callbacks).await;

    assert!(site.succeeded(instance).await);
    assert_eq!(site.runs(), ["a"]);
}

#[tokio::test]
async fn killed_before_it_hears_that_the_call_is_queued_it_submits_again_beside_the_running_function() {
    let site = Site::new("kill-before-202-running").await;
    let mut bridge = site.bridge().await;
    let instance = site.killed_before_202(&mut bridge).await;
    bridge.restart(&site.callbacks).await;
    let calls = bridge.calls(|calls| calls.iter().any(|call| call["state"] == "submitted")).await;
    let id = calls[0]["callId"].as_str().unwrap();
    zeebe2faas_tests::soon(site.host.delivered(id, 2)).await;
    site.release_functions();

    assert!(site.succeeded(instance).await);
    assert_eq!(site.runs(), ["a"]);
}

#[tokio::test]
async fn killed_before_zeebe_has_the_completion_it_completes_the_job_when_it_comes_again() {
    let site = Site::new("kill-before-complete").await;
    let mut bridge = site.bridge().await;
    let complete = site.zeebe.hold("/CompleteJob", Point::Request);
    let instance = site.instance("a");
    complete.reached().await;
    bridge.calls(|calls| calls.iter().any(|call| call["state"] != "accepted")).await;

    bridge.kill().await;
    complete.discard();
    bridge.restart(&site.callbacks).await;

    assert!(site.succeeded(instance).await);
    assert_eq!(site.runs(), ["a"]);
}

#[tokio::test]
async fn killed_before_it_hears_of_the_completion_it_goes_on_without_the_job() {
    let site = Site::new("kill-before-completed").await;
    site.hold_functions();
    let mut bridge = site.bridge().await;
    let complete = site.zeebe.hold("/CompleteJob", Point::Answer);
    let callback = site.callbacks.hold("/callback/", Point::Answer);
    let instance = site.instance("a");
    complete.reached().await;

    bridge.kill().await;
    complete.discard();
    site.release_functions();
    callback.reached().await;
    callback.discard();
    bridge.restart(&site.callbacks).await;

    assert!(site.succeeded(instance).await);
    assert_eq!(site.runs(), ["a"]);
    assert_eq!(site.gateway.seen("/async-function/"), 1);
}
