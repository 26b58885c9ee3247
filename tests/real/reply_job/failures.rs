//! What follows a failure: another try, an incident, a BPMN error, another function.

use super::{break_functions, delivered, mend_functions, site, statuses};
use std::{collections::BTreeSet, fs};
use zeebe2faas_tests::soon;

/// Its output mapping shows that the process went this way.
const CAUGHT: &str = r#"
    <boundaryEvent id="failed" attachedToRef="call">
      <extensionElements><zeebe:ioMapping><zeebe:output source="=call" target="caught" /></zeebe:ioMapping>
      </extensionElements>
      <outgoing>c</outgoing>
      <errorEventDefinition errorRef="no-ortho" />
    </boundaryEvent>
    <sequenceFlow id="c" sourceRef="failed" targetRef="repaired" />
    <endEvent id="repaired" />
"#;

#[tokio::test]
async fn a_failure_is_tried_again_until_an_incident_stands_and_resolved_with_retries_the_function_runs_under_a_new_id()
{
    let site = site("job-incident", &[], "").await;
    break_functions(&site);
    let bridge = site.bridge().await;
    let instance = site.begin(site.variables("a")).await;

    let incident = site.records.incident(1).await;
    assert_eq!(site.runs().len(), 2, "the task has two retries");
    let calls = delivered(&bridge, 2).await;
    for part in ["count: work", "exit code 3", "no such scene", calls[1]["callId"].as_str().unwrap()] {
        assert!(incident.message.contains(part), "{part}: {}", incident.message);
    }
    mend_functions(&site);
    site.resolve(&incident).await;

    assert_eq!(site.records.ended_instances(1).await, [instance].into());
    let calls = delivered(&bridge, 3).await;
    assert_eq!(statuses(&calls), ["failed", "failed", "succeeded"]);
    let ids: BTreeSet<&str> = calls.iter().map(|call| call["callId"].as_str().unwrap()).collect();
    assert_eq!((ids.len(), site.runs().len()), (3, 3));
}

#[tokio::test]
async fn a_bpmn_error_is_caught_by_the_boundary_event_with_the_outcome_once_no_try_is_left() {
    let site = site("job-caught", &[("onFailure", "error:NO_ORTHO")], CAUGHT).await;
    break_functions(&site);
    let bridge = site.bridge().await;
    let variables = soon(site.instance("a")).await.unwrap();

    let calls = delivered(&bridge, 2).await;
    assert_eq!(variables["caught"]["callId"], calls[1]["callId"]);
    assert_eq!(variables["caught"]["exitCode"], 3);
    assert_eq!(site.runs().len(), 2);
}

#[tokio::test]
async fn a_bpmn_error_that_nobody_catches_is_an_incident_and_resolved_the_function_runs_under_a_new_id() {
    let site = site("job-uncaught", &[("onFailure", "error:NO_ORTHO")], "").await;
    break_functions(&site);
    let bridge = site.bridge().await;
    let instance = site.begin(site.variables("a")).await;

    let incident = site.records.incident(1).await;
    assert!(incident.message.contains("NO_ORTHO"), "{}", incident.message);
    delivered(&bridge, 2).await;
    mend_functions(&site);
    site.resolve(&incident).await;

    assert_eq!(site.records.ended_instances(1).await, [instance].into());
    assert_eq!(statuses(&delivered(&bridge, 3).await), ["failed", "failed", "succeeded"]);
    assert_eq!(site.runs().len(), 3);
}

#[tokio::test]
async fn after_out_of_memory_the_next_try_is_that_of_the_function_which_the_task_names_for_it() {
    let site = site("job-oom", &[("onOom", "count-large")], "").await;
    fs::write(site.folder().join("oom"), "").unwrap();
    let bridge = site.bridge().await;
    let instance = site.instance("a");

    assert!(site.succeeded(instance).await);
    let calls = delivered(&bridge, 2).await;
    let functions: Vec<&str> = calls.iter().map(|call| call["function"].as_str().unwrap()).collect();
    assert_eq!(functions, ["count", "count-large"]);
    let first = bridge.call(calls[0]["callId"].as_str().unwrap()).await;
    assert_eq!(first["outcome"]["outOfMemory"], true);
}
