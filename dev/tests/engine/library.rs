//! The library's processes, along all their paths.

use crate::{
    shipped::{HOUR, entered, flow_nodes, flows, outcome, report, taken, world},
    world::{World, variables_of},
};
use serde_json::{Value, json};
use zeebe2faas::zeebe::proto;
use zeebe2faas_dev::engine::machine::Command;

/// Plays the bridge until it has nothing to do: `end` says to what status a call comes, by its request; without one its
/// function runs on.
fn play(world: &mut World, end: impl Fn(&Value) -> Option<&'static str>) {
    play_with(world, |request, id| end(request).map(|status| outcome(id, status)));
}

/// The same, where `end` says the whole outcome.
fn play_with(world: &mut World, mut end: impl FnMut(&Value, &str) -> Option<Value>) {
    loop {
        let jobs = world.jobs("openfaas");
        if jobs.is_empty() {
            return;
        }
        for job in jobs {
            let headers: Value = serde_json::from_str(&job.custom_headers).unwrap();
            let (variables, id) = (variables_of(&job), format!("call-{}", job.key));
            let (from, result) = (&variables[headers["from"].as_str().unwrap()], headers["result"].as_str().unwrap());
            if let Some(code) = headers["throw"].as_str() {
                world.throw(job.key, code, json!({result: from})).unwrap();
                continue;
            }
            let ended = end(from, &id);
            match (headers["reply"] == "job", ended) {
                (true, Some(ended)) if ended["status"] == "succeeded" => {
                    world.complete(job.key, json!({result: ended})).unwrap();
                }
                (true, Some(ended)) => {
                    let code = headers["onFailure"].as_str().unwrap().strip_prefix("error:").unwrap();
                    world.throw(job.key, code, json!({result: ended})).unwrap();
                }
                (true, None) => {}
                (false, ended) => {
                    let submitted = json!({"callId": id, "status": "submitted", "deadline": "2026-01-01T04:00:00Z"});
                    world.complete(job.key, json!({result: submitted})).unwrap();
                    if let Some(ended) = ended {
                        report(world, &id, result, &ended);
                    }
                }
            }
        }
    }
}

/// The outcome of an instance that has ended.
fn ended(world: &World, instance: i64) -> Value {
    let variables = world.result(instance).unwrap_or_else(|| panic!("it has not ended: {:#?}", world.events));
    variables["outcome"].clone()
}

/// Every element of this process was entered in one of the worlds, and every flow taken.
fn were_walked(file: &str, worlds: &[World]) {
    let missing: Vec<_> = flow_nodes(file).difference(&entered(worlds)).cloned().collect();
    assert!(missing.is_empty(), "{file}: not entered: {missing:?}");
    let missing: Vec<_> = flows(file).difference(&taken(worlds)).cloned().collect();
    assert!(missing.is_empty(), "{file}: not taken: {missing:?}");
}

/// The starts of `process` with these variables are incidents that say this.
fn are_refused(file: &str, process: &str, mistakes: &[(Value, &str)]) {
    for (variables, text) in mistakes {
        let mut world = world(&["faas-call.bpmn", file]);
        world.start_of(process, variables.clone()).unwrap();
        let (_, error_type, _, message) = world.incident();
        assert_eq!(error_type, "IO_MAPPING_ERROR");
        assert!(message.contains(text), "{text}: {message}");
    }
}

fn image() -> Value {
    json!({"image": "a.tif", "folder": "out", "width": 250, "height": 100, "tileSize": 100, "tries": 1})
}

/// Starts `map-reduce`, whose calls with this template, or one of it for this tile, fail.
fn in_tiles(template: &str, tile: &str) -> (World, Value) {
    let mut world = world(&["faas-call.bpmn", "map-reduce.bpmn"]);
    let instance = world.start_of("map-reduce", image()).unwrap();
    play(&mut world, |request| {
        let name = request["variables"]["tile"]["name"].as_str().unwrap_or_default();
        let fails = request["template"] == template && (tile.is_empty() || tile == name);
        Some(if fails { "failed" } else { "succeeded" })
    });
    let variables = world.result(instance).unwrap_or_else(|| panic!("{:#?}", world.events));
    (world, Value::Object(variables.as_object().unwrap().clone()))
}

