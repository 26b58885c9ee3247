use crate::world::{MESSAGE, World, none, path, process, service, straight};
use tonic::Code;

/// The rejection's text when `elements` are deployed.
fn refused(elements: &str, roots: &str) -> String {
    let rejection = World::new().deploy(&process(elements, roots)).unwrap_err();
    assert_eq!(rejection.code, Code::InvalidArgument, "{rejection}");
    rejection.message
}

#[test]
fn what_is_not_supported_is_named_with_its_element_and_line() {
    let text = refused(&straight("\n<userTask id=\"ask\"/>", &["ask"]), "");
    assert!(text.contains("'p.bpmn': element 'ask' at line 3: userTask is not supported"), "{text}");
    assert!(text.starts_with(
        "Command 'CREATE' rejected with code 'INVALID_ARGUMENT': Expected to deploy new resources, but encountered the \
         following errors:\n"
    ));
}

#[test]
fn nothing_is_ignored() {
    let cases = [
        (r#"<inclusiveGateway id="x"/>"#, "inclusiveGateway is not supported"),
        (r#"<eventBasedGateway id="x"/>"#, "eventBasedGateway is not supported"),
        (r#"<scriptTask id="x"/>"#, "scriptTask is not supported"),
        (r#"<task id="x"/>"#, "task is not supported"),
        (r#"<subProcess id="x" triggeredByEvent="true"><startEvent id="s"/></subProcess>"#, "event subprocesses"),
        (
            r#"<intermediateThrowEvent id="x"><signalEventDefinition/></intermediateThrowEvent>"#,
            "signalEventDefinition",
        ),
        (r#"<parallelGateway id="x" whatever="1"/>"#, "attribute 'whatever' of parallelGateway is not supported"),
        (
            r#"<parallelGateway id="x"><extensionElements><zeebe:executionListeners/></extensionElements></parallelGateway>"#,
            "zeebe:executionListeners is not supported here",
        ),
        (
            r#"<parallelGateway id="x"><extensionElements><zeebe:ioMapping/></extensionElements></parallelGateway>"#,
            "zeebe:ioMapping is not supported here",
        ),
    ];
    for (element, expected) in cases {
        let text = refused(&straight(element, &["x"]), "");
        assert!(text.contains(expected), "{element}: {text}");
    }
    let text = refused(&straight("", &[]), r#"<signal id="s" name="s"/>"#);
    assert!(text.contains("signal is not supported"), "{text}");
}

#[test]
fn what_people_look_at_is_accepted() {
    let harmless = r#"<documentation>d</documentation><laneSet id="l"><lane id="lane"/></laneSet><textAnnotation id="t"><text>t</text></textAnnotation>
        <association id="a" sourceRef="start" targetRef="t"/><group id="g"/><dataObject id="o"/><extensionElements><zeebe:properties><zeebe:property name="n" value="v"/></zeebe:properties></extensionElements>"#;
    let roots = r#"<collaboration id="c"><participant id="pool" processRef="p"/></collaboration><category id="cat"/>"#;
    let mut world = World::with(&process(&(straight("", &[]) + harmless), roots));
    let instance = world.start(none());
    assert!(world.result(instance).is_some());
}

#[test]
fn a_process_must_be_sound() {
    let cases = [
        (r#"<endEvent id="end"/>"#.to_owned(), "Must have at least one start event"),
        (r#"<startEvent id="a"/><startEvent id="b"/>"#.to_owned(), "Multiple none start events are not allowed"),
        (straight(r#"<serviceTask id="x"/>"#, &["x"]), "Must have exactly one 'zeebe:taskDefinition'"),
        (straight(r#"<receiveTask id="x"/>"#, &["x"]), "Must reference a message"),
        (straight(r#"<callActivity id="x"/>"#, &["x"]), "Must have exactly one 'zeebe:calledElement'"),
        (straight("", &[]) + &path(&["end", "start"]), "End events must not have outgoing sequence flows"),
        (straight("", &[]) + &path(&["start", "nowhere"]), "targetRef 'nowhere' is not a flow node"),
        (straight(r#"<subProcess id="x"/>"#, &["x"]), "Must have exactly one start event"),
    ];
    for (elements, expected) in cases {
        let text = refused(&elements, MESSAGE);
        assert!(text.contains(expected), "{elements}: {text}");
    }
}

#[test]
fn a_boundary_event_must_fit() {
    let with = |event: &str| straight(&service("x", ""), &["x"]) + event + &service("y", "") + &path(&["b", "y"]);
    let timer = "<timerEventDefinition><timeCycle>R/PT1S</timeCycle></timerEventDefinition>";
    let text = refused(&with(&format!(r#"<boundaryEvent id="b" attachedToRef="x">{timer}</boundaryEvent>"#)), "");
    assert!(text.contains("Interrupting timer event with time cycle is not allowed."), "{text}");
    let error =
        r#"<boundaryEvent id="b" attachedToRef="x" cancelActivity="false"><errorEventDefinition/></boundaryEvent>"#;
    assert!(refused(&with(error), "").contains("Non-Interrupting event of type error is not allowed"));
    let nowhere = r#"<boundaryEvent id="b" attachedToRef="start"><errorEventDefinition/></boundaryEvent>"#;
    assert!(refused(&with(nowhere), "").contains("Must be attached to an activity"));
}

#[test]
fn feel_that_does_not_parse_is_refused() {
    let task = r#"<serviceTask id="x"><extensionElements><zeebe:taskDefinition type="=a +"/></extensionElements></serviceTask>"#;
    let text = refused(&straight(task, &["x"]), "");
    assert!(text.contains("element 'x'") && text.contains("expression '=a +'"), "{text}");
}

#[test]
fn constants_are_checked() {
    let timer = |of: &str| {
        straight(
            &format!(
                r#"<intermediateCatchEvent id="x"><timerEventDefinition>{of}</timerEventDefinition></intermediateCatchEvent>"#
            ),
            &["x"],
        )
    };
    assert!(refused(&timer("<timeDuration>soon</timeDuration>"), "").contains("Invalid duration format 'soon'"));
    assert!(refused(&timer("<timeDate>tomorrow</timeDate>"), "").contains("Invalid date-time format 'tomorrow'"));
    let start = r#"<startEvent id="s"><timerEventDefinition><timeCycle>0 0 * * * *</timeCycle></timerEventDefinition></startEvent>"#;
    assert!(refused(start, "").contains("cron expressions are not supported"));
}

#[test]
fn a_loop_that_never_waits_is_refused() {
    let elements = format!(
        r#"<startEvent id="start"/><exclusiveGateway id="a"/><intermediateThrowEvent id="b"/>{}"#,
        path(&["start", "a", "b", "a"])
    );
    assert!(refused(&elements, "").contains("straight-through processing loop"));
}

#[test]
fn other_resources_are_refused() {
    let rejection = World::new().deploy_as("table.dmn", "<x/>").unwrap_err();
    assert!(rejection.message.contains("'table.dmn': only .bpmn is supported by this engine"), "{rejection}");
    let rejection = World::new().deploy_as("p.bpmn", "not XML").unwrap_err();
    assert!(rejection.message.contains("at line 1: not XML"), "{rejection}");
}
