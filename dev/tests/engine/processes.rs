use crate::world::{MESSAGE, World, named, none, process, receive, service, straight};
use serde_json::json;
use tonic::Code;
use zeebe2faas::zeebe::proto;
use zeebe2faas_dev::engine::machine::{Command, Event};

#[test]
fn a_straight_process_goes_through_a_job_and_a_message() {
    let elements = straight(&(service("work", "") + &receive("wait")), &["work", "wait"]);
    let mut world = World::with(&process(&elements, MESSAGE));
    let instance = world.start(json!({"key": "k", "a": 1}));
    let job = world.job("work");
    assert_eq!((job.element_id.as_str(), job.process_instance_key, job.retries), ("work", instance, 3));
    assert_eq!(job.variables, r#"{"a":1,"key":"k"}"#);
    world.complete(job.key, json!({"b": [1.5]})).unwrap();
    world.publish("k", 0, "", json!({"c": {"d": null}})).unwrap();
    assert_eq!(world.result(instance), Some(json!({"key": "k", "a": 1, "b": [1.5], "c": {"d": null}})));
    assert_eq!(world.entered(), ["start", "work", "wait", "end"]);
    assert_eq!(world.machine.next_due(), None, "nothing is left behind");
}

#[test]
fn keys_are_counted_from_the_partition() {
    let mut world = World::with(&process(&straight("", &[]), ""));
    let instance = world.start(none());
    assert_eq!(instance >> 51, 1);
    assert!(instance & 0xffff < 10);
}

#[test]
fn the_same_document_keeps_its_version_and_another_one_is_the_next() {
    let mut world = World::new();
    let first = process(&straight("", &[]), "");
    let second = process(&straight(&service("work", ""), &["work"]), "");
    let versions: Vec<_> = [&first, &first, &second, &first]
        .map(|bpmn| world.deploy(bpmn).unwrap()[0].clone())
        .iter()
        .map(|process| (process.version, process.process_definition_key))
        .collect();
    assert_eq!(versions.iter().map(|version| version.0).collect::<Vec<_>>(), [1, 1, 2, 3]);
    assert_eq!(versions[0].1, versions[1].1);
    let renamed = world.deploy_as("other.bpmn", &first).unwrap();
    assert_eq!(renamed[0].version, 4, "the name of the resource counts");
    let request = proto::CreateProcessInstanceRequest { process_definition_key: versions[2].1, ..Default::default() };
    world.apply(Command::CreateInstance(request)).unwrap();
    assert_eq!(world.jobs("work").len(), 1, "by key");
}

#[test]
fn a_process_that_is_not_there_is_not_found() {
    let mut world = World::with(&process(&straight("", &[]), ""));
    let rejection = world.start_of("q", none()).unwrap_err();
    assert_eq!(rejection.code, Code::NotFound);
    assert_eq!(
        rejection.message,
        "Command 'CREATE' rejected with code 'NOT_FOUND': Expected to find process definition with process ID 'q', but \
         none found"
    );
    let version =
        proto::CreateProcessInstanceRequest { bpmn_process_id: "p".to_owned(), version: 7, ..Default::default() };
    let rejection = world.apply(Command::CreateInstance(version)).unwrap_err();
    assert!(rejection.message.ends_with("process ID 'p' and version '7', but none found"), "{rejection}");
}

#[test]
fn variables_must_be_a_json_object() {
    let mut world = World::with(&process(&straight("", &[]), ""));
    for variables in ["[1]", "{", "1"] {
        let request = proto::CreateProcessInstanceRequest {
            bpmn_process_id: "p".to_owned(),
            version: -1,
            variables: variables.to_owned(),
            ..Default::default()
        };
        assert_eq!(world.apply(Command::CreateInstance(request)).unwrap_err().code, Code::InvalidArgument);
    }
}

#[test]
fn only_the_default_tenant_is_there() {
    let mut world = World::with(&process(&straight("", &[]), ""));
    let request = proto::CreateProcessInstanceRequest {
        bpmn_process_id: "p".to_owned(),
        version: -1,
        tenant_id: "other".to_owned(),
        ..Default::default()
    };
    let rejection = world.apply(Command::CreateInstance(request)).unwrap_err();
    assert_eq!(rejection.code, Code::InvalidArgument);
    assert!(rejection.message.contains("multi-tenancy is disabled"), "{rejection}");
}

#[test]
fn cancelling_takes_back_all_that_runs() {
    let sub = format!(r#"<subProcess id="sub">{}</subProcess>"#, named_parts());
    let mut world = World::with(&process(&straight(&sub, &["sub"]), MESSAGE));
    let instance = world.start(json!({"key": "k"}));
    let job = world.job("inner");
    world.cancel(instance).unwrap();
    assert!(world.was_cancelled(instance));
    assert_eq!(world.complete(job.key, none()).unwrap_err().code, Code::NotFound);
    assert_eq!(world.cancel(instance).unwrap_err().code, Code::NotFound);
    assert_eq!(world.machine.next_due(), None);
    let left = world.events.iter().filter(|event| matches!(event, Event::ElementLeft { completed: false, .. })).count();
    assert_eq!(left, 3, "the task, the subprocess and the process");
}

fn named_parts() -> String {
    let flows = crate::world::path(&["begin", "inner", "finish"]);
    format!(r#"<startEvent id="begin"/>{}<endEvent id="finish"/>{flows}"#, service("inner", ""))
}

#[test]
fn a_process_that_loops_without_waiting_does_not_hold_up_the_others() {
    let elements = format!(
        r#"<startEvent id="start"/><exclusiveGateway id="a"/><exclusiveGateway id="b"/>{}"#,
        crate::world::path(&["start", "a", "b", "a"])
    );
    let mut world = World::with(&process(&elements, ""));
    world.deploy_as("q.bpmn", &named("q", &straight(&service("work", ""), &["work"]), "")).unwrap();
    let looping = world.start(none());
    assert_eq!(world.machine.next_due(), Some(world.now), "it goes on at once");
    world.start_of("q", none()).unwrap();
    assert_eq!(world.jobs("work").len(), 1);
    world.cancel(looping).unwrap();
    assert!(world.was_cancelled(looping));
}