#[test]
fn tiles_cover_the_image_run_side_by_side_and_are_joined_when_all_are_made() {
    let mut first = world(&["faas-call.bpmn", "map-reduce.bpmn"]);
    first.start_of("map-reduce", image()).unwrap();
    let jobs = first.jobs("openfaas");
    let tiles: Vec<_> = jobs.iter().map(|job| variables_of(job)["request"]["variables"]["tile"].clone()).collect();
    let tile = |name: &str, x: u32, width: u32| json!({"name": name, "x": x, "y": 0, "width": width, "height": 100});
    assert_eq!(tiles, [tile("tile-1-1", 0, 100), tile("tile-1-2", 100, 100), tile("tile-1-3", 200, 50)]);

    let (good, variables) = in_tiles("none", "");
    let expected = json!({"status": "succeeded", "step": "mosaic", "message": "succeeded.", "file": "a.tif"});
    assert_eq!(variables["outcome"], expected);
    assert_eq!(variables["results"].as_array().map(Vec::len), Some(3));

    let (uncut, variables) = in_tiles("tile-cut", "tile-1-2");
    let expected = json!({"status": "failed", "step": "tiles", "message": "1 of 3 tiles failed; the first: failed.", "file": null});
    assert_eq!(variables["outcome"], expected);
    let statuses: Vec<_> = (0..3).map(|tile| variables["results"][tile]["status"].clone()).collect();
    assert_eq!(statuses, ["succeeded", "failed", "succeeded"], "the others are made all the same");

    let (unmade, variables) = in_tiles("tile-vegetation", "");
    assert_eq!(variables["outcome"]["message"], "3 of 3 tiles failed; the first: failed.");
    let (apart, variables) = in_tiles("tile-mosaic", "");
    assert_eq!((&variables["outcome"]["status"], &variables["outcome"]["step"]), (&json!("failed"), &json!("mosaic")));
    were_walked("map-reduce.bpmn", &[good, uncut, unmade, apart]);
}

#[test]
fn an_image_that_cannot_be_split_is_an_incident() {
    let with = |key: &str, value: Value| {
        let mut variables = image();
        variables[key] = value;
        variables
    };
    let mistakes = [
        (with("folder", Value::Null), "`image` and `folder` must be there"),
        (with("width", json!("250")), "must be numbers"),
        (with("height", json!(0)), "are pixels, 1 or more"),
        (with("tileSize", json!(1)), "more than 1000 tiles"),
    ];
    are_refused("map-reduce.bpmn", "map-reduce", &mistakes);
}

/// Starts `time-box` with one hour, where these functions, of the request and its fallback, come to this, and lets two
/// hours pass.
fn in_an_hour(request: Option<&'static str>, fallback: Option<&'static str>) -> (World, Value) {
    let mut world = world(&["time-box.bpmn"]);
    let mut variables = json!({"request": {"function": "full"}, "within": "PT1H"});
    if fallback.is_some() {
        variables["fallback"] = json!({"function": "quick"});
    }
    let instance = world.start_of("time-box", variables).unwrap();
    let ends = |called: &Value| if called["function"] == "full" { request } else { fallback };
    play(&mut world, ends);
    if request.is_none() {
        world.pass(HOUR);
        play(&mut world, ends);
    }
    let outcome = ended(&world, instance);
    assert_eq!(world.machine.next_due(), None, "nothing is left to wait for");
    (world, outcome)
}

#[test]
fn a_run_in_a_time_box_is_done_in_time_or_its_fallback_counts() {
    let (good, bad) = (Some("succeeded"), Some("failed"));
    let mut worlds = Vec::new();
    for (request, fallback, expected) in [
        (good, None, ("succeeded", "request")),
        (None, good, ("succeeded", "fallback")),
        (bad, good, ("succeeded", "fallback")),
        (None, bad, ("failed", "nothing")),
        (bad, None, ("failed", "nothing")),
        (None, None, ("timedOut", "nothing")),
    ] {
        let (world, outcome) = in_an_hour(request, fallback);
        let came = (outcome["status"].as_str().unwrap(), outcome["by"].as_str().unwrap());
        assert_eq!(came, expected, "{request:?} {fallback:?}: {outcome:#}");
        worlds.push(world);
    }
    were_walked("time-box.bpmn", &worlds);
}

