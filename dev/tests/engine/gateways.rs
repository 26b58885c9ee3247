use crate::world::{World, flow, none, path, process, service, straight};
use serde_json::json;

fn exclusive(default: &str) -> String {
    let elements = format!(
        r#"<startEvent id="start"/><exclusiveGateway id="choose" {default}/>{}{}{}<endEvent id="end"/>"#,
        service("a", ""),
        service("b", ""),
        path(&["start", "choose"])
    );
    let flows = [
        flow("to-a", "choose", "a", "=n = 1"),
        flow("to-b", "choose", "b", if default.is_empty() { "=n = 2" } else { "" }),
        path(&["a", "end"]),
        path(&["b", "end"]),
    ];
    process(&(elements + &flows.concat()), "")
}

#[test]
fn an_exclusive_gateway_takes_the_first_true_flow_or_the_default() {
    let mut world = World::with(&exclusive(r#"default="to-b""#));
    for (number, job) in [(1, "a"), (2, "b"), (3, "b")] {
        world.start(json!({"n": number}));
        world.work(job, none());
    }
}

#[test]
fn without_a_true_flow_there_is_an_incident() {
    let mut world = World::with(&exclusive(""));
    let instance = world.start(json!({"n": 3}));
    let (incident, error_type, element, message) = world.incident();
    assert_eq!((error_type, element.as_str()), ("CONDITION_ERROR", "choose"));
    assert_eq!(message, "Expected at least one condition to evaluate to true, or to have a default flow");
    world.set_variables(instance, json!({"n": 2}), false).unwrap();
    world.resolve(incident).unwrap();
    world.work("b", none());
    assert!(world.result(instance).is_some());
}

#[test]
fn a_condition_that_is_no_boolean_is_an_incident() {
    let condition = flow("to-a", "choose", "a", "=n");
    let elements = format!(
        r#"<startEvent id="start"/><exclusiveGateway id="choose"/>{}{}{condition}"#,
        service("a", ""),
        path(&["start", "choose"])
    );
    let mut world = World::with(&process(&elements, ""));
    world.start(json!({"n": 3}));
    let (_, error_type, _, message) = world.incident();
    assert_eq!(error_type, "EXTRACT_VALUE_ERROR");
    assert_eq!(message, "Expected result of the expression 'n' to be 'BOOLEAN', but was 'NUMBER'.");
}

fn parallel() -> String {
    let elements = format!(
        r#"<startEvent id="start"/><parallelGateway id="fork"/><parallelGateway id="join"/>{}{}<endEvent id="end"/>"#,
        service("a", ""),
        service("b", "")
    );
    let flows = [path(&["start", "fork", "a", "join", "end"]), path(&["fork", "b", "join"])];
    process(&(elements + &flows.concat()), "")
}

#[test]
fn parallel_flows_join_when_all_are_there() {
    let mut world = World::with(&parallel());
    let instance = world.start(none());
    world.work("b", json!({"b": 1}));
    assert_eq!(world.result(instance), None);
    world.work("a", json!({"a": 1}));
    assert_eq!(world.result(instance), Some(json!({"a": 1, "b": 1})));
    assert_eq!(world.entered(), ["start", "fork", "b", "a", "join", "end"], "the last flow first, as in Zeebe");
}

#[test]
fn a_join_that_misses_a_flow_keeps_its_instance_running() {
    let elements = format!(
        r#"<startEvent id="start"/><exclusiveGateway id="choose" default="to-b"/><parallelGateway id="join"/>{}{}<endEvent id="end"/>"#,
        service("a", ""),
        service("b", "")
    );
    let flows = [
        path(&["start", "choose"]),
        flow("to-a", "choose", "a", "=false"),
        flow("to-b", "choose", "b", ""),
        path(&["a", "join", "end"]),
        path(&["b", "join"]),
    ];
    let mut world = World::with(&process(&(elements + &flows.concat()), ""));
    let instance = world.start(none());
    world.work("b", none());
    assert_eq!(world.result(instance), None);
    world.cancel(instance).unwrap();
    assert!(world.was_cancelled(instance));
}

#[test]
fn a_loop_by_sequence_flow_goes_round() {
    let task = service("work", r#"<zeebe:ioMapping><zeebe:output source="=n + 1" target="n"/></zeebe:ioMapping>"#);
    let elements = format!(
        r#"<startEvent id="start"/><exclusiveGateway id="merge"/>{task}<exclusiveGateway id="again" default="done"/><endEvent id="end"/>{}{}{}"#,
        path(&["start", "merge", "work", "again"]),
        flow("back", "again", "merge", "=n &lt; 3"),
        flow("done", "again", "end", "")
    );
    let mut world = World::with(&process(&elements, ""));
    let instance = world.start(json!({"n": 0}));
    for _ in 0..3 {
        world.work("work", none());
    }
    assert_eq!(world.result(instance), Some(json!({"n": 3})));
}

#[test]
fn a_terminate_end_event_ends_all_in_its_scope() {
    let elements = format!(
        r#"<startEvent id="start"/><parallelGateway id="fork"/>{}{}<endEvent id="stop"><terminateEventDefinition/></endEvent><endEvent id="end"/>"#,
        service("a", ""),
        service("b", "")
    );
    let flows = [path(&["start", "fork", "a", "stop"]), path(&["fork", "b", "end"])];
    let mut world = World::with(&process(&(elements + &flows.concat()), ""));
    let instance = world.start(none());
    world.work("a", json!({"x": 1}));
    assert_eq!(world.result(instance), Some(json!({"x": 1})), "completed, not cancelled");
    assert!(world.jobs("b").is_empty());
}

#[test]
fn a_terminate_end_event_in_a_subprocess_ends_the_subprocess() {
    let inside = format!(
        r#"<startEvent id="begin"/><parallelGateway id="fork"/>{}{}<endEvent id="stop"><terminateEventDefinition/></endEvent>{}{}"#,
        service("a", ""),
        service("b", ""),
        path(&["begin", "fork", "a", "stop"]),
        path(&["fork", "b"])
    );
    let sub = format!(r#"<subProcess id="sub">{inside}</subProcess>{}"#, service("after", ""));
    let mut world = World::with(&process(&straight(&sub, &["sub", "after"]), ""));
    let instance = world.start(none());
    world.work("a", none());
    world.work("after", none());
    assert!(world.result(instance).is_some());
}
