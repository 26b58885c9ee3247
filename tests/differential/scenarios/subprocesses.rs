//! Subprocesses and call activities.

use super::scenarios;
use crate::{
    bpmn::{Bpmn, Event},
    run::{Missing, Run},
};
use serde_json::json;

scenarios![
    subprocesses_in_subprocesses,
    a_called_process_gets_and_gives_all_variables,
    a_called_process_gets_and_gives_only_what_is_mapped,
    a_called_process_gives_nothing_without_a_mapping_when_it_may_not,
    the_called_process_may_be_an_expression,
    a_called_process_that_is_missing_is_an_incident_until_it_is_deployed,
    a_call_uses_the_latest_version,
    an_error_of_a_called_process_is_caught_by_its_call,
    an_error_of_a_called_process_that_nobody_catches_is_an_incident,
    cancelling_an_instance_ends_the_processes_it_calls,
    a_called_process_cannot_be_cancelled_alone,
    a_boundary_of_a_call_ends_the_called_process,
    a_call_of_a_process_without_a_none_start_event_is_an_incident,
    a_job_of_a_called_process_fails_into_an_incident_of_its_own,
];

async fn subprocesses_in_subprocesses(run: &mut Run) -> Result<(), Missing> {
    let inner = |sub: Bpmn| sub.sub("inner", |sub| sub.task("a").end("e1")).input("=v + 1", "v").task("b").end("e2");
    run.deploy(Bpmn::process("p").sub("outer", inner).input("=v + 1", "v").task("c").end("end")).await;
    let instance = run.start("p", json!({ "v": 1 })).await?;
    run.start("p", json!({ "v": 10 })).await?;
    for job_type in ["a", "b", "c"] {
        for job in run.jobs(job_type).await {
            run.complete(&job, json!({ "v": job_type })).await;
        }
    }
    run.cancel(instance).await;
    Ok(())
}

fn child() -> Bpmn {
    Bpmn::process("child").task("a").output("=result", "result").end("end")
}

async fn a_called_process_gets_and_gives_all_variables(run: &mut Run) -> Result<(), Missing> {
    run.deploy(child()).await;
    run.deploy(Bpmn::process("p").call("call", "child", "").input("=v", "local").task("after").end("end")).await;
    run.start("p", json!({ "v": 1, "result": 0 })).await?;
    run.work("a", json!({ "result": 2 })).await?;
    run.work("after", json!({})).await
}

async fn a_called_process_gets_and_gives_only_what_is_mapped(run: &mut Run) -> Result<(), Missing> {
    run.deploy(child()).await;
    let neither = r#"propagateAllChildVariables="false" propagateAllParentVariables="false""#;
    let call = Bpmn::process("p").call("call", "child", neither).input("=v", "x").output("=[result, x]", "got");
    run.deploy(call.task("after").end("end")).await;
    run.start("p", json!({ "v": 1, "w": 2 })).await?;
    run.work("a", json!({ "result": 2 })).await?;
    run.work("after", json!({})).await
}

