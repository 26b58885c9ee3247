//! Stopped as an operator or Kubernetes does it.

use zeebe2faas_tests::crash::{Point, Site};

#[tokio::test]
async fn told_to_stop_during_a_submission_it_finishes_that_and_nothing_is_lost() {
    let site = Site::new("stop").await;
    site.hold_functions();
    let mut bridge = site.bridge().await;
    let post = site.gateway.hold("/async-function/", Point::Request);
    let instance = site.instance("a");
    post.reached().await;

    bridge.terminate();
    bridge.is_stopping().await;
    post.release();
    assert_eq!(bridge.ended().await.code(), Some(0));
    assert_eq!(site.zeebe.seen("/CompleteJob"), 1, "the step under way was finished");
    bridge.restart(&site.callbacks).await;
    site.release_functions();

    assert!(site.succeeded(instance).await);
    assert_eq!(site.runs(), ["a"]);
    assert_eq!(site.gateway.seen("/async-function/"), 1);
}