#[test]
fn a_time_box_without_a_time_is_an_incident() {
    let mistakes = [json!({}), json!({"within": "an hour"})].map(|wrong| (wrong, "is not an ISO 8601 duration"));
    are_refused("time-box.bpmn", "time-box", &mistakes);
}

#[test]
fn a_function_gets_the_larger_one_for_its_tries_without_memory_and_a_failure_says_whether_that_was_it() {
    let mut worlds = Vec::new();
    let mut run = |status: &'static str, out_of_memory: bool| {
        let mut world = world(&["more-memory.bpmn"]);
        let variables = json!({"request": {"function": "small"}, "largerFunction": "large"});
        let instance = world.start_of("more-memory", variables).unwrap();
        play_with(&mut world, |request, id| {
            assert_eq!(*request, json!({"function": "small", "onOom": "large"}));
            let mut ended = outcome(id, status);
            ended["outOfMemory"] = out_of_memory.into();
            Some(ended)
        });
        let outcome = ended(&world, instance);
        let last = world.entered().last().map(|&element| element.to_owned()).unwrap();
        worlds.push(world);
        (outcome["status"].as_str().unwrap().to_owned(), last)
    };
    assert_eq!(run("succeeded", false), ("succeeded".to_owned(), "done".to_owned()));
    assert_eq!(run("failed", true), ("failed".to_owned(), "too-little".to_owned()));
    assert_eq!(run("failed", false), ("failed".to_owned(), "failed".to_owned()));
    were_walked("more-memory.bpmn", &worlds);
    are_refused("more-memory.bpmn", "more-memory", &[(json!({"request": {}}), "`largerFunction` is not the name")]);
}

/// Starts `quality-loop` for 4 grey levels, where a copy of quality 50 is `first` off and each next one 1 less; calls with
/// the template `fails` fail.
fn copies(first: u32, fails: &str) -> (World, Value) {
    let mut world = world(&["faas-call.bpmn", "quality-loop.bpmn"]);
    let variables = json!({"image": "a.tif", "folder": "out", "rmse": 4, "tries": 1});
    let instance = world.start_of("quality-loop", variables).unwrap();
    let mut measured = first;
    play_with(&mut world, |request, id| {
        if request["template"] == fails {
            return Some(outcome(id, "failed"));
        }
        let mut ended = outcome(id, "succeeded");
        if request["template"] == "copy-compare" {
            ended["logTail"] = format!("mse: {}\npsnr: 0\ncount: 0\n", measured * measured).into();
            measured -= 1;
        }
        Some(ended)
    });
    let outcome = ended(&world, instance);
    (world, outcome)
}

#[test]
fn a_copy_is_made_anew_until_it_is_good_enough_or_cannot_be_better() {
    let (at_once, outcome) = copies(4, "");
    let expected = json!({"status": "succeeded", "step": "quality", "message": "", "file": "a.tif", "quality": 50,
        "rmse": 4, "rounds": 1});
    assert_eq!(outcome, expected);
    let (third, outcome) = copies(6, "");
    assert_eq!((&outcome["quality"], &outcome["rmse"], &outcome["rounds"]), (&json!(70), &json!(4), &json!(3)));
    let (never, outcome) = copies(20, "");
    assert_eq!(
        (&outcome["status"], &outcome["quality"], &outcome["rounds"]),
        (&json!("failed"), &json!(100), &json!(6))
    );
    assert_eq!(outcome["message"], "the best copy is 15 grey levels off, wanted are 4");
    let (no_copy, outcome) = copies(4, "copy-compress");
    assert_eq!((&outcome["status"], &outcome["step"]), (&json!("failed"), &json!("copy")));
    let (uncompared, outcome) = copies(4, "copy-compare");
    assert_eq!((&outcome["status"], &outcome["step"]), (&json!("failed"), &json!("copy")));
    were_walked("quality-loop.bpmn", &[at_once, third, never, no_copy, uncompared]);
}

#[test]
fn a_comparison_that_tells_nothing_and_wrong_settings_are_incidents() {
    let mut world = world(&["faas-call.bpmn", "quality-loop.bpmn"]);
    world.start_of("quality-loop", json!({"image": "a.tif", "folder": "out"})).unwrap();
    play(&mut world, |_| Some("succeeded"));
    let (_, _, element, message) = world.incident();
    assert_eq!(element, "compare");
    assert!(message.contains("the comparison printed no mse"), "{message}");
    let mistakes = [
        (json!({"rmse": "4"}), "`rmse` is not a number from 0"),
        (json!({"quality": 0}), "`quality` is not a number from 1"),
    ];
    are_refused("quality-loop.bpmn", "quality-loop", &mistakes);
}

