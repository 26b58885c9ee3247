//! What is refused, and with which status code.

use super::scenarios;
use crate::{
    bpmn::{Bpmn, Event, Timer},
    run::{Missing, Run},
};
use serde_json::json;
use zeebe2faas::zeebe::{
    Version,
    proto::{
        ActivateJobsRequest, CompleteJobRequest, CreateProcessInstanceRequest, FailJobRequest, PublishMessageRequest,
        SetVariablesRequest, ThrowErrorRequest, UpdateJobRetriesRequest, UpdateJobTimeoutRequest,
    },
};

scenarios![
    unknown_keys_are_not_found,
    unknown_processes_are_not_found,
    variables_that_are_no_object_are_refused,
    questions_for_jobs_that_make_no_sense_are_refused,
    negative_times_and_retries,
    a_process_needs_a_none_start_event_to_be_created,
    processes_that_make_no_sense_are_refused_at_deployment,
    expressions_that_cannot_be_read_are_refused_at_deployment,
    a_file_that_is_no_process_is_refused,
    an_error_without_a_code,
];

/// A key of partition 1 that is given to nothing.
const NO_KEY: i64 = (1 << 51) + 1;

async fn unknown_keys_are_not_found(run: &mut Run) -> Result<(), Missing> {
    run.cancel(NO_KEY).await;
    run.resolve(NO_KEY).await;
    run.set_variables(NO_KEY, json!({ "v": 1 }), false).await;
    run.raw("complete", |mut stub, _| async move {
        stub.complete_job(CompleteJobRequest { job_key: NO_KEY, ..CompleteJobRequest::default() }).await
    })
    .await;
    run.raw("fail", |mut stub, _| async move {
        stub.fail_job(FailJobRequest { job_key: NO_KEY, retries: 1, ..FailJobRequest::default() }).await
    })
    .await;
    run.raw("throw", |mut stub, _| async move {
        let request = ThrowErrorRequest { job_key: NO_KEY, error_code: "X".to_owned(), ..ThrowErrorRequest::default() };
        stub.throw_error(request).await
    })
    .await;
    run.raw("retries", |mut stub, _| async move {
        stub.update_job_retries(UpdateJobRetriesRequest { job_key: NO_KEY, retries: 1 }).await
    })
    .await;
    run.raw("timeout", |mut stub, _| async move {
        stub.update_job_timeout(UpdateJobTimeoutRequest { job_key: NO_KEY, timeout: 1 }).await
    })
    .await;
    // A key of something else.
    run.deploy(Bpmn::process("p").task("a").end("end")).await;
    let instance = run.start("p", json!({})).await?;
    let job = run.job("a").await?;
    run.cancel(job.element_instance_key).await;
    run.cancel(job.key).await;
    run.resolve(instance).await;
    run.set_variables(job.key, json!({ "v": 1 }), false).await;
    Ok(())
}

async fn unknown_processes_are_not_found(run: &mut Run) -> Result<(), Missing> {
    run.start("nothing", json!({})).await.err();
    run.deploy(Bpmn::process("p").end("end")).await;
    run.start_version("p", Version::Number(7), json!({})).await.err();
    run.start_version("p", Version::Number(1), json!({})).await.err();
    let waiting = run.start_and_wait("nothing", &json!({}), &[]);
    run.result(waiting).await;
    run.raw("create by a key", |mut stub, _| async move {
        let request = CreateProcessInstanceRequest { process_definition_key: NO_KEY, ..Default::default() };
        stub.create_process_instance(request).await
    })
    .await;
    run.raw("create nothing", |mut stub, _| async move {
        stub.create_process_instance(CreateProcessInstanceRequest::default()).await
    })
    .await;
    Ok(())
}

