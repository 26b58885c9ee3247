//! What a person does with a call, on the real broker.

use super::{delivered, gone::program, site, statuses};
use std::fs;
use zeebe2faas_tests::{
    crash::{Bridge, Site},
    soon,
};

const TOKEN: &str = "a token of many bytes";

async fn bridge(site: &Site) -> Bridge {
    let file = site.folder().join("admin.token");
    fs::write(&file, TOKEN).unwrap();
    site.bridge_with(&[("ZEEBE2FAAS_ADMIN_TOKEN_FILE", file.to_str().unwrap())]).await
}

async fn running(site: &Site, bridge: &Bridge) -> String {
    site.ran(1).await;
    let calls = bridge.calls(|calls| calls.iter().any(|call| call["state"] == "submitted")).await;
    calls[0]["callId"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_call_that_an_operator_cancels_ends_its_program_and_the_receive_task_hears_of_it() {
    let site = Site::new("person-cancel").await;
    site.hold_functions();
    let bridge = bridge(&site).await;
    let instance = site.instance("a");
    let id = running(&site, &bridge).await;

    let (status, answer) = bridge.act(&id, "cancel", TOKEN).await;
    assert_eq!(status, 200, "{answer}");
    let variables = soon(instance).await.unwrap();
    assert_eq!(variables["call"]["status"], "cancelled");
    assert_eq!(variables["call"]["retryable"], false);
    assert_eq!(bridge.act(&id, "cancel", TOKEN).await.0, 409);
    assert_eq!(site.runs(), ["a"]);
}

#[tokio::test]
async fn a_task_that_an_operator_has_tried_again_ends_the_old_program_and_runs_under_a_new_id_at_no_cost_of_retries() {
    let site = site("person-retry", &[], "").await;
    site.hold_functions();
    let bridge = bridge(&site).await;
    let instance = site.instance("a");
    let id = running(&site, &bridge).await;
    let first = program(&site);

    let (status, answer) = bridge.act(&id, "retry", TOKEN).await;
    assert_eq!(status, 200, "{answer}");
    site.ran(2).await;
    assert!(!first.exists(), "the old program is gone before the new one runs");
    site.release_functions();

    assert!(site.succeeded(instance).await);
    assert_eq!(statuses(&delivered(&bridge, 2).await), ["cancelled", "succeeded"]);
    assert_eq!(site.runs().len(), 2);
}

#[tokio::test]
async fn a_cancelled_call_of_an_open_job_is_an_incident_although_retries_are_left() {
    let site = site("person-cancel-job", &[], "").await;
    site.hold_functions();
    let bridge = bridge(&site).await;
    site.begin(site.variables("a")).await;
    let id = running(&site, &bridge).await;

    assert_eq!(bridge.act(&id, "cancel", TOKEN).await.0, 200);
    let incident = site.records.incident(1).await;
    assert!(incident.message.contains("was cancelled") && incident.message.contains(&id), "{}", incident.message);
    assert_eq!(site.runs(), ["a"]);
}
