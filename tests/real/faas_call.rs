//! `faas-call` on a real broker, called from another process: tries, back-off, out of memory, the BPMN error.

use serde_json::{Value, json};
use zeebe2faas_tests::{
    crash::{Setup, Site, guarded, shipped, stack},
    soon,
};

/// `work FOLDER NAME FAILURES`: fails so many times before it succeeds.
const WORK: &str = r#"#!/bin/sh
echo "$2" >> "$1/runs"
echo "this is $2"
while [ -e "$1/hold" ]; do sleep 0.02; done
[ "$(grep -cx "$2" "$1/runs")" -gt "$3" ] || { echo "not yet, $2" >&2; exit 3; }
"#;
/// Is killed where there is little memory.
const EAT: &str = r#"#!/bin/sh
[ -n "$PLENTY" ] || kill -9 $$
"#;
/// Calls `faas-call` for each element of `calls`, and keeps what came of it.
const CALLER: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0"
    targetNamespace="http://zeebe2faas/tests">
  <process id="NAME" isExecutable="true">
    <startEvent id="start" />
    <sequenceFlow id="a" sourceRef="start" targetRef="each" />
    <subProcess id="each">
      <extensionElements>
        <zeebe:ioMapping>
          <zeebe:input source="=null" target="outcome" />
          <zeebe:input source="=null" target="failure" />
        </zeebe:ioMapping>
      </extensionElements>
      <multiInstanceLoopCharacteristics>
        <extensionElements>
          <zeebe:loopCharacteristics inputCollection="=calls" inputElement="wanted" outputCollection="results"
              outputElement="={outcome: outcome, failure: failure}" />
        </extensionElements>
      </multiInstanceLoopCharacteristics>
      <startEvent id="begin" />
      <sequenceFlow id="b" sourceRef="begin" targetRef="call" />
      <callActivity id="call">
        <extensionElements>
          <zeebe:calledElement processId="NAME-faas-call" propagateAllChildVariables="false"
              propagateAllParentVariables="false" />
          <zeebe:ioMapping>
            <zeebe:input source="=wanted.request" target="request" />
            <zeebe:input source="=wanted.tries" target="tries" />
            <zeebe:input source="=&#34;PT0.1S&#34;" target="backOff" />
            <zeebe:input source="=wanted.oomFunction" target="oomFunction" />
            <zeebe:output source="=outcome" target="outcome" />
          </zeebe:ioMapping>
        </extensionElements>
      </callActivity>
      <sequenceFlow id="c" sourceRef="call" targetRef="done" />
      <endEvent id="done" />
      <boundaryEvent id="failed" attachedToRef="call">
        <extensionElements>
          <zeebe:ioMapping><zeebe:output source="=outcome" target="failure" /></zeebe:ioMapping>
        </extensionElements>
        <outgoing>d</outgoing>
        <errorEventDefinition errorRef="spent" />
      </boundaryEvent>
      <sequenceFlow id="d" sourceRef="failed" targetRef="lost" />
      <endEvent id="lost" />
    </subProcess>
    <sequenceFlow id="e" sourceRef="each" targetRef="end" />
    <endEvent id="end" />
  </process>
  <error id="spent" errorCode="FAAS_FAILED" />
</definitions>
"#;

async fn site(name: &'static str, change: impl Fn(String) -> String) -> Site {
    let (file, text) = shipped("faas-call", name);
    let setup = Setup {
        stack: stack(&[guarded("small", "work,eat", &[]), guarded("big", "eat", &[("PLENTY", "of memory")])]),
        programs: &[("work", WORK), ("eat", EAT)],
        configuration: "functions.small.run_once = true\nfunctions.big.run_once = true",
        processes: vec![(file, change(text)), (format!("{name}.bpmn"), CALLER.replace("NAME", name))],
    };
    Site::with(name, setup).await
}

/// A call of `work` that fails so many times.
fn work(site: &Site, name: &str, failures: u32, tries: &Value) -> Value {
    let variables = json!({ "folder": site.folder(), "name": name, "failures": failures });
    let cmdline = "work {{ folder }} {{ name }} {{ failures }}";
    json!({ "request": { "function": "small", "cmdline": cmdline, "variables": variables }, "tries": tries })
}

/// What came of each call: the outcome, the failure.
async fn results(site: &Site, process: &str, calls: Value) -> Vec<(Value, Value)> {
    let variables = soon(site.start(process, json!({ "calls": calls }))).await.unwrap();
    let results = variables["results"].as_array().unwrap();
    results.iter().map(|result| (result["outcome"].clone(), result["failure"].clone())).collect()
}