/// Publishes a decision about the failed call `callId`.
fn decide(world: &mut World, variables: Value) {
    let request = proto::PublishMessageRequest {
        name: "faas-decision".to_owned(),
        correlation_key: variables["callId"].as_str().unwrap().to_owned(),
        time_to_live: HOUR,
        variables: variables.to_string(),
        ..proto::PublishMessageRequest::default()
    };
    world.apply(Command::PublishMessage(request)).unwrap();
}

/// Starts `ask-after-failure` and, where the function fails, decides: a decision each for one failed call.
fn asked(fails: usize, decisions: &[&str]) -> (World, Option<Value>) {
    let mut world = world(&["faas-call.bpmn", "ask-after-failure.bpmn"]);
    let instance = world.start_of("ask-after-failure", json!({"request": {"function": "f"}, "tries": 1})).unwrap();
    let mut calls = Vec::new();
    let mut decisions = decisions.iter();
    loop {
        let before = calls.len();
        play_with(&mut world, |_, id| {
            calls.push(id.to_owned());
            Some(outcome(id, if calls.len() > fails { "succeeded" } else { "failed" }))
        });
        let Some(decision) = decisions.next() else { break };
        assert!(world.result(instance).is_none() && (before < calls.len() || decision != &"retry"), "it asks");
        decide(&mut world, json!({"callId": calls.last(), "decision": decision}));
    }
    let outcome = world.result(instance).map(|variables| variables["outcome"].clone());
    (world, outcome)
}

#[test]
fn a_person_decides_what_follows_a_failure() {
    let said = |outcome: &Option<Value>| {
        let outcome = outcome.as_ref().unwrap();
        (outcome["status"].clone(), outcome["decision"].clone())
    };
    let (good, outcome) = asked(0, &[]);
    assert_eq!(said(&outcome), (json!("succeeded"), Value::Null), "nobody is asked");
    let (again, outcome) = asked(2, &["retry", "retry"]);
    assert_eq!(said(&outcome), (json!("succeeded"), json!("retry")));
    let (skipped, outcome) = asked(1, &["skip"]);
    assert_eq!(said(&outcome), (json!("failed"), json!("skip")));
    let (given_up, outcome) = asked(9, &["retry", "give up"]);
    assert_eq!(said(&outcome), (json!("failed"), json!("give up")));
    let (unknown, outcome) = asked(1, &["perhaps", "skip"]);
    assert_eq!(said(&outcome), (json!("failed"), json!("skip")), "it asks again");
    let (mut nobody, outcome) = asked(1, &[]);
    assert_eq!(outcome, None, "it waits");
    nobody.pass(7 * 24 * HOUR);
    assert!(nobody.entered().contains(&"undecided"));
    were_walked("ask-after-failure.bpmn", &[good, again, skipped, given_up, unknown, nobody]);
}

#[test]
fn a_decision_about_an_earlier_failure_decides_nothing_and_one_may_bring_another_request() {
    let mut world = world(&["faas-call.bpmn", "ask-after-failure.bpmn"]);
    let instance = world.start_of("ask-after-failure", json!({"request": {"function": "f"}, "tries": 1})).unwrap();
    let mut calls = Vec::new();
    play_with(&mut world, |_, id| {
        calls.push(id.to_owned());
        Some(outcome(id, "failed"))
    });
    let other = json!({"callId": calls[0], "decision": "retry", "request": {"function": "g"}});
    decide(&mut world, other.clone());
    let mut functions = Vec::new();
    play_with(&mut world, |request, id| {
        functions.push(request["function"].clone());
        Some(outcome(id, "failed"))
    });
    assert_eq!(functions, ["g"]);
    decide(&mut world, other);
    assert!(world.result(instance).is_none() && world.jobs("openfaas").is_empty(), "it is asked about the second call");
    let wrong = [(json!({"request": {}, "patience": "soon"}), "`patience` is not an ISO 8601 duration")];
    are_refused("ask-after-failure.bpmn", "ask-after-failure", &wrong);
}
