//! Killed between the job's completion and the end of the process.

use axum::http::StatusCode;
use zeebe2faas_tests::crash::{Bridge, Point, Site};

/// gRPC's ALREADY_EXISTS.
const ALREADY_EXISTS: &str = "6";

async fn running(site: &Site) {
    let complete = site.zeebe.hold("/CompleteJob", Point::Answer);
    complete.reached().await;
    complete.release();
    site.ran(1).await;
}

async fn until_delivered(bridge: &Bridge, calls: usize) {
    bridge.calls(|all| all.len() == calls && all.iter().all(|call| call["delivered"] == true)).await;
}

#[tokio::test]
async fn killed_while_the_function_runs_it_asks_for_the_result_whose_callback_nobody_heard() {
    let site = Site::new("kill-running").await;
    site.hold_functions();
    let mut bridge = site.bridge().await;
    let callback = site.callbacks.hold("/callback/", Point::Answer);
    let instance = site.instance("a");
    running(&site).await;

    bridge.kill().await;
    site.release_functions();
    assert_eq!(callback.reached().await.status, Some(StatusCode::BAD_GATEWAY), "nobody hears the callback");
    callback.release();
    bridge.restart(&site.callbacks).await;

    assert!(site.succeeded(instance).await);
    assert_eq!(site.runs(), ["a"]);
    assert_eq!(site.callbacks.seen("/callback/"), 1);
}

#[tokio::test]
async fn started_again_before_the_gateway_answers_it_asks_until_it_does() {
    let site = Site::new("kill-no-gateway").await;
    let mut bridge = site.bridge().await;
    let callback = site.callbacks.hold("/callback/", Point::Request);
    let instance = site.instance("a");
    callback.reached().await;
    bridge.calls(|calls| calls.iter().any(|call| call["state"] == "submitted")).await;

    bridge.kill().await;
    callback.discard();
    let question = site.gateway.hold("/function/", Point::Request);
    bridge.restart(&site.callbacks).await;
    question.reached().await;
    question.discard();

    assert!(site.succeeded(instance).await);
    assert_eq!(site.runs(), ["a"]);
    assert_eq!(site.callbacks.seen("/callback/"), 1);
}

#[tokio::test]
async fn killed_while_the_function_runs_it_hears_the_callback_that_comes_after_its_restart() {
    let site = Site::new("kill-running-on").await;
    site.hold_functions();
    let mut bridge = site.bridge().await;
    let instance = site.instance("a");
    running(&site).await;

    bridge.kill().await;
    bridge.restart(&site.callbacks).await;
    site.release_functions();

    assert!(site.succeeded(instance).await);
    assert_eq!(site.runs(), ["a"]);
}

#[tokio::test]
async fn killed_before_the_callback_has_reached_it_it_asks_for_the_result() {
    let site = Site::new("kill-before-callback").await;
    let mut bridge = site.bridge().await;
    let callback = site.callbacks.hold("/callback/", Point::Request);
    let instance = site.instance("a");
    callback.reached().await;
    bridge.calls(|calls| calls.iter().any(|call| call["state"] == "submitted")).await;

    bridge.kill().await;
    callback.discard();
    bridge.restart(&site.callbacks).await;

    assert!(site.succeeded(instance).await);
    assert_eq!(site.runs(), ["a"]);
    assert_eq!(site.callbacks.seen("/callback/"), 1);
}

#[tokio::test]
async fn killed_between_its_answer_to_the_callback_and_the_message_it_publishes_from_the_ledger() {
    let site = Site::new("kill-before-publish").await;
    let mut bridge = site.bridge().await;
    let publish = site.zeebe.hold("/PublishMessage", Point::Request);
    let callback = site.callbacks.hold("/callback/", Point::Answer);
    let instance = site.instance("a");
    assert_eq!(callback.reached().await.status, Some(StatusCode::OK));
    publish.reached().await;

    bridge.kill().await;
    publish.discard();
    callback.release();
    assert!(!instance.is_finished(), "Zeebe has no outcome");
    bridge.restart(&site.callbacks).await;

    assert!(site.succeeded(instance).await);
    assert_eq!(site.runs(), ["a"]);
    assert_eq!(site.callbacks.seen("/callback/"), 1);
}

#[tokio::test]
async fn killed_before_it_hears_that_zeebe_has_the_message_it_publishes_again_to_no_effect() {
    let site = Site::new("kill-before-published").await;
    let mut bridge = site.bridge().await;
    let publish = site.zeebe.hold("/PublishMessage", Point::Answer);
    let instance = site.instance("a");
    publish.reached().await;
    assert!(site.succeeded(instance).await);

    bridge.kill().await;
    publish.discard();
    let again = site.zeebe.hold("/PublishMessage", Point::Answer);
    bridge.restart(&site.callbacks).await;

    let answer = again.reached().await;
    assert_eq!(answer.headers["grpc-status"], ALREADY_EXISTS);
    again.release();
    until_delivered(&bridge, 1).await;
    assert_eq!(site.runs(), ["a"]);
}

#[tokio::test]
async fn killed_at_rest_it_repeats_nothing() {
    let site = Site::new("kill-at-rest").await;
    let mut bridge = site.bridge().await;
    let first = site.instance("a");
    assert!(site.succeeded(first).await);
    until_delivered(&bridge, 1).await;

    bridge.kill().await;
    bridge.restart(&site.callbacks).await;
    let second = site.instance("b");

    assert!(site.succeeded(second).await);
    until_delivered(&bridge, 2).await;
    assert_eq!(site.runs(), ["a", "b"]);
    for (proxy, path) in [
        (&site.gateway, "/async-function/"),
        (&site.zeebe, "/CompleteJob"),
        (&site.zeebe, "/PublishMessage"),
        (&site.callbacks, "/callback/"),
    ] {
        assert_eq!(proxy.seen(path), 2, "{path}");
    }
}
