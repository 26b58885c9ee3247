use crate::world::{World, none, path, process, service, straight, variables_of};
use serde_json::{Value, json};

const COLLECTIONS: &str =
    r#"inputCollection="=items" inputElement="item" outputCollection="results" outputElement="=result""#;

fn repeated(sequential: bool, collections: &str, condition: &str) -> String {
    format!(
        r#"<multiInstanceLoopCharacteristics isSequential="{sequential}"><extensionElements><zeebe:loopCharacteristics {collections}/></extensionElements>{condition}</multiInstanceLoopCharacteristics>"#
    )
}

fn task(sequential: bool, collections: &str, condition: &str) -> World {
    let task = service("work", "")
        .replace("</serviceTask>", &(repeated(sequential, collections, condition) + "</serviceTask>"));
    World::with(&process(&straight(&task, &["work"]), ""))
}

fn items(jobs: &[zeebe2faas::zeebe::proto::ActivatedJob]) -> Vec<(Value, Value)> {
    let variables = jobs.iter().map(variables_of);
    variables.map(|variables| (variables["item"].clone(), variables["loopCounter"].clone())).collect()
}

#[test]
fn in_parallel_all_items_run_at_once_and_results_keep_their_places() {
    let mut world = task(false, COLLECTIONS, "");
    let instance = world.start(json!({"items": ["a", "b", "c"]}));
    let jobs = world.jobs("work");
    assert_eq!(items(&jobs), [(json!("a"), json!(1)), (json!("b"), json!(2)), (json!("c"), json!(3))]);
    for (index, job) in jobs.iter().enumerate().rev() {
        world.complete(job.key, json!({"result": index})).unwrap();
    }
    assert_eq!(world.result(instance), Some(json!({"items": ["a", "b", "c"], "results": [0, 1, 2]})));
}

#[test]
fn in_sequence_an_item_waits_for_the_one_before() {
    let mut world = task(true, COLLECTIONS, "");
    let instance = world.start(json!({"items": [1, 2]}));
    for number in [1, 2] {
        let job = world.job("work");
        assert_eq!(variables_of(&job)["item"], number);
        world.complete(job.key, json!({"result": number * 10})).unwrap();
    }
    assert_eq!(world.result(instance).unwrap()["results"], json!([10, 20]));
}

#[test]
fn an_empty_list_is_passed() {
    for sequential in [false, true] {
        let mut world = task(sequential, COLLECTIONS, "");
        let instance = world.start(json!({"items": []}));
        assert_eq!(world.result(instance), Some(json!({"items": [], "results": []})));
    }
}

#[test]
fn a_condition_ends_it_early() {
    let condition = "<completionCondition>=numberOfCompletedInstances = 2</completionCondition>";
    for sequential in [false, true] {
        let mut world = task(sequential, COLLECTIONS, condition);
        let instance = world.start(json!({"items": [1, 2, 3, 4]}));
        while world.result(instance).is_none() {
            let jobs = world.jobs("work");
            world.complete(jobs[0].key, json!({"result": 0})).unwrap();
            for job in &jobs[1..] {
                let _ = world.fail(job.key, 3, 0);
            }
        }
        assert_eq!(world.result(instance).unwrap()["results"], json!([0, 0, null, null]), "sequential: {sequential}");
        assert!(world.jobs("work").is_empty());
    }
}

#[test]
fn a_list_that_is_none_is_an_incident() {
    let mut world = task(false, COLLECTIONS, "");
    let instance = world.start(none());
    let (incident, error_type, element, message) = world.incident();
    assert_eq!((error_type, element.as_str()), ("EXTRACT_VALUE_ERROR", "work"));
    assert!(
        message.starts_with("Expected result of the expression 'items' to be 'ARRAY', but was 'NULL'."),
        "{message}"
    );
    world.set_variables(instance, json!({"items": [1]}), false).unwrap();
    world.resolve(incident).unwrap();
    world.work("work", json!({"result": 5}));
    assert_eq!(world.result(instance).unwrap()["results"], json!([5]));
}

#[test]
fn without_a_result_variable_of_their_own_variables_go_outwards() {
    let mut world = task(false, r#"inputCollection="=items""#, "");
    let instance = world.start(json!({"items": [1, 2]}));
    for (job, number) in world.jobs("work").iter().zip([7, 8]) {
        world.complete(job.key, json!({"last": number})).unwrap();
    }
    assert_eq!(world.result(instance), Some(json!({"items": [1, 2], "last": 8})));
}

#[test]
fn a_subprocess_is_repeated_with_variables_of_its_own() {
    let inside = format!(
        r#"<startEvent id="begin"/>{}<endEvent id="finish"/>{}"#,
        service("inner", ""),
        path(&["begin", "inner", "finish"])
    );
    let sub = format!(r#"<subProcess id="sub">{}{inside}</subProcess>"#, repeated(false, COLLECTIONS, ""));
    let mut world = World::with(&process(&straight(&sub, &["sub"]), ""));
    let instance = world.start(json!({"items": [1, 2]}));
    for job in world.jobs("inner") {
        let item = variables_of(&job)["item"].as_i64().unwrap();
        world.complete(job.key, json!({"result": item * 2})).unwrap();
    }
    assert_eq!(world.result(instance), Some(json!({"items": [1, 2], "results": [2, 4]})));
}

#[test]
fn a_boundary_event_ends_all_instances() {
    let task = service("work", "").replace("</serviceTask>", &(repeated(false, COLLECTIONS, "") + "</serviceTask>"));
    let elements = format!(
        r#"{}<boundaryEvent id="late" attachedToRef="work"><timerEventDefinition><timeDuration>PT1S</timeDuration></timerEventDefinition></boundaryEvent>{}{}"#,
        straight(&task, &["work"]),
        service("handle", ""),
        path(&["late", "handle"])
    );
    let mut world = World::with(&process(&elements, ""));
    let instance = world.start(json!({"items": [1, 2, 3]}));
    world.pass(1000);
    assert!(world.jobs("work").is_empty());
    world.work("handle", none());
    assert!(world.result(instance).is_some());
}

#[test]
fn an_output_mapping_stays_in_its_instance() {
    let mapping = r#"<zeebe:ioMapping><zeebe:output source="=answer + 1" target="result"/></zeebe:ioMapping>"#;
    let task =
        service("work", mapping).replace("</serviceTask>", &(repeated(false, COLLECTIONS, "") + "</serviceTask>"));
    let mut world = World::with(&process(&straight(&task, &["work"]), ""));
    let instance = world.start(json!({"items": [1]}));
    world.work("work", json!({"answer": 41}));
    assert_eq!(world.result(instance), Some(json!({"items": [1], "results": [42]})));
}

#[test]
fn a_thousand_items_are_no_effort() {
    let mut world = task(false, COLLECTIONS, "");
    let numbers: Vec<_> = (0..1000).collect();
    let instance = world.start(json!({"items": numbers}));
    let jobs = world.jobs("work");
    assert_eq!(jobs.len(), 1000);
    for job in jobs {
        world.complete(job.key, json!({"result": 1})).unwrap();
    }
    assert_eq!(world.result(instance).unwrap()["results"].as_array().unwrap().len(), 1000);
}
