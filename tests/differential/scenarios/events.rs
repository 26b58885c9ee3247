//! Start, intermediate, boundary and end events; those with timers are among the timers.

use super::scenarios;
use crate::{
    bpmn::{Bpmn, Event},
    run::{Missing, Run},
};
use serde_json::json;
use std::time::Duration;

scenarios![
    none_events_pass_and_their_outputs_stay,
    a_message_starts_an_instance,
    a_message_start_event_starts_one_instance_for_a_key_at_a_time,
    a_new_version_takes_over_the_message_start_event,
    a_process_with_a_none_and_a_message_start_event_starts_either_way,
    an_intermediate_message_event_waits_for_its_key,
    an_interrupting_message_boundary_ends_its_task,
    a_message_boundary_beside_goes_on_with_its_task,
    a_message_boundary_is_gone_with_its_task,
    an_output_mapping_of_a_boundary_event_sees_the_message,
    an_error_end_event_is_caught_outside_its_subprocess,
    an_error_boundary_without_a_code_catches_all,
    the_boundary_with_the_code_is_preferred_to_the_one_for_all,
    an_error_that_nobody_catches_is_an_incident,
    a_terminate_end_event_ends_all_of_its_scope,
    a_terminate_end_event_in_a_subprocess_ends_only_that,
    an_interrupting_boundary_ends_a_whole_subprocess,
    two_boundary_events_of_one_task,
    a_boundary_message_variable_is_merged_into_the_process,
];

async fn none_events_pass_and_their_outputs_stay(run: &mut Run) -> Result<(), Missing> {
    let process = Bpmn::process("p").output("=v + 1", "w").pass("thrown").output("=w * 2", "x").end("end");
    run.deploy(process.output("={v: v, w: w, x: x}", "all")).await;
    let waiting = run.start_and_wait("p", &json!({ "v": 1 }), &[]);
    run.result(waiting).await;
    let waiting = run.start_and_wait("p", &json!({ "v": 2 }), &["all", "x", "nothing"]);
    run.result(waiting).await;
    Ok(())
}

fn started_by_message(process: &str, task: &str) -> Bpmn {
    Bpmn::bare(process).start("start", Event::Message("go", "")).task(task).end("end")
}

async fn a_message_starts_an_instance(run: &mut Run) -> Result<(), Missing> {
    run.deploy(started_by_message("p", "a").from("a")).await;
    run.publish("go", "", json!({ "v": 1 })).await;
    run.publish("go", "", json!({ "v": 2 })).await;
    for job in run.jobs("a").await {
        run.complete(&job, json!({})).await;
    }
    run.start("p", json!({})).await.err();
    Ok(())
}

async fn a_message_start_event_starts_one_instance_for_a_key_at_a_time(run: &mut Run) -> Result<(), Missing> {
    run.deploy(started_by_message("p", "a")).await;
    let kept = Duration::from_secs(3600);
    for (key, n) in [("k", 1), ("k", 2), ("k", 3), ("other", 4)] {
        run.publish_with("go", key, "", kept, json!({ "n": n })).await;
    }
    for _ in 0..3 {
        for job in run.jobs("a").await {
            run.complete(&job, json!({})).await;
        }
    }
    run.publish("go", "k", json!({ "n": 5 })).await;
    run.publish("go", "k", json!({ "n": 6 })).await;
    for _ in 0..2 {
        for job in run.jobs("a").await {
            run.complete(&job, json!({})).await;
        }
    }
    Ok(())
}

async fn a_new_version_takes_over_the_message_start_event(run: &mut Run) -> Result<(), Missing> {
    run.deploy(started_by_message("p", "a")).await;
    run.deploy(started_by_message("p", "b")).await;
    run.publish("go", "", json!({ "v": 1 })).await;
    run.jobs("a").await;
    run.work("b", json!({})).await
}

