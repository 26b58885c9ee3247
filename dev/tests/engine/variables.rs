use crate::world::{World, none, path, process, service, straight};
use serde_json::json;
use tonic::Code;

fn mapped(inputs: &[(&str, &str)], outputs: &[(&str, &str)]) -> World {
    let mapping = |name: &str, pairs: &[(&str, &str)]| -> String {
        pairs.iter().map(|(source, target)| format!(r#"<zeebe:{name} source="{source}" target="{target}"/>"#)).collect()
    };
    let more = format!("<zeebe:ioMapping>{}{}</zeebe:ioMapping>", mapping("input", inputs), mapping("output", outputs));
    World::with(&process(&straight(&service("work", &more), &["work"]), ""))
}

#[test]
fn inputs_are_the_tasks_own_and_see_each_other() {
    let mut world = mapped(&[("=a + 1", "b"), ("=b + 1", "c.d"), ("text", "t"), ("=null", "a")], &[]);
    let instance = world.start(json!({"a": 1}));
    assert_eq!(world.work("work", none()), json!({"a": null, "b": 2, "c": {"d": 3}, "t": "text"}));
    assert_eq!(world.result(instance), Some(json!({"a": 1})));
}

#[test]
fn outputs_replace_what_the_job_would_leave() {
    let mut world = mapped(&[], &[("=x.y", "z"), ("=1", "n.m")]);
    let instance = world.start(json!({"n": {"k": 0}}));
    world.work("work", json!({"x": {"y": 5}, "other": 6}));
    assert_eq!(world.result(instance), Some(json!({"n": {"k": 0, "m": 1}, "z": 5})));
}

#[test]
fn a_local_variable_keeps_a_result_to_the_task() {
    let mut world = mapped(&[("=null", "r")], &[]);
    let instance = world.start(none());
    world.work("work", json!({"r": 1, "s": 2}));
    assert_eq!(world.result(instance), Some(json!({"s": 2})));
}

#[test]
fn an_assertion_in_an_output_mapping_is_an_incident() {
    let mut world = mapped(&[], &[("=assert(x, x = 1, &quot;not one&quot;)", "y")]);
    let instance = world.start(none());
    world.work("work", json!({"x": 2}));
    let (incident, error_type, element, message) = world.incident();
    assert_eq!((error_type, element.as_str()), ("IO_MAPPING_ERROR", "work"));
    assert!(message.contains("not one"), "{message}");
    world.set_variables(instance, json!({"x": 1}), false).unwrap();
    world.resolve(incident).unwrap();
    assert_eq!(world.incident().1, "IO_MAPPING_ERROR", "the job's variables are the task's own by now");
    assert_eq!(world.result(instance), None);
}

fn with_subprocess() -> World {
    let sub_mapping = r#"<extensionElements><zeebe:ioMapping><zeebe:input source="=0" target="local"/></zeebe:ioMapping></extensionElements>"#;
    let inside = format!(
        r#"{sub_mapping}<startEvent id="begin"/>{}<endEvent id="finish"/>{}"#,
        service("inner", ""),
        path(&["begin", "inner", "finish"])
    );
    let sub = format!(r#"<subProcess id="sub">{inside}</subProcess>"#);
    World::with(&process(&straight(&sub, &["sub"]), ""))
}

#[test]
fn variables_are_set_where_they_are() {
    let mut world = with_subprocess();
    let instance = world.start(json!({"outer": 0}));
    let job = world.job("inner");
    world.set_variables(job.element_instance_key, json!({"outer": 1, "local": 1, "new": 1}), false).unwrap();
    world.set_variables(job.element_instance_key, json!({"own": 1}), true).unwrap();
    world.complete(job.key, none()).unwrap();
    assert_eq!(world.result(instance), Some(json!({"outer": 1, "new": 1})));
    let rejection = world.set_variables(instance, none(), false).unwrap_err();
    assert_eq!(rejection.code, Code::NotFound);
    assert!(rejection.message.ends_with(&format!("element with key '{instance}', but no such element was found")));
}

#[test]
fn a_subprocess_keeps_its_local_variables() {
    let mut world = with_subprocess();
    let instance = world.start(none());
    world.work("inner", json!({"local": 5, "other": 6}));
    assert_eq!(world.result(instance), Some(json!({"other": 6})));
}

#[test]
fn a_start_and_an_end_event_map_too() {
    let mapping = |source: &str, target: &str| {
        format!(
            r#"<extensionElements><zeebe:ioMapping><zeebe:output source="{source}" target="{target}"/></zeebe:ioMapping></extensionElements>"#
        )
    };
    let elements = format!(
        r#"<startEvent id="start">{}</startEvent><intermediateThrowEvent id="on">{}</intermediateThrowEvent><endEvent id="end">{}</endEvent>{}"#,
        mapping("=1", "a"),
        mapping("=a + 1", "b"),
        mapping("=b + 1", "c"),
        path(&["start", "on", "end"])
    );
    let mut world = World::with(&process(&elements, ""));
    let instance = world.start(none());
    assert_eq!(world.result(instance), Some(json!({"a": 1, "b": 2, "c": 3})));
}
