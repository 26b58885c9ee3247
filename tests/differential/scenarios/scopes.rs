//! Where variables are written, and where they are seen.

use super::scenarios;
use crate::{
    bpmn::{Bpmn, Event},
    run::{Missing, Run},
};
use serde_json::json;

scenarios![
    what_a_job_brings_goes_to_the_scope_that_has_it_or_to_the_outermost,
    what_a_failed_job_brings_stays_at_its_task,
    what_a_thrown_error_brings_goes_to_its_catcher,
    variables_may_be_set_in_a_task_or_in_the_whole_instance,
    variables_of_a_subprocess_end_with_it,
    an_output_mapping_of_a_subprocess_carries_its_variables_out,
    a_running_job_does_not_see_what_is_set_later_but_its_next_try_does,
    local_variables_of_an_event_end_with_it,
];

fn nested() -> Bpmn {
    let sub = Bpmn::process("p").sub("sub", |sub| sub.task("a").task("b").end("inner-end")).input("=0", "mine");
    sub.task("c").end("end")
}

async fn what_a_job_brings_goes_to_the_scope_that_has_it_or_to_the_outermost(run: &mut Run) -> Result<(), Missing> {
    run.deploy(nested()).await;
    run.start("p", json!({ "outer": 1 })).await?;
    run.work("a", json!({ "mine": 2, "outer": 3, "fresh": 4 })).await?;
    run.work("b", json!({ "mine": 5 })).await?;
    run.work("c", json!({})).await
}

async fn what_a_failed_job_brings_stays_at_its_task(run: &mut Run) -> Result<(), Missing> {
    run.deploy(nested()).await;
    run.start("p", json!({ "v": 1 })).await?;
    let job = run.job("a").await?;
    let failure = zeebe2faas::zeebe::FailJob { key: job.key, retries: 2, ..Default::default() };
    run.fail_with(zeebe2faas::zeebe::FailJob { variables: json!({ "v": 2, "id": "x" }), ..failure }).await;
    run.work("a", json!({ "v": 3 })).await?;
    run.work("b", json!({})).await?;
    run.work("c", json!({})).await
}

async fn what_a_thrown_error_brings_goes_to_its_catcher(run: &mut Run) -> Result<(), Missing> {
    let sub = Bpmn::process("p").sub("sub", |sub| sub.task("a").input("=0", "local")).input("=0", "mine").end("end");
    let caught = sub.boundary("caught", "sub", Event::Error("BAD")).output("=why", "reason").task("after").end("e");
    run.deploy(caught.boundary("plain", "sub", Event::Error("PLAIN")).task("then").end("e2")).await;
    for code in ["BAD", "PLAIN"] {
        run.start("p", json!({ "v": 1, "local": 1 })).await?;
        let job = run.job("a").await?;
        run.throw(&job, code, json!({ "why": "w", "v": 2, "mine": 3, "local": 4 })).await;
    }
    run.work("after", json!({})).await?;
    run.work("then", json!({})).await
}

async fn variables_may_be_set_in_a_task_or_in_the_whole_instance(run: &mut Run) -> Result<(), Missing> {
    run.deploy(Bpmn::process("p").task("a").task("b").end("end")).await;
    let instance = run.start("p", json!({ "v": 1 })).await?;
    let job = run.job("a").await?;
    run.set_variables(job.element_instance_key, json!({ "v": 2, "w": 2 }), true).await;
    run.set_variables(job.element_instance_key, json!({ "v": 3, "x": 3 }), false).await;
    run.set_variables(instance, json!({ "v": 4, "y": 4 }), true).await;
    run.set_variables(instance, json!({}), false).await;
    run.complete(&job, json!({})).await;
    run.work("b", json!({})).await
}

async fn variables_of_a_subprocess_end_with_it(run: &mut Run) -> Result<(), Missing> {
    run.deploy(nested()).await;
    run.start("p", json!({})).await?;
    let job = run.job("a").await?;
    run.complete(&job, json!({})).await;
    run.set_variables(job.element_instance_key, json!({ "v": 1 }), false).await;
    let job = run.job("b").await?;
    run.complete(&job, json!({ "mine": 1, "fresh": 2 })).await;
    run.work("c", json!({})).await
}

async fn an_output_mapping_of_a_subprocess_carries_its_variables_out(run: &mut Run) -> Result<(), Missing> {
    let sub = Bpmn::process("p").sub("sub", |sub| sub.task("a").end("inner-end").output("=r * 2", "double"));
    let sub = sub.input("=null", "r").input("=null", "double").output("=[r, double]", "all");
    run.deploy(sub.task("b").end("end")).await;
    run.start("p", json!({})).await?;
    run.work("a", json!({ "r": 21 })).await?;
    run.work("b", json!({})).await
}

async fn a_running_job_does_not_see_what_is_set_later_but_its_next_try_does(run: &mut Run) -> Result<(), Missing> {
    run.deploy(Bpmn::process("p").task("a").input("=v", "w").end("end")).await;
    let instance = run.start("p", json!({ "v": 1 })).await?;
    let job = run.job("a").await?;
    run.set_variables(instance, json!({ "v": 2 }), false).await;
    run.fail(&job, 1, "again").await;
    run.work("a", json!({})).await
}

async fn local_variables_of_an_event_end_with_it(run: &mut Run) -> Result<(), Missing> {
    let wait = Bpmn::process("p").catch("wait", Event::Message("m", "=id")).output("=[got, v]", "pair");
    run.deploy(wait.task("a").end("end")).await;
    run.start("p", json!({ "id": "k", "v": 1 })).await?;
    run.publish("m", "k", json!({ "got": 1, "v": 2 })).await;
    run.work("a", json!({})).await
}
