//! The task is left while its function runs: the program is ended, and the call with it.

use super::{delivered, site, statuses};
use std::{fs, path::PathBuf, time::Duration};
use zeebe2faas::zeebe::Retry;
use zeebe2faas_tests::{
    crash::{Bridge, Site},
    soon,
};

const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Long enough for the start of a function on a busy machine.
const LATE: &str = r#"
    <boundaryEvent id="late" attachedToRef="call" cancelActivity="true">
      <outgoing>c</outgoing>
      <timerEventDefinition><timeDuration>PT20S</timeDuration></timerEventDefinition>
    </boundaryEvent>
    <sequenceFlow id="c" sourceRef="late" targetRef="given-up" />
    <endEvent id="given-up" />
"#;
/// So that the bridge looks often whether the task is still there.
const SHORT_LOCK: [(&str, &str); 1] = [("ZEEBE2FAAS_CALLS_JOB_LOCK", "1s")];

/// The program of the last run, as the kernel knows it.
pub fn program(site: &Site) -> PathBuf {
    let pid = fs::read_to_string(site.folder().join("pid")).unwrap();
    PathBuf::from(format!("/proc/{}", pid.trim()))
}

async fn is_ended(site: &Site, bridge: &Bridge) {
    let program = program(site);
    assert_eq!(statuses(&delivered(bridge, 1).await), ["cancelled"]);
    soon(async {
        while program.exists() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    })
    .await;
    assert_eq!(site.runs(), ["a"]);
}

#[tokio::test]
async fn a_cancelled_process_ends_the_program_of_its_function() {
    let site = site("job-cancelled", &[], "").await;
    site.hold_functions();
    let bridge = site.bridge_with(&SHORT_LOCK).await;
    let instance = site.begin(site.variables("a")).await;
    site.ran(1).await;
    assert!(program(&site).exists());

    site.client.cancel_process_instance(instance, Retry::Never).await.unwrap();

    is_ended(&site, &bridge).await;
}

#[tokio::test]
async fn an_interrupting_timer_ends_the_program_of_its_function() {
    let site = site("job-timer", &[], LATE).await;
    site.hold_functions();
    let bridge = site.bridge_with(&SHORT_LOCK).await;
    let instance = site.begin(site.variables("a")).await;
    site.ran(1).await;

    assert_eq!(site.records.ended_instances(1).await, [instance].into());

    is_ended(&site, &bridge).await;
}

#[tokio::test]
async fn a_process_that_is_cancelled_while_the_bridge_is_away_is_noticed_at_its_start() {
    let site = site("job-cancelled-away", &[], "").await;
    site.hold_functions();
    let mut bridge = site.bridge_with(&SHORT_LOCK).await;
    let instance = site.begin(site.variables("a")).await;
    site.ran(1).await;
    bridge.calls(|calls| calls.iter().any(|call| call["state"] == "submitted")).await;

    bridge.kill().await;
    site.client.cancel_process_instance(instance, Retry::Never).await.unwrap();
    bridge.restart(&site.callbacks).await;

    is_ended(&site, &bridge).await;
}