async fn variables_that_are_no_object_are_refused(run: &mut Run) -> Result<(), Missing> {
    run.codes_only();
    run.deploy(Bpmn::process("p").task("a").end("end")).await;
    let instance = run.start("p", json!({})).await?;
    let job = run.job("a").await?.key;
    for text in ["{", "1", "[]", "\"text\"", "null", "{\"v\": }", "{} {}", "{\"a\": 1, \"a\": 2}"] {
        let variables = text.to_owned();
        run.raw(&format!("create {text}"), |mut stub, tag| async move {
            let request = CreateProcessInstanceRequest {
                bpmn_process_id: format!("{tag}p"),
                version: -1,
                variables,
                ..CreateProcessInstanceRequest::default()
            };
            stub.create_process_instance(request).await
        })
        .await;
        let variables = text.to_owned();
        run.raw(&format!("set {text}"), |mut stub, _| async move {
            let request = SetVariablesRequest { element_instance_key: instance, variables, local: false };
            stub.set_variables(request).await
        })
        .await;
        let variables = text.to_owned();
        run.raw(&format!("publish {text}"), |mut stub, tag| async move {
            let request = PublishMessageRequest { name: format!("{tag}m"), variables, ..Default::default() };
            stub.publish_message(request).await
        })
        .await;
        let variables = text.to_owned();
        run.raw(&format!("fail {text}"), |mut stub, _| async move {
            stub.fail_job(FailJobRequest { job_key: job, retries: 1, variables, ..Default::default() }).await
        })
        .await;
    }
    for variables in ["[", "true"] {
        let request = CompleteJobRequest { job_key: job, variables: variables.to_owned() };
        run.raw(&format!("complete {variables}"), |mut stub, _| async move { stub.complete_job(request).await }).await;
    }
    Ok(())
}

