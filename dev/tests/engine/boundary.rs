use crate::world::{MESSAGE, World, none, path, process, receive, service, straight};
use serde_json::json;
use tonic::Code;

/// An activity with a boundary event, the event's way to a service task `handle`.
fn with_event(activity: &str, id: &str, attributes: &str, definition: &str, mapping: &str) -> String {
    let event = format!(
        r#"<boundaryEvent id="event" attachedToRef="{id}" {attributes}><extensionElements>{mapping}</extensionElements>{definition}</boundaryEvent>"#
    );
    let elements = format!(
        "{}{event}{}<endEvent id=\"handled\"/>{}",
        straight(activity, &[id]),
        service("handle", ""),
        path(&["event", "handle", "handled"])
    );
    process(&elements, MESSAGE)
}

const TIMER: &str = "<timerEventDefinition><timeDuration>PT10S</timeDuration></timerEventDefinition>";
const MESSAGE_EVENT: &str = r#"<messageEventDefinition messageRef="message"/>"#;

#[test]
fn an_interrupting_timer_ends_the_task_and_goes_on_beside_it() {
    let mut world = World::with(&with_event(&service("work", ""), "work", "", TIMER, ""));
    let instance = world.start(none());
    let job = world.job("work");
    world.pass(10_000);
    assert_eq!(world.complete(job.key, none()).unwrap_err().code, Code::NotFound);
    world.work("handle", none());
    assert!(world.result(instance).is_some());
}

#[test]
fn a_task_that_ends_takes_its_timer_with_it() {
    let mut world = World::with(&with_event(&service("work", ""), "work", "", TIMER, ""));
    let instance = world.start(none());
    world.work("work", none());
    assert!(world.result(instance).is_some());
    assert_eq!(world.machine.next_due(), None);
}

#[test]
fn an_event_that_does_not_interrupt_goes_on_beside_the_task() {
    let mut world =
        World::with(&with_event(&service("work", ""), "work", r#"cancelActivity="false""#, MESSAGE_EVENT, ""));
    let instance = world.start(json!({"key": "k"}));
    world.publish("k", 0, "", json!({"n": 1})).unwrap();
    world.publish("k", 0, "", json!({"n": 2})).unwrap();
    assert_eq!(world.jobs("handle").len(), 2, "as often as it happens");
    world.work("work", none());
    assert_eq!(world.result(instance), None, "its handlers still run");
}

#[test]
fn a_cycle_fires_until_the_task_ends() {
    let cycle = "<timerEventDefinition><timeCycle>R2/PT10S</timeCycle></timerEventDefinition>";
    let mut world = World::with(&with_event(&service("work", ""), "work", r#"cancelActivity="false""#, cycle, ""));
    world.start(none());
    world.pass(10_000);
    world.pass(10_000);
    world.pass(10_000);
    assert_eq!(world.jobs("handle").len(), 2);
}

#[test]
fn what_came_with_the_event_is_in_the_scope_around() {
    let mut world = World::with(&with_event(&service("work", ""), "work", "", MESSAGE_EVENT, ""));
    let instance = world.start(json!({"key": "k"}));
    world.publish("k", 0, "", json!({"n": 1})).unwrap();
    world.work("handle", none());
    assert_eq!(world.result(instance), Some(json!({"key": "k", "n": 1})));
}

#[test]
fn an_output_mapping_of_the_event_chooses_what_stays() {
    let mapping = r#"<zeebe:ioMapping><zeebe:output source="=n + 1" target="m"/></zeebe:ioMapping>"#;
    let mut world = World::with(&with_event(&service("work", ""), "work", "", MESSAGE_EVENT, mapping));
    let instance = world.start(json!({"key": "k"}));
    world.publish("k", 0, "", json!({"n": 1})).unwrap();
    world.work("handle", none());
    assert_eq!(world.result(instance), Some(json!({"key": "k", "m": 2})));
}

#[test]
fn a_timer_ends_a_receive_task_and_a_late_message_finds_nobody() {
    let mut world = World::with(&with_event(&receive("wait"), "wait", "", TIMER, ""));
    let instance = world.start(json!({"key": "k"}));
    world.pass(10_000);
    world.publish("k", 0, "", json!({"n": 1})).unwrap();
    world.work("handle", none());
    assert_eq!(world.result(instance), Some(json!({"key": "k"})));
}

fn subprocess() -> String {
    let inside = format!(
        r#"<startEvent id="begin"/>{}<endEvent id="finish"/>{}"#,
        service("inner", ""),
        path(&["begin", "inner", "finish"])
    );
    format!(r#"<subProcess id="sub">{inside}</subProcess>"#)
}

#[test]
fn an_interrupted_subprocess_ends_with_all_that_is_in_it() {
    let mut world = World::with(&with_event(&subprocess(), "sub", "", MESSAGE_EVENT, ""));
    let instance = world.start(json!({"key": "k"}));
    let job = world.job("inner");
    world.publish("k", 0, "", none()).unwrap();
    assert_eq!(world.complete(job.key, none()).unwrap_err().code, Code::NotFound);
    world.work("handle", none());
    assert!(world.result(instance).is_some());
}

#[test]
fn a_timer_beside_a_subprocess_leaves_it_running() {
    let mut world = World::with(&with_event(&subprocess(), "sub", r#"cancelActivity="false""#, TIMER, ""));
    let instance = world.start(none());
    world.pass(10_000);
    world.work("inner", none());
    assert_eq!(world.result(instance), None);
    world.work("handle", none());
    assert!(world.result(instance).is_some());
}

#[test]
fn a_key_that_is_missing_at_a_boundary_event_is_an_incident_of_the_task() {
    let mut world = World::with(&with_event(&service("work", ""), "work", "", MESSAGE_EVENT, ""));
    let instance = world.start(none());
    let (incident, error_type, element, _) = world.incident();
    assert_eq!((error_type, element.as_str()), ("EXTRACT_VALUE_ERROR", "work"));
    assert!(world.jobs("work").is_empty());
    world.set_variables(instance, json!({"key": "k"}), false).unwrap();
    world.resolve(incident).unwrap();
    world.work("work", none());
    assert!(world.result(instance).is_some());
}
