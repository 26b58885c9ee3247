use crate::world::{World, named, none, path, process, service, straight, variables_of};
use serde_json::json;
use tonic::Code;

fn calling(attributes: &str, mapping: &str) -> World {
    let call = format!(
        r#"<callActivity id="call"><extensionElements><zeebe:calledElement {attributes}/>{mapping}</extensionElements></callActivity>"#
    );
    let mut world = World::with(&process(&straight(&call, &["call"]), ""));
    world.deploy_as("q.bpmn", &named("q", &straight(&service("work", ""), &["work"]), "")).unwrap();
    world
}

#[test]
fn a_called_process_has_all_variables_and_gives_all_back() {
    let mut world = calling(r#"processId="q""#, "");
    let instance = world.start(json!({"a": 1}));
    let job = world.job("work");
    assert_eq!((job.bpmn_process_id.as_str(), variables_of(&job)), ("q", json!({"a": 1})));
    assert_ne!(job.process_instance_key, instance);
    world.complete(job.key, json!({"b": 2})).unwrap();
    assert_eq!(world.result(instance), Some(json!({"a": 1, "b": 2})));
}

#[test]
fn what_goes_in_and_out_can_be_chosen() {
    let mapping = r#"<zeebe:ioMapping><zeebe:input source="=a + 1" target="x"/><zeebe:output source="=y" target="z"/></zeebe:ioMapping>"#;
    let mut world = calling(
        r#"processId="=target" propagateAllChildVariables="false" propagateAllParentVariables="false""#,
        mapping,
    );
    let instance = world.start(json!({"a": 1, "target": "q"}));
    let job = world.job("work");
    assert_eq!(variables_of(&job), json!({"x": 2}));
    world.complete(job.key, json!({"y": 3, "other": 4})).unwrap();
    assert_eq!(world.result(instance), Some(json!({"a": 1, "target": "q", "z": 3})));
}

#[test]
fn a_process_that_is_not_there_is_an_incident() {
    let mut world = calling(r#"processId="=target""#, "");
    let instance = world.start(json!({"target": "none"}));
    let (incident, error_type, element, message) = world.incident();
    assert_eq!((error_type, element.as_str()), ("CALLED_ELEMENT_ERROR", "call"));
    assert_eq!(message, "Expected process with BPMN process id 'none' to be deployed, but not found.");
    world.set_variables(instance, json!({"target": "q"}), false).unwrap();
    world.resolve(incident).unwrap();
    world.work("work", none());
    assert!(world.result(instance).is_some());
}

#[test]
fn a_called_instance_ends_with_its_caller_and_not_before() {
    let mut world = calling(r#"processId="q""#, "");
    let instance = world.start(none());
    let job = world.job("work");
    let rejection = world.cancel(job.process_instance_key).unwrap_err();
    assert_eq!(rejection.code, Code::FailedPrecondition);
    let text = format!("Cancel the root process instance '{instance}' instead.");
    assert!(rejection.message.ends_with(&text), "{rejection}");
    world.cancel(instance).unwrap();
    assert!(world.was_cancelled(job.process_instance_key) && world.was_cancelled(instance));
}

#[test]
fn the_latest_version_is_called() {
    let mut world = calling(r#"processId="q""#, "");
    world.deploy_as("q.bpmn", &named("q", &straight(&service("newer", ""), &["newer"]), "")).unwrap();
    world.start(none());
    assert_eq!(world.job("newer").process_definition_version, 2);
}

#[test]
fn an_instance_may_call_itself_where_it_waits() {
    let call = r#"<callActivity id="call"><extensionElements><zeebe:calledElement processId="p"/></extensionElements></callActivity>"#;
    let elements = format!(
        r#"<startEvent id="start"/>{}<exclusiveGateway id="more" default="no"/>{call}<endEvent id="end"/>{}{}{}{}"#,
        service("work", r#"<zeebe:ioMapping><zeebe:output source="=n + 1" target="n"/></zeebe:ioMapping>"#),
        path(&["start", "work", "more"]),
        crate::world::flow("yes", "more", "call", "=n &lt; 3"),
        crate::world::flow("no", "more", "end", ""),
        path(&["call", "end"])
    );
    let mut world = World::with(&process(&elements, ""));
    let instance = world.start(json!({"n": 0}));
    for _ in 0..3 {
        world.work("work", none());
    }
    assert_eq!(world.result(instance), Some(json!({"n": 3})));
}
