//! What only a person can mend stands in Zeebe as an incident; resolved, the function runs once.

use axum::http::StatusCode;
use serde_json::json;
use zeebe2faas::zeebe::Retry;
use zeebe2faas_dev::host::SubmissionFault;
use zeebe2faas_tests::crash::Site;

/// More than any number of tries.
const MANY: usize = 1_000;

async fn until_delivered_once(site: &Site, instance: i64) {
    assert_eq!(site.records.ended_instances(1).await, [instance].into());
    assert_eq!(site.runs(), ["a"]);
    assert_eq!(site.zeebe.seen("/PublishMessage"), 1);
}

#[tokio::test]
async fn refused_until_its_retries_are_spent_a_call_runs_once_when_an_operator_has_reset_them() {
    let site = Site::new("incident-429").await;
    let _bridge = site.bridge().await;
    let full = SubmissionFault::Answer { status: StatusCode::TOO_MANY_REQUESTS, queued: false };
    site.host.faults().next_submissions(MANY, full);
    let instance = site.begin(site.variables("a")).await;

    let incident = site.records.incident(1).await;
    assert!(incident.message.contains("count: "), "{}", incident.message);
    assert!(incident.message.contains("answered HTTP 429"), "{}", incident.message);
    assert!(site.runs().is_empty());
    site.host.faults().change(|faults| faults.submissions.clear());
    site.resolve(&incident).await;

    until_delivered_once(&site, instance).await;
}

#[tokio::test]
async fn an_incident_that_is_resolved_too_early_stands_again_and_the_function_still_runs_once() {
    let site = Site::new("incident-again").await;
    let _bridge = site.bridge().await;
    let full = SubmissionFault::Answer { status: StatusCode::TOO_MANY_REQUESTS, queued: false };
    site.host.faults().next_submissions(MANY, full);
    let instance = site.begin(site.variables("a")).await;

    let first = site.records.incident(1).await;
    site.resolve(&first).await;
    let second = site.records.incident(2).await;
    assert_eq!((second.job_key, second.key != first.key), (first.job_key, true));
    site.host.faults().change(|faults| faults.submissions.clear());
    site.resolve(&second).await;

    until_delivered_once(&site, instance).await;
}

#[tokio::test]
async fn with_no_gateway_there_the_incident_says_so_and_the_call_runs_once_when_the_setting_is_mended() {
    let site = Site::new("incident-no-gateway").await;
    // Nobody listens on port 1, and nobody but root could.
    let mut bridge = site.bridge_with(&[("ZEEBE2FAAS_OPENFAAS_GATEWAY", "http://127.0.0.1:1")]).await;
    let instance = site.begin(site.variables("a")).await;

    let incident = site.records.incident(1).await;
    let expected = "count: cannot reach http://127.0.0.1:1/async-function/count";
    assert!(incident.message.contains(expected), "{}", incident.message);
    bridge.kill().await;
    let _bridge = site.bridge().await;
    site.resolve(&incident).await;

    until_delivered_once(&site, instance).await;
}

#[tokio::test]
async fn a_request_that_can_never_be_taken_is_an_incident_at_once_and_a_new_call_when_it_is_resolved() {
    let site = Site::new("incident-413").await;
    let bridge = site.bridge().await;
    let too_large = SubmissionFault::Answer { status: StatusCode::PAYLOAD_TOO_LARGE, queued: false };
    site.host.faults().next_submissions(1, too_large);
    let instance = site.begin(site.variables("a")).await;

    let incident = site.records.incident(1).await;
    assert!(incident.message.contains("answered HTTP 413"), "{}", incident.message);
    assert_eq!(site.gateway.seen("/async-function/"), 1);
    site.resolve(&incident).await;

    until_delivered_once(&site, instance).await;
    let calls = bridge.calls(|calls| calls.len() == 2).await;
    assert_eq!(calls.iter().filter(|call| call["state"] == "ended").count(), 1, "{calls:#?}");
}

#[tokio::test]
async fn a_wrong_variable_is_named_with_its_place_and_mended_it_lets_the_function_run_once() {
    let site = Site::new("incident-variable").await;
    let _bridge = site.bridge().await;
    let mut variables = site.variables("a");
    let folder = variables["folder"].take();
    let instance = site.begin(variables).await;

    let incident = site.records.incident(1).await;
    for part in ["header cmdline of `call`", "folder"] {
        assert!(incident.message.contains(part), "{part}: {}", incident.message);
    }
    assert_eq!((incident.process_instance_key, site.gateway.seen("/async-function/")), (instance, 0));
    let mended = json!({ "folder": folder });
    site.client.set_variables(instance, &mended, false, Retry::Never).await.unwrap();
    site.resolve(&incident).await;

    until_delivered_once(&site, instance).await;
}
