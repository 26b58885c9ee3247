//! The bridge goes and comes back, and Zeebe.

use crate::site::{Site, phase, until};
use serde_json::{Value, json};
use zeebe2faas_tests::fake_gateway::FakeGateway;

const NOTHING: Value = Value::Null;

#[tokio::test]
async fn a_bridge_that_was_killed_learns_of_what_ended_meanwhile() {
    let mut site = Site::start("").await;
    let id = site.begin(1, "hangs", NOTHING, NOTHING);
    site.until_submitted(1).await;
    site.until_runs(&id).await;
    site.bridge.kill().await;
    site.kubelet.make_room();
    until(async || site.pods_of(&id).await.iter().any(|pod| phase(pod) == Some("Succeeded"))).await;
    site.restart().await;
    assert_eq!(site.outcome(&id).await["status"], "succeeded");
    site.until_gone(&id).await;
    assert_eq!(site.outcomes().len(), 1);
}

#[tokio::test]
async fn without_its_ledger_the_bridge_finds_its_jobs_by_their_labels_and_whom_to_tell_in_their_secrets() {
    let mut site = Site::start("").await;
    let running = site.begin(1, "hangs", NOTHING, NOTHING);
    site.until_submitted(1).await;
    site.until_runs(&running).await;
    site.kill_with_ledger().await;
    site.restart().await;
    site.kubelet.make_room();
    assert_eq!(site.outcome(&running).await["status"], "succeeded");
    site.until_gone(&running).await;
    assert_eq!(site.outcomes().len(), 1);
}

#[tokio::test]
async fn a_job_that_is_there_already_is_not_made_twice_and_gets_its_secret() {
    let mut site = Site::start("").await;
    let id = site.begin(1, "hangs", NOTHING, NOTHING);
    site.until_submitted(1).await;
    site.until_runs(&id).await;
    let before = site.job(&id).await.and_then(|job| job.metadata.uid);
    site.kill_with_ledger().await;
    site.secrets().delete(id.as_str(), &Default::default()).await.expect("it was there");
    site.restart().await;
    // Zeebe has not heard of its completion, and hands it out again.
    site.begin(1, "hangs", NOTHING, NOTHING);
    until(async || site.secrets().get_opt(id.as_str()).await.expect("an answer").is_some()).await;
    assert_eq!(site.job(&id).await.and_then(|job| job.metadata.uid), before);
    assert_eq!(site.pods_of(&id).await.len(), 1);
    site.until_shown(&id, |call| call["state"] == "submitted").await;
    site.kubelet.make_room();
    assert_eq!(site.outcome(&id).await["status"], "succeeded");
    site.until_gone(&id).await;
    assert_eq!(site.outcomes().len(), 1);
}

#[tokio::test]
async fn a_jobs_time_to_live_is_set_only_once_zeebe_has_its_outcome() {
    let mut site = Site::start("").await;
    let id = site.begin(1, "hangs", NOTHING, NOTHING);
    site.until_submitted(1).await;
    site.zeebe.crash();
    site.kubelet.make_room();
    site.until_shown(&id, |call| call["state"] == "ended").await;
    let time_to_live = async || site.job(&id).await.and_then(|job| job.spec?.ttl_seconds_after_finished);
    assert_eq!(time_to_live().await, None);
    assert!(site.job(&id).await.is_some());
    // After a restart it is still to be delivered, and then to go.
    site.bridge.kill().await;
    site.restart().await;
    assert_eq!(site.bridge.call(id.as_str()).await["delivered"], json!(false));
    site.zeebe = std::mem::replace(&mut site.zeebe, FakeGateway::start()).restart();
    assert_eq!(site.outcome(&id).await["status"], "succeeded");
    site.until_gone(&id).await;
}