async fn questions_for_jobs_that_make_no_sense_are_refused(run: &mut Run) -> Result<(), Missing> {
    let good = ActivateJobsRequest {
        r#type: "~a".to_owned(),
        worker: "w".to_owned(),
        timeout: 1000,
        max_jobs_to_activate: 1,
        request_timeout: -1,
        ..ActivateJobsRequest::default()
    };
    for request in [
        ActivateJobsRequest { r#type: String::new(), ..good.clone() },
        ActivateJobsRequest { timeout: 0, ..good.clone() },
        ActivateJobsRequest { timeout: -5, ..good.clone() },
        ActivateJobsRequest { max_jobs_to_activate: 0, ..good.clone() },
        ActivateJobsRequest { max_jobs_to_activate: -1, ..good.clone() },
        ActivateJobsRequest { worker: String::new(), ..good.clone() },
        good,
    ] {
        let what = format!("activate {request:?}");
        run.raw(&what, |mut stub, _| async move {
            let mut answer = stub.activate_jobs(request).await?.into_inner();
            while answer.message().await?.is_some() {}
            Ok(())
        })
        .await;
    }
    Ok(())
}

async fn negative_times_and_retries(run: &mut Run) -> Result<(), Missing> {
    run.deploy(Bpmn::process("p").task("a").end("end")).await;
    run.start("p", json!({})).await?;
    let job = run.job("a").await?;
    run.set_retries(&job, 0).await;
    run.set_retries(&job, -1).await;
    let key = job.key;
    run.raw("negative timeout", |mut stub, _| async move {
        stub.update_job_timeout(UpdateJobTimeoutRequest { job_key: key, timeout: -1 }).await
    })
    .await;
    run.raw("negative lifetime", |mut stub, tag| async move {
        let name = format!("{tag}m");
        stub.publish_message(PublishMessageRequest { name, time_to_live: -1, ..Default::default() }).await
    })
    .await;
    run.raw("negative back-off", |mut stub, _| async move {
        let request = FailJobRequest { job_key: key, retries: 1, retry_back_off: -1, ..Default::default() };
        stub.fail_job(request).await
    })
    .await;
    run.jobs("a").await;
    Ok(())
}

async fn a_process_needs_a_none_start_event_to_be_created(run: &mut Run) -> Result<(), Missing> {
    run.deploy(Bpmn::bare("p").start("start", Event::Message("go", "")).end("end")).await;
    run.start("p", json!({})).await.err();
    run.deploy(Bpmn::bare("q").start("start", Event::Timer(Timer::Every("R/P1Y"))).end("end")).await;
    run.start("q", json!({})).await.err();
    Ok(())
}

async fn processes_that_make_no_sense_are_refused_at_deployment(run: &mut Run) -> Result<(), Missing> {
    run.codes_only();
    for (what, process) in [
        ("nothing starts it", Bpmn::bare("p").raw("a", r#"<task id="a"/>"#).end("end")),
        ("two none start events", Bpmn::process("p").end("end").start("again", Event::None).to("end")),
        ("a flow leads nowhere", Bpmn::process("p").to("nothing")),
        ("a task without a job type", Bpmn::process("p").raw("a", r#"<serviceTask id="a"/>"#).end("end")),
        ("a receive task without a message", Bpmn::process("p").raw("a", r#"<receiveTask id="a"/>"#).end("end")),
        ("a message without a correlation key", Bpmn::process("p").receive("r", "m", "").end("end")),
        ("a boundary event of nothing", Bpmn::process("p").end("e").boundary("b", "x", Event::Error("X")).end("f")),
        ("a call of nothing", Bpmn::process("p").raw("c", r#"<callActivity id="c"/>"#).end("end")),
        ("a timer without a time", Bpmn::process("p").catch("t", Event::Timer(Timer::After(""))).end("end")),
        ("a timer that is none", Bpmn::process("p").catch("t", Event::Timer(Timer::After("soon"))).end("end")),
        ("two with one id", Bpmn::process("p").task("a").task("a").end("end")),
        (
            "an error boundary beside",
            Bpmn::process("p").task("a").boundary_beside("b", "a", Event::Error("X")).end("e"),
        ),
        ("an intermediate error event", Bpmn::process("p").catch("c", Event::Error("X")).end("end")),
        ("a subprocess without a start event", Bpmn::process("p").raw("s", r#"<subProcess id="s"/>"#).end("end")),
        ("a flow with a condition from the only way", Bpmn::process("p").exclusive("x").when("=true").end("end")),
        ("a multi-instance without a collection", {
            let loops = r#"<serviceTask id="a"><extensionElements><zeebe:taskDefinition type="~a"/></extensionElements>
                <multiInstanceLoopCharacteristics/></serviceTask>"#;
            Bpmn::process("p").raw("a", loops).end("end")
        }),
        ("an end event with a flow out of it", Bpmn::process("p").end("end").task("a")),
        ("an output collection without an element", {
            let each = crate::bpmn::Each { of: "=x", into: "y", ..Default::default() };
            Bpmn::process("p").task("a").each(each).end("end")
        }),
    ] {
        run.note(what);
        run.deploy(process).await;
    }
    Ok(())
}

async fn expressions_that_cannot_be_read_are_refused_at_deployment(run: &mut Run) -> Result<(), Missing> {
    run.codes_only();
    for process in [
        Bpmn::process("p").task("a").input("=1 +", "x").end("end"),
        Bpmn::process("p").task("a").output("=", "x").end("end"),
        Bpmn::process("p").task("a").input("=1", "").end("end"),
        Bpmn::process("p").task("a").input("=1", "1x").end("end"),
        Bpmn::process("p").exclusive("x").when("=a >").end("e").from("x").otherwise().end("f"),
        Bpmn::process("p").exclusive("x").when("no expression").end("e").from("x").otherwise().end("f"),
        Bpmn::process("p").receive("r", "m", "=(").end("end"),
        Bpmn::process("p").receive("r", "m", "static").end("end"),
        Bpmn::process("p").task_of("a", "=if", "").end("end"),
        Bpmn::process("p").task_of("a", "a", "many").end("end"),
        Bpmn::process("p").call("c", "=", "").end("end"),
        Bpmn::process("p").catch("t", Event::Timer(Timer::At("=now("))).end("end"),
    ] {
        run.deploy(process).await;
    }
    Ok(())
}

async fn a_file_that_is_no_process_is_refused(run: &mut Run) -> Result<(), Missing> {
    run.codes_only();
    for (name, text) in [
        ("a.bpmn", ""),
        ("a.bpmn", "no xml"),
        ("a.bpmn", "<definitions/>"),
        ("a.bpmn", "<?xml version=\"1.0\"?><process id=\"x\"/>"),
        ("a.txt", "text"),
        ("a", "text"),
        ("", "text"),
    ] {
        run.deploy_files(vec![(name.to_owned(), text.to_owned())]).await;
    }
    run.deploy_files(Vec::new()).await;
    let good = Bpmn::process("p").end("end").xml();
    let bad = Bpmn::process("q").to("nothing").xml();
    run.deploy_files(vec![("good.bpmn".to_owned(), good), ("bad.bpmn".to_owned(), bad)]).await;
    run.start("p", json!({})).await.err();
    Ok(())
}

async fn an_error_without_a_code(run: &mut Run) -> Result<(), Missing> {
    let task = Bpmn::process("p").task("a").end("end");
    run.deploy(task.boundary("any", "a", Event::Error("")).end("mended")).await;
    run.start("p", json!({})).await?;
    let job = run.job("a").await?;
    run.throw(&job, "", json!({})).await;
    Ok(())
}
