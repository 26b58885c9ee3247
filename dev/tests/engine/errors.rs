use crate::world::{World, named, none, path, process, service, straight};
use serde_json::json;
use tonic::Code;

const ERRORS: &str =
    r#"<error id="e1" errorCode="E1"/><error id="e2" errorCode="E2"/><error id="dynamic" errorCode="=code"/>"#;

fn catching(attached: &str, id: &str, error: &str, mapping: &str) -> String {
    format!(
        r#"<boundaryEvent id="{id}" attachedToRef="{attached}"><extensionElements>{mapping}</extensionElements><errorEventDefinition {error}/></boundaryEvent>"#
    )
}

fn task_with_two_catchers() -> String {
    let elements = [
        straight(&service("work", ""), &["work"]),
        catching("work", "one", r#"errorRef="e1""#, ""),
        catching("work", "all", "", ""),
        service("h1", ""),
        service("h2", ""),
        path(&["one", "h1"]),
        path(&["all", "h2"]),
    ];
    process(&elements.concat(), ERRORS)
}

#[test]
fn an_error_of_a_job_goes_to_its_code_or_to_the_catcher_of_all() {
    for (code, handler) in [("E1", "h1"), ("E2", "h2")] {
        let mut world = World::with(&task_with_two_catchers());
        world.start(none());
        let job = world.job("work");
        world.throw(job.key, code, none()).unwrap();
        world.work(handler, none());
        assert_eq!(world.complete(job.key, none()).unwrap_err().code, Code::NotFound);
    }
}

#[test]
fn an_error_that_nobody_catches_is_an_incident_of_its_job() {
    let elements = [
        straight(&service("work", ""), &["work"]),
        catching("work", "one", r#"errorRef="e1""#, ""),
        service("h1", ""),
        path(&["one", "h1"]),
    ];
    let mut world = World::with(&process(&elements.concat(), ERRORS));
    world.start(none());
    let job = world.job("work");
    world.throw(job.key, "E9", none()).unwrap();
    let (incident, error_type, _, message) = world.incident();
    assert_eq!(error_type, "UNHANDLED_ERROR_EVENT");
    assert_eq!(
        message,
        "Expected to throw an error event with the code 'E9' with message 'why', but it was not caught. Available error \
         events are [E1]"
    );
    assert_eq!(world.complete(job.key, none()).unwrap_err().code, Code::FailedPrecondition);
    world.resolve(incident).unwrap();
    assert_eq!(world.job("work").key, job.key);
}

#[test]
fn variables_of_an_error_are_for_the_events_output_mapping() {
    let mapping = r#"<zeebe:ioMapping><zeebe:output source="=why" target="cause"/></zeebe:ioMapping>"#;
    for (mapping, expected) in [(mapping, json!({"cause": 7})), ("", json!({}))] {
        let elements = [
            straight(&service("work", ""), &["work"]),
            catching("work", "one", r#"errorRef="e1""#, mapping),
            r#"<endEvent id="caught"/>"#.to_owned(),
            path(&["one", "caught"]),
        ];
        let mut world = World::with(&process(&elements.concat(), ERRORS));
        let instance = world.start(none());
        let job = world.job("work");
        world.throw(job.key, "E1", json!({"why": 7})).unwrap();
        assert_eq!(world.result(instance), Some(expected));
    }
}

fn failing_subprocess(error: &str) -> String {
    let inside = format!(
        r#"<startEvent id="begin"/>{}<endEvent id="wrong"><errorEventDefinition errorRef="{error}"/></endEvent>{}"#,
        service("inner", ""),
        path(&["begin", "inner", "wrong"])
    );
    format!(r#"<subProcess id="sub">{inside}</subProcess>"#)
}

#[test]
fn an_error_end_event_ends_the_subprocess_that_catches_it() {
    for error in ["e1", "dynamic"] {
        let elements = [
            straight(&failing_subprocess(error), &["sub"]),
            catching("sub", "one", r#"errorRef="e1""#, ""),
            r#"<endEvent id="caught"/>"#.to_owned(),
            path(&["one", "caught"]),
        ];
        let mut world = World::with(&process(&elements.concat(), ERRORS));
        let instance = world.start(json!({"code": "E1"}));
        world.work("inner", none());
        assert!(world.result(instance).is_some());
        assert!(world.entered().contains(&"caught") && !world.entered().contains(&"end"));
    }
}

#[test]
fn an_error_end_event_that_nobody_catches_is_an_incident() {
    let mut world = World::with(&process(&straight(&failing_subprocess("e1"), &["sub"]), ERRORS));
    let instance = world.start(none());
    world.work("inner", none());
    let (_, error_type, element, message) = world.incident();
    assert_eq!((error_type, element.as_str()), ("UNHANDLED_ERROR_EVENT", "wrong"));
    assert_eq!(
        message,
        "Expected to throw an error event with the code 'E1', but it was not caught. No error events are available in \
         the scope."
    );
    world.cancel(instance).unwrap();
    assert!(world.is_resolved(world.incident().0), "with its element");
}

#[test]
fn an_error_passes_a_call_activity() {
    let called = named("q", &straight(&service("work", ""), &["work"]), "");
    let call = r#"<callActivity id="call"><extensionElements><zeebe:calledElement processId="q"/></extensionElements></callActivity>"#;
    let elements = [
        straight(call, &["call"]),
        catching("call", "one", r#"errorRef="e1""#, ""),
        service("handle", ""),
        path(&["one", "handle"]),
    ];
    let mut world = World::with(&process(&elements.concat(), ERRORS));
    world.deploy_as("q.bpmn", &called).unwrap();
    let instance = world.start(none());
    let job = world.job("work");
    world.throw(job.key, "E1", none()).unwrap();
    assert!(world.was_cancelled(job.process_instance_key));
    world.work("handle", none());
    assert!(world.result(instance).is_some());
}