async fn a_process_with_a_none_and_a_message_start_event_starts_either_way(run: &mut Run) -> Result<(), Missing> {
    let process = Bpmn::process("p").exclusive("both").task("a").end("end");
    run.deploy(process.start("message", Event::Message("go", "")).output("=v", "seen").to("both")).await;
    run.start("p", json!({ "v": 1 })).await?;
    run.publish("go", "", json!({ "v": 2 })).await;
    for job in run.jobs("a").await {
        run.complete(&job, json!({})).await;
    }
    Ok(())
}

async fn an_intermediate_message_event_waits_for_its_key(run: &mut Run) -> Result<(), Missing> {
    run.deploy(Bpmn::process("p").catch("wait", Event::Message("m", "=id")).output("=got", "kept").end("end")).await;
    run.start("p", json!({ "id": "one" })).await?;
    run.start("p", json!({ "id": "two" })).await?;
    run.publish("m", "three", json!({ "got": 3 })).await;
    run.publish("m", "two", json!({ "got": 2 })).await;
    run.publish("other", "one", json!({ "got": 0 })).await;
    run.publish("m", "one", json!({ "got": 1, "more": true })).await;
    Ok(())
}

fn interrupted() -> Bpmn {
    let task = Bpmn::process("p").task("a").end("end");
    task.boundary("stop", "a", Event::Message("m", "=id")).task("after").end("stopped")
}

async fn an_interrupting_message_boundary_ends_its_task(run: &mut Run) -> Result<(), Missing> {
    run.deploy(interrupted()).await;
    run.start("p", json!({ "id": "k" })).await?;
    let job = run.job("a").await?;
    run.publish("m", "k", json!({ "why": "late" })).await;
    run.complete(&job, json!({})).await;
    run.work("after", json!({})).await
}

async fn a_message_boundary_beside_goes_on_with_its_task(run: &mut Run) -> Result<(), Missing> {
    let task = Bpmn::process("p").task("a").end("end");
    run.deploy(task.boundary_beside("more", "a", Event::Message("m", "=id")).task("after").end("told")).await;
    run.start("p", json!({ "id": "k" })).await?;
    for n in 0..2 {
        run.publish("m", "k", json!({ "n": n })).await;
    }
    run.work("a", json!({})).await?;
    run.publish("m", "k", json!({ "n": 2 })).await;
    for job in run.jobs("after").await {
        run.complete(&job, json!({})).await;
    }
    Ok(())
}

async fn a_message_boundary_is_gone_with_its_task(run: &mut Run) -> Result<(), Missing> {
    run.deploy(interrupted().from("a").task("b").to("end")).await;
    run.start("p", json!({ "id": "k" })).await?;
    run.work("a", json!({})).await?;
    run.publish("m", "k", json!({})).await;
    run.work("b", json!({})).await
}

async fn an_output_mapping_of_a_boundary_event_sees_the_message(run: &mut Run) -> Result<(), Missing> {
    let task = Bpmn::process("p").task("a").input("=1", "local").end("end");
    let caught = task.boundary("stop", "a", Event::Message("m", "=id")).output("=got.why", "why");
    run.deploy(caught.output("=local", "seen").end("stopped")).await;
    run.start("p", json!({ "id": "k", "local": 0 })).await?;
    run.publish("m", "k", json!({ "got": { "why": "late" } })).await;
    Ok(())
}

fn failing(boundary: &str) -> Bpmn {
    let sub = Bpmn::process("p").sub("sub", |sub| sub.task("a").end_with("failed", Event::Error("BAD")));
    sub.end("end").boundary("caught", "sub", Event::Error(boundary)).task("after").end("mended")
}

async fn an_error_end_event_is_caught_outside_its_subprocess(run: &mut Run) -> Result<(), Missing> {
    run.deploy(failing("BAD")).await;
    run.start("p", json!({})).await?;
    run.work("a", json!({ "v": 1 })).await?;
    run.work("after", json!({})).await
}

async fn an_error_boundary_without_a_code_catches_all(run: &mut Run) -> Result<(), Missing> {
    run.deploy(failing("")).await;
    run.start("p", json!({})).await?;
    run.work("a", json!({ "v": 1 })).await?;
    run.work("after", json!({})).await
}

