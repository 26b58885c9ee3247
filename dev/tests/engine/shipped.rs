//! The project's own processes, along all their paths.

use crate::world::{World, variables_of};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, path::Path};
use zeebe2faas_dev::engine::machine::Event;

pub const HOUR: i64 = 3_600_000;

fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bpmn").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn world(names: &[&str]) -> World {
    let mut world = World::new();
    for name in names {
        world.deploy_as(name, &shipped(name)).unwrap();
    }
    world
}

/// Submits the only open call, as the bridge does; its call id.
fn submit(world: &mut World, result: &str) -> String {
    let job = world.job("openfaas");
    let id = format!("call-{}", job.key);
    let deadline = "2026-01-01T04:00:00Z";
    world.complete(job.key, json!({result: {"callId": id, "status": "submitted", "deadline": deadline}})).unwrap();
    id
}

pub fn report(world: &mut World, id: &str, result: &str, outcome: &Value) {
    let request = zeebe2faas::zeebe::proto::PublishMessageRequest {
        name: "faas-done".to_owned(),
        correlation_key: id.to_owned(),
        time_to_live: 7 * 24 * HOUR,
        message_id: id.to_owned(),
        variables: json!({result: outcome}).to_string(),
        tenant_id: String::new(),
    };
    world.apply(zeebe2faas_dev::engine::machine::Command::PublishMessage(request)).unwrap();
}

pub fn outcome(id: &str, status: &str) -> Value {
    json!({"callId": id, "status": status, "message": format!("{status}."), "retryable": status == "failed",
           "outOfMemory": false, "outputs": ["a.tif"]})
}

/// What a step comes to: a status, or nothing until its timer.
fn step(world: &mut World, result: &str, status: Option<&str>, timer: i64) {
    let id = submit(world, result);
    match status {
        Some(status) => report(world, &id, result, &outcome(&id, status)),
        None => world.pass(timer),
    }
}

pub fn entered(worlds: &[World]) -> BTreeSet<String> {
    let events = worlds.iter().flat_map(|world| &world.events);
    let ids = events.filter_map(|event| match event {
        Event::ElementEntered { element, .. } => Some(element.clone()),
        _ => None,
    });
    ids.collect()
}

pub fn taken(worlds: &[World]) -> BTreeSet<String> {
    let events = worlds.iter().flat_map(|world| &world.events);
    let ids = events.filter_map(|event| match event {
        Event::FlowTaken { flow, .. } => Some(flow.clone()),
        _ => None,
    });
    ids.collect()
}

/// Ids of all sequence flows.
pub fn flows(name: &str) -> BTreeSet<String> {
    let text = shipped(name);
    let parts = text.split("<bpmn:sequenceFlow id=\"").skip(1);
    parts.filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
}

/// Ids of all that can be entered.
pub fn flow_nodes(name: &str) -> BTreeSet<String> {
    let kinds = ["Event id=", "Task id=", "Gateway id=", "callActivity id=", "subProcess id=", "process id="];
    let text = shipped(name);
    let lines = text.lines().filter(|line| kinds.iter().any(|kind| line.contains(kind)));
    let id = |line: &str| line.split(" id=\"").nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned);
    lines.filter_map(id).collect()
}

#[test]
fn a_couple_goes_through_its_three_steps_or_says_which_one_ended_it() {
    let steps = ["bundle", "ortho", "normalized"];
    let mut worlds = Vec::new();
    let mut walk = |ends: &[Option<&str>]| {
        let mut world = world(&["phr-pair.bpmn"]);
        let instance = world.start_of("phr-pair", json!({"P_": "p", "MS_": "m", "S3PATH": "s"})).unwrap();
        for (result, end) in steps.iter().zip(ends) {
            step(&mut world, result, *end, 5 * HOUR);
        }
        let outcome =
            world.result(instance).unwrap_or_else(|| panic!("{ends:?} {:#?}", world.events))["outcome"].clone();
        assert_eq!(
            world.machine.next_due().is_some(),
            ends.contains(&Some("succeeded")) || ends.contains(&Some("failed")),
            "only messages are left"
        );
        worlds.push(world);
        (outcome["status"].clone(), outcome["step"].clone())
    };
    let (good, bad) = (Some("succeeded"), Some("failed"));
    assert_eq!(walk(&[good, good, good]), (json!("succeeded"), json!("normalized")));
    assert_eq!(walk(&[bad]), (json!("failed"), json!("bundle")));
    assert_eq!(walk(&[good, bad]), (json!("failed"), json!("ortho")));
    assert_eq!(walk(&[good, good, bad]), (json!("failed"), json!("normalized")));
    assert_eq!(walk(&[None]), (json!("timedOut"), json!("bundle")));
    assert_eq!(walk(&[good, None]), (json!("timedOut"), json!("ortho")));
    assert_eq!(walk(&[good, good, None]), (json!("timedOut"), json!("normalized")));
    assert_eq!(entered(&worlds), flow_nodes("phr-pair.bpmn"), "every element was entered");
    assert_eq!(taken(&worlds), flows("phr-pair.bpmn"), "every flow was taken");
}

fn call(request: Value) -> (World, i64) {
    let mut world = world(&["faas-call.bpmn"]);
    let instance = world.start_of("faas-call", request).unwrap();
    (world, instance)
}

