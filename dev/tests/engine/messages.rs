use crate::world::{MESSAGE, World, none, process, receive, straight};
use serde_json::json;
use tonic::Code;
use zeebe2faas_dev::engine::machine::Event;

fn waiting() -> World {
    World::with(&process(&straight(&receive("wait"), &["wait"]), MESSAGE))
}

fn ended(world: &World) -> usize {
    world.events.iter().filter(|event| matches!(event, Event::InstanceEnded { completed: true, .. })).count()
}

#[test]
fn a_message_waits_for_its_receiver_until_its_time_to_live_is_over() {
    let mut world = waiting();
    world.publish("k", 10_000, "", json!({"a": 1})).unwrap();
    world.pass(9_999);
    let instance = world.start(json!({"key": "k"}));
    assert_eq!(world.result(instance), Some(json!({"key": "k", "a": 1})));
    world.publish("l", 10_000, "", none()).unwrap();
    assert_eq!(world.machine.next_due(), Some(world.now + 1));
    world.pass(10_000);
    let late = world.start(json!({"key": "l"}));
    assert_eq!(world.result(late), None);
    assert_eq!(world.machine.next_due(), None);
}

#[test]
fn a_message_without_time_to_live_is_for_who_waits_now() {
    let mut world = waiting();
    world.publish("k", 0, "id", none()).unwrap();
    let instance = world.start(json!({"key": "k"}));
    assert_eq!(world.result(instance), None);
    world.publish("other", 0, "id", none()).unwrap();
    assert_eq!(world.result(instance), None);
    world.publish("k", 0, "id", none()).unwrap();
    assert!(world.result(instance).is_some());
}

#[test]
fn an_id_is_taken_only_while_its_message_is_kept() {
    let mut world = waiting();
    world.publish("k", 10_000, "id", none()).unwrap();
    let rejection = world.publish("k", 10_000, "id", none()).unwrap_err();
    assert_eq!(rejection.code, Code::AlreadyExists);
    assert!(rejection.message.ends_with("with id 'id', but a message with that id was already published"));
    world.publish("other", 10_000, "id", none()).unwrap();
    world.start(json!({"key": "k"}));
    assert_eq!(world.publish("k", 1, "id", none()).unwrap_err().code, Code::AlreadyExists, "also when it was taken");
    world.pass(10_000);
    world.publish("k", 1, "id", none()).unwrap();
}

#[test]
fn a_message_goes_to_a_process_once() {
    let mut world = waiting();
    let first = world.start(json!({"key": "k"}));
    let second = world.start(json!({"key": "k"}));
    world.publish("k", 10_000, "", none()).unwrap();
    assert!(world.result(first).is_some());
    assert_eq!(world.result(second), None);
    world.publish("k", 10_000, "", none()).unwrap();
    assert!(world.result(second).is_some());
}

#[test]
fn a_message_goes_to_every_process_that_waits() {
    let mut world = waiting();
    let other = crate::world::named("q", &straight(&receive("wait"), &["wait"]), MESSAGE);
    world.deploy_as("q.bpmn", &other).unwrap();
    let first = world.start(json!({"key": "k"}));
    world.publish("k", 10_000, "", none()).unwrap();
    let second = world.start_of("q", json!({"key": "k"})).unwrap();
    assert!(world.result(first).is_some());
    assert!(world.result(second).is_some(), "kept for the other process");
}

#[test]
fn kept_messages_are_taken_in_the_order_in_which_they_came() {
    let mut world = waiting();
    for number in 1..=2 {
        world.publish("k", 10_000, "", json!({"number": number})).unwrap();
    }
    for number in 1..=2 {
        let instance = world.start(json!({"key": "k"}));
        assert_eq!(world.result(instance), Some(json!({"key": "k", "number": number})));
    }
}

#[test]
fn a_number_is_a_correlation_key_and_other_types_are_incidents() {
    let mut world = waiting();
    let instance = world.start(json!({"key": 7}));
    world.publish("7", 0, "", none()).unwrap();
    assert!(world.result(instance).is_some());
    let stuck = world.start(none());
    let (incident, error_type, element, message) = world.incident();
    assert_eq!((error_type, element.as_str()), ("EXTRACT_VALUE_ERROR", "wait"));
    assert!(
        message.starts_with(
            "Failed to extract the correlation key for 'key': The value must be either a string or a number, but was \
             'NULL'."
        ),
        "{message}"
    );
    world.set_variables(stuck, json!({"key": "k"}), false).unwrap();
    world.resolve(incident).unwrap();
    world.publish("k", 0, "", none()).unwrap();
    assert!(world.result(stuck).is_some());
}

#[test]
fn a_message_starts_one_instance_of_a_correlation_key_at_a_time() {
    let elements = format!(
        r#"<startEvent id="start"><messageEventDefinition messageRef="message"/></startEvent>{}<endEvent id="end"/>{}"#,
        crate::world::service("work", ""),
        crate::world::path(&["start", "work", "end"])
    );
    let mut world = World::with(&process(&elements, r#"<message id="message" name="m"/>"#));
    world.publish("k", 10_000, "", json!({"n": 1})).unwrap();
    world.publish("k", 10_000, "", json!({"n": 2})).unwrap();
    world.publish("", 0, "", json!({"n": 3})).unwrap();
    world.publish("", 0, "", json!({"n": 4})).unwrap();
    let jobs = world.jobs("work");
    let numbers: Vec<_> = jobs.iter().map(|job| crate::world::variables_of(job)["n"].clone()).collect();
    assert_eq!(numbers, [1, 3, 4], "the second waits; without a key all start");
    world.complete(jobs[0].key, none()).unwrap();
    assert_eq!(world.work("work", none()), json!({"n": 2}));
    assert_eq!(ended(&world), 2);
}

#[test]
fn only_the_latest_version_is_started_by_a_message() {
    let version = |job: &str| {
        let elements = format!(
            r#"<startEvent id="start"><messageEventDefinition messageRef="message"/></startEvent>{}<endEvent id="end"/>{}"#,
            crate::world::service(job, ""),
            crate::world::path(&["start", job, "end"])
        );
        process(&elements, r#"<message id="message" name="m"/>"#)
    };
    let mut world = World::with(&version("old"));
    world.deploy(&version("new")).unwrap();
    world.publish("", 0, "", none()).unwrap();
    assert_eq!((world.jobs("old").len(), world.jobs("new").len()), (0, 1));
    let rejection = world.start_of("p", none()).unwrap_err();
    assert_eq!(rejection.code, Code::FailedPrecondition);
    assert!(rejection.message.ends_with("with none start event, but there is no such event"), "{rejection}");
}

#[test]
fn an_intermediate_event_catches_a_message() {
    let event =
        r#"<intermediateCatchEvent id="wait"><messageEventDefinition messageRef="message"/></intermediateCatchEvent>"#;
    let mut world = World::with(&process(&straight(event, &["wait"]), MESSAGE));
    let instance = world.start(json!({"key": "k"}));
    world.publish("k", 0, "", json!({"a": 1})).unwrap();
    assert_eq!(world.result(instance), Some(json!({"key": "k", "a": 1})));
}