async fn a_called_process_gives_nothing_without_a_mapping_when_it_may_not(run: &mut Run) -> Result<(), Missing> {
    run.deploy(child()).await;
    let call = Bpmn::process("p").call("call", "child", r#"propagateAllChildVariables="false""#);
    run.deploy(call.task("after").end("end")).await;
    run.start("p", json!({ "v": 1 })).await?;
    run.work("a", json!({ "result": 2, "v": 3 })).await?;
    run.work("after", json!({})).await
}

async fn the_called_process_may_be_an_expression(run: &mut Run) -> Result<(), Missing> {
    run.deploy(child()).await;
    run.deploy(Bpmn::process("p").call("call", "=\"~\" + which", "").end("end")).await;
    run.start("p", json!({ "which": "child" })).await?;
    run.work("a", json!({ "result": 2 })).await?;
    run.start("p", json!({})).await?;
    Ok(())
}

async fn a_called_process_that_is_missing_is_an_incident_until_it_is_deployed(run: &mut Run) -> Result<(), Missing> {
    run.deploy(Bpmn::process("p").call("call", "child", "").end("end")).await;
    run.start("p", json!({})).await?;
    run.deploy(child()).await;
    let incident = run.incident()?;
    run.resolve(incident).await;
    run.work("a", json!({ "result": 2 })).await
}

async fn a_call_uses_the_latest_version(run: &mut Run) -> Result<(), Missing> {
    run.deploy(child()).await;
    run.deploy(Bpmn::process("p").call("call", "child", "").end("end")).await;
    run.deploy(Bpmn::process("child").task("b").end("end")).await;
    run.start("p", json!({})).await?;
    run.jobs("a").await;
    run.work("b", json!({})).await
}

fn throwing_child() -> Bpmn {
    Bpmn::process("child").task("a").end_with("failed", Event::Error("BAD"))
}

async fn an_error_of_a_called_process_is_caught_by_its_call(run: &mut Run) -> Result<(), Missing> {
    run.deploy(throwing_child()).await;
    let call = Bpmn::process("p").call("call", "child", "").end("end");
    run.deploy(call.boundary("caught", "call", Event::Error("BAD")).task("after").end("mended")).await;
    for thrown in [false, true] {
        run.start("p", json!({ "v": 1 })).await?;
        let job = run.job("a").await?;
        if thrown {
            run.throw(&job, "BAD", json!({ "why": 1 })).await;
        } else {
            run.complete(&job, json!({ "why": 2 })).await;
        }
        run.work("after", json!({})).await?;
    }
    Ok(())
}

async fn an_error_of_a_called_process_that_nobody_catches_is_an_incident(run: &mut Run) -> Result<(), Missing> {
    run.deploy(throwing_child()).await;
    let call = Bpmn::process("p").call("call", "child", "").end("end");
    run.deploy(call.boundary("other", "call", Event::Error("OTHER")).end("never")).await;
    run.start("p", json!({})).await?;
    run.work("a", json!({})).await?;
    run.start("p", json!({})).await?;
    let job = run.job("a").await?;
    run.throw(&job, "WORSE", json!({})).await;
    Ok(())
}

async fn cancelling_an_instance_ends_the_processes_it_calls(run: &mut Run) -> Result<(), Missing> {
    run.deploy(child()).await;
    run.deploy(Bpmn::process("p").call("call", "child", "").end("end")).await;
    run.deploy(Bpmn::process("q").call("call", "p", "").end("end")).await;
    let instance = run.start("q", json!({})).await?;
    let job = run.job("a").await?;
    run.cancel(instance).await;
    run.complete(&job, json!({})).await;
    run.cancel(instance).await;
    Ok(())
}

async fn a_called_process_cannot_be_cancelled_alone(run: &mut Run) -> Result<(), Missing> {
    run.deploy(child()).await;
    run.deploy(Bpmn::process("p").call("call", "child", "").end("end")).await;
    run.start("p", json!({})).await?;
    let job = run.job("a").await?;
    run.cancel(job.process_instance_key).await;
    run.complete(&job, json!({ "result": 1 })).await;
    Ok(())
}

async fn a_boundary_of_a_call_ends_the_called_process(run: &mut Run) -> Result<(), Missing> {
    run.deploy(child()).await;
    let call = Bpmn::process("p").call("call", "child", "").end("end");
    run.deploy(call.boundary("stop", "call", Event::Message("m", "=id")).task("after").end("stopped")).await;
    run.start("p", json!({ "id": "k" })).await?;
    let job = run.job("a").await?;
    run.publish("m", "k", json!({ "v": 1 })).await;
    run.complete(&job, json!({})).await;
    run.work("after", json!({})).await
}

async fn a_call_of_a_process_without_a_none_start_event_is_an_incident(run: &mut Run) -> Result<(), Missing> {
    run.deploy(Bpmn::bare("child").start("start", Event::Message("go", "")).end("end")).await;
    run.deploy(Bpmn::process("p").call("call", "child", "").end("end")).await;
    run.start("p", json!({})).await?;
    Ok(())
}

async fn a_job_of_a_called_process_fails_into_an_incident_of_its_own(run: &mut Run) -> Result<(), Missing> {
    run.deploy(child()).await;
    run.deploy(Bpmn::process("p").call("call", "child", "").end("end")).await;
    run.start("p", json!({})).await?;
    let job = run.job("a").await?;
    run.fail(&job, 0, "no more").await;
    run.set_retries(&job, 1).await;
    let incident = run.incident()?;
    run.resolve(incident).await;
    run.work("a", json!({ "result": 1 })).await
}