#[tokio::test]
async fn a_function_that_fails_twice_is_called_three_times_and_its_outcome_is_the_last_ones() {
    let site = site("faas-third-try", |text| text).await;
    let bridge = site.bridge().await;
    let calls = json!([work(&site, "a", 2, &Value::Null)]);
    let (outcome, failure) = results(&site, "faas-third-try", calls).await.remove(0);
    assert_eq!((&outcome["status"], &outcome["tries"]), (&json!("succeeded"), &json!(3)), "{outcome:#}");
    assert_eq!(failure, Value::Null);
    assert_eq!(site.runs(), ["a", "a", "a"]);
    let calls = bridge.calls(|calls| calls.len() == 3).await;
    let last = calls.iter().find(|call| call["callId"] == outcome["callId"]).unwrap();
    assert!(calls.iter().all(|call| call["acceptedMs"].as_u64() <= last["acceptedMs"].as_u64()), "{calls:#?}");
}

#[tokio::test]
async fn when_all_tries_are_spent_the_callers_boundary_event_gets_the_error_with_the_last_trys_details() {
    let site = site("faas-spent", |text| text).await;
    let bridge = site.bridge().await;
    let calls = json!([work(&site, "a", 9, &json!(2))]);
    let (outcome, failure) = results(&site, "faas-spent", calls).await.remove(0);
    assert_eq!(outcome, Value::Null);
    let expected = json!({ "status": "failed", "function": "small", "exitCode": 3, "tries": 2 });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(failure[key], *value, "{failure:#}");
    }
    assert!(failure["message"].as_str().unwrap().contains("not yet, a"), "{failure:#}");
    let calls = bridge.calls(|calls| calls.len() == 2).await;
    assert!(calls.iter().any(|call| call["callId"] == failure["callId"]), "{calls:#?}");
    assert_eq!(site.runs(), ["a", "a"]);
}

#[tokio::test]
async fn after_running_out_of_memory_the_next_try_goes_to_the_function_for_that() {
    let site = site("faas-memory", |text| text).await;
    let bridge = site.bridge().await;
    let calls = json!([{ "request": { "function": "small", "cmdline": "eat" }, "oomFunction": "big" }]);
    let (outcome, failure) = results(&site, "faas-memory", calls).await.remove(0);
    assert_eq!((&outcome["status"], &outcome["tries"]), (&json!("succeeded"), &json!(2)), "{outcome:#} {failure:#}");
    assert_eq!(outcome["function"], "big");
    let calls = bridge.calls(|calls| calls.len() == 2).await;
    assert!(calls.iter().any(|call| call["function"] == "small"), "{calls:#?}");
}

#[tokio::test]
async fn what_would_fail_again_is_not_tried_again() {
    let site = site("faas-refused", |text| text).await;
    let bridge = site.bridge().await;
    let calls = json!([{ "request": { "function": "small", "cmdline": "forbidden" } }]);
    let (_, failure) = results(&site, "faas-refused", calls).await.remove(0);
    assert_eq!((&failure["status"], &failure["tries"]), (&json!("refused"), &json!(1)), "{failure:#}");
    assert_eq!(bridge.calls(|_| true).await.len(), 1);
}

#[tokio::test]
async fn calls_side_by_side_keep_their_outcomes_apart() {
    let site = site("faas-parallel", |text| text).await;
    let _bridge = site.bridge().await;
    let wanted = [("a", 0), ("b", 1), ("c", 9), ("d", 0), ("e", 9), ("f", 1)];
    let calls: Vec<Value> = wanted.iter().map(|(name, failures)| work(&site, name, *failures, &json!(2))).collect();
    let results = results(&site, "faas-parallel", json!(calls)).await;
    for ((name, failures), (outcome, failure)) in wanted.iter().zip(&results) {
        let (there, other) = if *failures < 2 { (outcome, failure) } else { (failure, outcome) };
        assert_eq!(*other, Value::Null, "{name}");
        assert_eq!(there["tries"], json!(2.min(failures + 1)), "{name}: {there:#}");
        assert!(there["logTail"].as_str().unwrap().contains(&format!("this is {name}")), "{name}: {there:#}");
    }
}

#[tokio::test]
async fn a_call_of_which_nothing_is_heard_past_its_deadline_has_timed_out() {
    // The timer is a day before the deadline instead of an hour after it.
    let early = |text: String| text.replace(r#"duration("PT1H")"#, r#"duration("-P1D")"#);
    let site = site("faas-unheard", early).await;
    site.hold_functions();
    let _bridge = site.bridge().await;
    let calls = json!([work(&site, "a", 0, &json!(1))]);
    let (_, failure) = results(&site, "faas-unheard", calls).await.remove(0);
    assert_eq!((&failure["status"], &failure["tries"]), (&json!("timedOut"), &json!(1)), "{failure:#}");
    site.release_functions();
}