#[test]
fn a_call_is_tried_until_it_succeeds_or_its_tries_are_spent() {
    let request = json!({"function": "f", "cmdline": "c"});
    let (mut first, instance) = call(json!({"request": request}));
    step(&mut first, "call", Some("succeeded"), 0);
    assert_eq!(first.result(instance).unwrap()["outcome"]["tries"], 1);

    let (mut second, instance) = call(json!({"request": request, "tries": 2, "backOff": "PT10S"}));
    step(&mut second, "call", Some("failed"), 0);
    assert!(second.jobs("openfaas").is_empty(), "it waits");
    second.pass(10_000);
    step(&mut second, "call", Some("succeeded"), 0);
    assert_eq!(second.result(instance).unwrap()["outcome"]["tries"], 2);

    let (mut late, _) = call(json!({"request": request, "tries": 1}));
    step(&mut late, "call", None, 5 * HOUR);
    let give_up = late.job("openfaas");
    assert_eq!(variables_of(&give_up)["failure"]["status"], "timedOut");
    late.throw(give_up.key, "FAAS_FAILED", variables_of(&give_up)["failure"].clone()).unwrap();
    assert_eq!(late.incident().1, "UNHANDLED_ERROR_EVENT", "nobody called it");
    let worlds = [first, second, late];
    assert_eq!(entered(&worlds), flow_nodes("faas-call.bpmn"), "every element was entered");
    assert_eq!(taken(&worlds), flows("faas-call.bpmn"), "every flow was taken");
}

#[test]
fn a_call_that_ran_out_of_memory_is_tried_with_the_larger_function() {
    let (mut world, _) = call(json!({"request": {"function": "f"}, "oomFunction": "large"}));
    let id = submit(&mut world, "call");
    let mut failed = outcome(&id, "failed");
    failed["outOfMemory"] = true.into();
    report(&mut world, &id, "call", &failed);
    world.pass(30_000);
    assert_eq!(variables_of(&world.job("openfaas"))["request"], json!({"function": "large"}));
}

#[test]
fn wrong_settings_of_a_call_are_incidents() {
    for (variables, text) in [
        (json!({"request": {}, "tries": 0}), "`tries` is not a number from 1"),
        (json!({"request": {}, "backOff": "soon"}), "`backOff` is not an ISO 8601 duration"),
    ] {
        let (world, _) = call(variables);
        let (_, error_type, element, message) = world.incident();
        assert_eq!((error_type, element.as_str()), ("IO_MAPPING_ERROR", "asked"));
        assert!(message.contains(text), "{message}");
    }
}

fn couple(name: &str) -> Value {
    json!({"P_": format!("{name}-p"), "MS_": format!("{name}-ms"), "S3PATH": name})
}

#[test]
fn products_run_side_by_side_and_results_are_in_their_order() {
    let mut world = world(&["phr-pair.bpmn", "phr-products.bpmn"]);
    let products =
        json!([{"name": "mono", "couples": [couple("a")]}, {"name": "stereo", "couples": [couple("b"), couple("c")]}]);
    let instance = world.start_of("phr-products", json!({"products": products})).unwrap();
    for (index, result) in ["bundle", "ortho", "normalized"].into_iter().enumerate() {
        let jobs = world.jobs("openfaas");
        assert_eq!(jobs.len(), if index == 0 { 3 } else { 2 }, "all couples that go on");
        for job in jobs.iter().rev() {
            let id = format!("call-{}", job.key);
            world.complete(job.key, json!({result: {"callId": id}})).unwrap();
            let failed = index == 0 && variables_of(job)["S3PATH"] == "b";
            report(&mut world, &id, result, &outcome(&id, if failed { "failed" } else { "succeeded" }));
        }
    }
    let results = world.result(instance).unwrap_or_else(|| panic!("{:#?}", world.events))["results"].clone();
    let short =
        |result: &Value| (result["S3PATH"].clone(), result["status"].clone(), result["steps"].as_array().map(Vec::len));
    assert_eq!(results[0]["name"], "mono");
    assert_eq!(short(&results[0]["couples"][0]), (json!("a"), json!("succeeded"), Some(3)));
    assert_eq!(short(&results[1]["couples"][0]), (json!("b"), json!("failed"), Some(1)));
    assert_eq!(short(&results[1]["couples"][1]), (json!("c"), json!("succeeded"), Some(3)));
    let worlds = [world];
    let missing: Vec<_> = flow_nodes("phr-products.bpmn").difference(&entered(&worlds)).cloned().collect();
    assert!(missing.is_empty(), "{missing:?}");
    let missing: Vec<_> = flows("phr-products.bpmn").difference(&taken(&worlds)).cloned().collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_wrong_list_of_products_is_an_incident_before_anything_is_called() {
    let same = json!([{"name": "n", "couples": [couple("a"), couple("a")]}]);
    for (products, text) in [
        (json!(1), "`products` is not a list"),
        (json!([{"name": "n"}]), "`couples` is not a list"),
        (json!([{"couples": [{"P_": "p"}]}]), "a couple has no P_, MS_ or S3PATH"),
        (same, "two couples have the same S3PATH"),
    ] {
        let mut world = world(&["phr-pair.bpmn", "phr-products.bpmn"]);
        world.start_of("phr-products", json!({"products": products})).unwrap();
        let (_, error_type, _, message) = world.incident();
        assert_eq!(error_type, "IO_MAPPING_ERROR");
        assert!(message.contains(text), "{message}");
    }
}

#[test]
fn the_process_of_the_bench_goes_through() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bench/bench.bpmn");
    let mut world = World::with(&fs::read_to_string(path).unwrap());
    let instance = world.start_of("bench", json!({"jobType": "openfaas"})).unwrap();
    step(&mut world, "call", Some("succeeded"), 0);
    assert!(world.result(instance).is_some());
}
