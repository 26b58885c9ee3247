use crate::world::{START, World, none, path, process, service, straight};
use serde_json::json;
use zeebe2faas_dev::engine::machine::Event;

fn timer(of: &str) -> String {
    let event = format!(
        r#"<intermediateCatchEvent id="wait"><timerEventDefinition>{of}</timerEventDefinition></intermediateCatchEvent>"#
    );
    process(&straight(&event, &["wait"]), "")
}

#[test]
fn a_duration_is_waited_for_to_the_millisecond() {
    for of in ["<timeDuration>PT1.5S</timeDuration>", "<timeDuration>=duration(\"PT1.5S\")</timeDuration>"] {
        let mut world = World::with(&timer(of));
        let instance = world.start(none());
        assert_eq!(world.machine.next_due(), Some(START + 1500));
        world.pass(1499);
        assert_eq!(world.result(instance), None);
        world.pass(1);
        assert!(world.result(instance).is_some());
    }
}

#[test]
fn a_duration_of_the_past_is_over_at_once() {
    let mut world = World::with(&timer("<timeDuration>PT-5S</timeDuration>"));
    let instance = world.start(none());
    world.pass(0);
    assert!(world.result(instance).is_some());
}

#[test]
fn a_date_may_be_text_or_feel() {
    for of in [
        "<timeDate>2026-01-01T01:00:10+01:00</timeDate>",
        "<timeDate>=date and time(at)</timeDate>",
        "<timeDate>=at</timeDate>",
        "<timeDate>=date and time(\"2026-01-01T00:00:05Z\") + duration(\"PT5S\")</timeDate>",
    ] {
        let mut world = World::with(&timer(of));
        let instance = world.start(json!({"at": "2026-01-01T00:00:10Z"}));
        assert_eq!(world.machine.next_due(), Some(START + 10_000), "{of}; {:?}", world.events);
        world.pass(10_000);
        assert!(world.result(instance).is_some());
    }
}

#[test]
fn a_timer_that_says_nothing_is_an_incident() {
    let mut world = World::with(&timer("<timeDuration>=wait</timeDuration>"));
    let instance = world.start(json!({"wait": "soon"}));
    let (incident, error_type, _, message) = world.incident();
    assert_eq!(error_type, "EXTRACT_VALUE_ERROR");
    assert_eq!(message, "Invalid duration format 'soon' for expression 'wait'.");
    world.set_variables(instance, json!({"wait": 5}), false).unwrap();
    world.resolve(incident).unwrap();
    assert!(
        world.incident().3.starts_with(
            "Expected result of the expression 'wait' to be one of '[DURATION, PERIOD, STRING]', but was 'NUMBER'."
        ),
        "{}",
        world.incident().3
    );
    world.set_variables(instance, json!({"wait": "PT1S"}), false).unwrap();
    world.resolve(world.incident().0).unwrap();
    world.pass(1000);
    assert!(world.result(instance).is_some());
}

fn started_by(cycle: &str) -> String {
    let elements = format!(
        r#"<startEvent id="start"><timerEventDefinition>{cycle}</timerEventDefinition></startEvent>{}<endEvent id="end"/>{}"#,
        service("work", ""),
        path(&["start", "work", "end"])
    );
    process(&elements, "")
}

#[test]
fn a_cycle_starts_an_instance_each_time() {
    let mut world = World::new();
    world.machine.advance(START);
    world.deploy(&started_by("<timeCycle>R3/PT10S</timeCycle>")).unwrap();
    for expected in [1, 2, 3, 3] {
        world.pass(10_000);
        let started = world.events.iter().filter(|event| matches!(event, Event::JobActivatable { .. })).count();
        assert_eq!(started, expected);
    }
    assert_eq!(world.machine.next_due(), None);
}

#[test]
fn the_next_version_takes_back_the_timers_of_the_last() {
    let mut world = World::with(&started_by("<timeCycle>R/PT10S</timeCycle>"));
    world.pass(10_000);
    world.deploy(&process(&straight("", &[]), "")).unwrap();
    assert_eq!(world.machine.next_due(), None);
}

#[test]
fn a_cycle_that_was_missed_goes_on_from_now() {
    let mut world = World::with(&started_by("<timeCycle>R/PT10S</timeCycle>"));
    world.pass(35_000);
    assert_eq!(world.jobs("work").len(), 1, "once");
    assert_eq!(world.machine.next_due(), Some(world.now + 10_000));
}

#[test]
fn white_space_around_a_text_does_not_count() {
    let mut world = World::with(&timer("<timeDuration>\n  PT1S\n</timeDuration>"));
    world.start(none());
    assert_eq!(world.machine.next_due(), Some(START + 1000));
}
