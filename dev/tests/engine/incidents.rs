use crate::world::{MESSAGE, World, none, process, receive, service, straight};
use serde_json::json;

#[test]
fn an_incident_goes_with_its_instance() {
    let mut world = World::with(&process(&straight(&receive("wait"), &["wait"]), MESSAGE));
    let instance = world.start(none());
    let incident = world.incident().0;
    world.cancel(instance).unwrap();
    assert!(world.is_resolved(incident));
    assert!(world.resolve(incident).is_err());
}

#[test]
fn a_jobs_incident_goes_with_its_instance() {
    let mut world = World::with(&process(&straight(&service("work", ""), &["work"]), ""));
    let instance = world.start(none());
    let job = world.job("work").key;
    world.fail(job, 0, 0).unwrap();
    let incident = world.incident().0;
    world.cancel(instance).unwrap();
    assert!(world.is_resolved(incident));
}

#[test]
fn an_incident_that_is_resolved_too_early_comes_again() {
    let mut world = World::with(&process(&straight(&receive("wait"), &["wait"]), MESSAGE));
    let instance = world.start(none());
    let first = world.incident().0;
    world.resolve(first).unwrap();
    let second = world.incident().0;
    assert_ne!(first, second);
    world.set_variables(instance, json!({"key": "k"}), false).unwrap();
    world.resolve(second).unwrap();
    world.publish("k", 0, "", none()).unwrap();
    assert!(world.result(instance).is_some());
}
