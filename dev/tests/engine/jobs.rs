use crate::world::{World, none, process, service, straight, variables_of};
use serde_json::json;
use tonic::Code;
use zeebe2faas::zeebe::proto;
use zeebe2faas_dev::engine::machine::{Command, Event, Reply};

fn one_task() -> World {
    let headers = r#"<zeebe:taskHeaders><zeebe:header key="k" value="v"/></zeebe:taskHeaders>"#;
    World::with(&process(&straight(&service("work", headers), &["work"]), ""))
}

fn activatable(world: &World) -> usize {
    world.events.iter().filter(|event| matches!(event, Event::JobActivatable { .. })).count()
}

#[test]
fn a_locked_job_is_nobody_elses_until_its_lock_is_over() {
    let mut world = one_task();
    world.start(none());
    let job = world.job("work");
    assert_eq!((job.deadline, job.custom_headers.as_str()), (world.now + 60_000, r#"{"k":"v"}"#));
    assert!(world.jobs("work").is_empty());
    assert_eq!(world.machine.next_due(), Some(world.now + 60_000));
    world.pass(60_000);
    assert_eq!(activatable(&world), 2, "told again");
    let again = world.job("work");
    assert_eq!((again.key, again.retries), (job.key, 3), "a lock that ends costs no retry");
}

#[test]
fn jobs_come_in_the_order_of_their_keys_and_no_more_than_asked_for() {
    let mut world = one_task();
    let instances: Vec<_> = (0..5).map(|_| world.start(none())).collect();
    let request = proto::ActivateJobsRequest {
        r#type: "work".to_owned(),
        timeout: 1,
        max_jobs_to_activate: 3,
        ..Default::default()
    };
    let Reply::Jobs(jobs) = world.apply(Command::ActivateJobs(request)).unwrap() else { panic!("no jobs") };
    assert_eq!(jobs.iter().map(|job| job.process_instance_key).collect::<Vec<_>>(), instances[..3]);
}

#[test]
fn a_failed_job_waits_for_its_back_off_and_keeps_its_variables() {
    let mut world = one_task();
    world.start(json!({"a": 1}));
    let job = world.job("work");
    world
        .apply(Command::FailJob(proto::FailJobRequest {
            job_key: job.key,
            retries: 2,
            retry_back_off: 5000,
            variables: r#"{"try": 2}"#.to_owned(),
            ..Default::default()
        }))
        .unwrap();
    assert!(world.jobs("work").is_empty());
    assert_eq!(world.complete(job.key, none()).unwrap_err().code, Code::FailedPrecondition);
    world.pass(5000);
    let again = world.job("work");
    assert_eq!((again.retries, variables_of(&again)), (2, json!({"a": 1, "try": 2})));
    let instance = again.process_instance_key;
    world.complete(again.key, none()).unwrap();
    assert_eq!(world.result(instance), Some(json!({"a": 1})), "they are the task's own");
}

#[test]
fn a_job_without_retries_is_an_incident_until_it_has_some() {
    let mut world = one_task();
    world.start(none());
    let job = world.job("work");
    world.fail(job.key, 0, 0).unwrap();
    let (incident, error_type, element, message) = world.incident();
    assert_eq!((error_type, element.as_str(), message.as_str()), ("JOB_NO_RETRIES", "work", "broken"));
    assert!(world.jobs("work").is_empty());
    let rejection = world.resolve(incident).unwrap_err();
    assert_eq!(rejection.code, Code::NotFound, "as Zeebe 8.6 answers");
    assert!(rejection.message.contains("has no retries left"), "{rejection}");
    let retries = |retries| Command::UpdateJobRetries(proto::UpdateJobRetriesRequest { job_key: job.key, retries });
    assert_eq!(world.apply(retries(0)).unwrap_err().code, Code::InvalidArgument);
    world.apply(retries(7)).unwrap();
    world.resolve(incident).unwrap();
    assert!(world.is_resolved(incident));
    let again = world.job("work");
    assert_eq!((again.key, again.retries), (job.key, 7));
    assert_eq!(world.resolve(incident).unwrap_err().code, Code::NotFound);
}

#[test]
fn a_lock_is_moved_only_while_it_holds() {
    let mut world = one_task();
    world.start(none());
    let job = world.job("work");
    let timeout = |job_key| Command::UpdateJobTimeout(proto::UpdateJobTimeoutRequest { job_key, timeout: 600_000 });
    world.pass(30_000);
    world.apply(timeout(job.key)).unwrap();
    world.pass(60_000);
    assert!(world.jobs("work").is_empty());
    world.pass(540_000);
    assert_eq!(world.apply(timeout(job.key)).unwrap_err().code, Code::FailedPrecondition);
    assert_eq!(world.apply(timeout(job.key + 1000)).unwrap_err().code, Code::NotFound);
}

#[test]
fn a_job_is_completed_late_too_but_once() {
    let mut world = one_task();
    let instance = world.start(none());
    let job = world.job("work");
    world.pass(120_000);
    world.complete(job.key, none()).unwrap();
    assert!(world.result(instance).is_some());
    let rejection = world.complete(job.key, none()).unwrap_err();
    assert_eq!(rejection.code, Code::NotFound);
    let text = format!("Expected to complete job with key '{}', but no such job was found", job.key);
    assert!(rejection.message.ends_with(&text), "{rejection}");
}

#[test]
fn a_stream_takes_a_job_once_and_may_give_it_back() {
    let mut world = one_task();
    world.start(none());
    let Some(Event::JobActivatable { key, job_type, .. }) =
        world.events.iter().rev().find(|event| matches!(event, Event::JobActivatable { .. })).cloned()
    else {
        panic!("not told")
    };
    assert_eq!(job_type, "work");
    let push = || Command::PushJob {
        key,
        worker: "s".to_owned(),
        timeout: 1000,
        fetch_variables: Vec::new(),
        tenants: Vec::new(),
    };
    assert!(matches!(world.apply(push()).unwrap(), Reply::Jobs(jobs) if jobs.len() == 1));
    assert_eq!(world.apply(push()).unwrap(), Reply::Jobs(Vec::new()));
    world.apply(Command::YieldJob { key }).unwrap();
    assert_eq!(world.job("work").key, key);
}

#[test]
fn a_worker_gets_the_variables_that_it_asks_for() {
    let mut world = one_task();
    world.start(json!({"a": 1, "b": 2}));
    let request = proto::ActivateJobsRequest {
        r#type: "work".to_owned(),
        timeout: 1,
        max_jobs_to_activate: 1,
        fetch_variable: vec!["b".to_owned(), "none".to_owned()],
        ..Default::default()
    };
    let Reply::Jobs(jobs) = world.apply(Command::ActivateJobs(request)).unwrap() else { panic!("no jobs") };
    assert_eq!(variables_of(&jobs[0]), json!({"b": 2}));
}

#[test]
fn an_activation_that_asks_for_nothing_is_refused() {
    let mut world = one_task();
    let request = |count, timeout, job_type: &str| {
        Command::ActivateJobs(proto::ActivateJobsRequest {
            r#type: job_type.to_owned(),
            timeout,
            max_jobs_to_activate: count,
            ..Default::default()
        })
    };
    for command in [request(0, 1, "t"), request(1, 0, "t"), request(1, 1, "")] {
        assert_eq!(world.apply(command).unwrap_err().code, Code::InvalidArgument);
    }
}

#[test]
fn a_job_type_may_be_an_expression() {
    let task = r#"<serviceTask id="work"><extensionElements><zeebe:taskDefinition type="=kind" retries="=n"/></extensionElements></serviceTask>"#;
    let mut world = World::with(&process(&straight(task, &["work"]), ""));
    world.start(json!({"kind": "x", "n": 5}));
    assert_eq!(world.job("x").retries, 5);
    world.start(json!({"kind": "", "n": 5}));
    assert_eq!(world.incident().1, "EXTRACT_VALUE_ERROR");
    world.start(json!({"kind": "x", "n": "5"}));
    assert!(world.incident().3.starts_with("Expected result of the expression 'n' to be 'NUMBER', but was 'STRING'."));
}