async fn the_boundary_with_the_code_is_preferred_to_the_one_for_all(run: &mut Run) -> Result<(), Missing> {
    let all = Bpmn::process("p").task("a").end("end").boundary("any", "a", Event::Error("")).end("by-any");
    run.deploy(all.boundary("bad", "a", Event::Error("BAD")).end("by-code")).await;
    for code in ["BAD", "WORSE"] {
        run.start("p", json!({})).await?;
        let job = run.job("a").await?;
        run.throw(&job, code, json!({ "code": code })).await;
    }
    Ok(())
}

async fn an_error_that_nobody_catches_is_an_incident(run: &mut Run) -> Result<(), Missing> {
    run.deploy(failing("OTHER")).await;
    let instance = run.start("p", json!({})).await?;
    run.work("a", json!({})).await?;
    let incident = run.incident()?;
    run.resolve(incident).await;
    run.cancel(instance).await;
    Ok(())
}

async fn a_terminate_end_event_ends_all_of_its_scope(run: &mut Run) -> Result<(), Missing> {
    let fork = Bpmn::process("p").parallel("fork").task("a").end_with("over", Event::Terminate);
    run.deploy(fork.from("fork").task("b").end("end").from("fork").receive("r", "m", "=\"k\"")).await;
    run.start("p", json!({})).await?;
    let job = run.job("b").await?;
    run.work("a", json!({ "v": 1 })).await?;
    run.complete(&job, json!({})).await;
    Ok(())
}

async fn a_terminate_end_event_in_a_subprocess_ends_only_that(run: &mut Run) -> Result<(), Missing> {
    let inner = |sub: Bpmn| sub.parallel("fork").task("a").end_with("over", Event::Terminate).from("fork").task("b");
    let fork = Bpmn::process("p").parallel("outer").sub("sub", inner).task("after").end("end");
    run.deploy(fork.from("outer").task("beside").end("end2")).await;
    run.start("p", json!({})).await?;
    run.work("a", json!({ "v": 1 })).await?;
    run.jobs("b").await;
    run.work("after", json!({})).await?;
    run.work("beside", json!({})).await
}

async fn an_interrupting_boundary_ends_a_whole_subprocess(run: &mut Run) -> Result<(), Missing> {
    let inner = |sub: Bpmn| sub.parallel("fork").task("a").end("e1").from("fork").sub("inner", |sub| sub.task("b"));
    let process = Bpmn::process("p").sub("sub", inner).end("end");
    run.deploy(process.boundary("stop", "sub", Event::Message("m", "=\"k-\" + id")).task("after").end("stopped")).await;
    run.start("p", json!({ "id": "1" })).await?;
    let job = run.job("b").await?;
    run.publish("m", "k-1", json!({ "v": 1 })).await;
    run.complete(&job, json!({})).await;
    run.work("after", json!({})).await
}

async fn two_boundary_events_of_one_task(run: &mut Run) -> Result<(), Missing> {
    let task = Bpmn::process("p").task("a").end("end");
    let task = task.boundary_beside("told", "a", Event::Message("tell", "=id")).end("told-end");
    run.deploy(task.boundary("stop", "a", Event::Message("stop", "=id")).end("stopped")).await;
    run.start("p", json!({ "id": "k" })).await?;
    run.publish("tell", "k", json!({ "n": 1 })).await;
    run.publish("stop", "k", json!({ "n": 2 })).await;
    run.publish("tell", "k", json!({ "n": 3 })).await;
    run.jobs("a").await;
    Ok(())
}

async fn a_boundary_message_variable_is_merged_into_the_process(run: &mut Run) -> Result<(), Missing> {
    let inner = |sub: Bpmn| sub.task("a").end("e");
    let process = Bpmn::process("p").sub("sub", inner).input("=0", "local").end("end");
    let process = process.boundary("stop", "sub", Event::Message("m", "=id")).task("after").end("stopped");
    run.deploy(process).await;
    run.start("p", json!({ "id": "k", "v": 0 })).await?;
    run.publish("m", "k", json!({ "v": 1, "local": 2, "fresh": [] })).await;
    run.work("after", json!({})).await
}
