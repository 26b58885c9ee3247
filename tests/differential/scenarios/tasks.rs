//! Service and receive tasks, and their mappings.

use super::scenarios;
use crate::{
    bpmn::Bpmn,
    run::{Missing, Run},
};
use serde_json::json;

scenarios![
    a_job_brings_headers_and_variables,
    type_and_retries_may_be_expressions,
    a_job_type_that_is_no_text_is_an_incident,
    retries_that_are_no_number_are_an_incident,
    only_the_variables_asked_for_are_sent,
    input_mappings_make_local_variables,
    output_mappings_keep_the_rest_local,
    a_mapping_into_a_path_makes_contexts,
    a_failed_assertion_in_an_input_mapping_is_an_incident_that_a_variable_mends,
    a_failed_assertion_in_an_output_mapping_is_an_incident_that_a_variable_mends,
    a_missing_variable_in_a_mapping_is_null,
    a_receive_task_merges_the_message,
    a_receive_task_with_an_output_mapping_keeps_the_message_local,
    a_correlation_key_that_is_missing_is_an_incident,
    numbers_texts_and_lists_come_back_as_they_went_in,
];

async fn a_job_brings_headers_and_variables(run: &mut Run) -> Result<(), Missing> {
    let task = Bpmn::process("p").task("a").header("template", "fuse <&>").header("empty", "").end("end");
    run.deploy(task).await;
    run.start("p", json!({ "v": { "deep": [1, null, "ü"] } })).await?;
    run.work("a", json!({ "result": 1.5 })).await
}

async fn type_and_retries_may_be_expressions(run: &mut Run) -> Result<(), Missing> {
    run.deploy(Bpmn::process("p").task_of("a", "=\"~\" + kind", "=tries * 2").end("end")).await;
    run.start("p", json!({ "kind": "x", "tries": 2 })).await?;
    run.work("x", json!({})).await
}

async fn a_job_type_that_is_no_text_is_an_incident(run: &mut Run) -> Result<(), Missing> {
    run.deploy(Bpmn::process("p").task_of("a", "=kind", "").end("end")).await;
    for kind in [json!(1), json!(null), json!(["x"])] {
        let instance = run.start("p", json!({ "kind": kind })).await?;
        run.cancel(instance).await;
    }
    let instance = run.start("p", json!({})).await?;
    run.set_variables(instance, json!({ "kind": "~x" }), false).await;
    let incident = run.incident()?;
    run.resolve(incident).await;
    Ok(())
}

async fn retries_that_are_no_number_are_an_incident(run: &mut Run) -> Result<(), Missing> {
    run.deploy(Bpmn::process("p").task_of("a", "a", "=tries").end("end")).await;
    for tries in [json!("3"), json!(null), json!(2.7), json!(0), json!(-1)] {
        let instance = run.start("p", json!({ "tries": tries })).await?;
        run.jobs("a").await;
        run.cancel(instance).await;
    }
    Ok(())
}

async fn only_the_variables_asked_for_are_sent(run: &mut Run) -> Result<(), Missing> {
    run.deploy(Bpmn::process("p").task("a").input("=v", "local").end("end")).await;
    run.start("p", json!({ "v": 1, "w": 2, "x": 3 })).await?;
    let mut query = run.query("a");
    query.variables = ["w", "local", "nothing"].map(str::to_owned).to_vec();
    run.jobs_by(&query).await;
    Ok(())
}

async fn input_mappings_make_local_variables(run: &mut Run) -> Result<(), Missing> {
    let task = Bpmn::process("p").task("a").input("=v + 1", "v").input("=v * 10", "w").task("b").end("end");
    run.deploy(task).await;
    run.start("p", json!({ "v": 1 })).await?;
    run.work("a", json!({ "v": 100, "x": 3, "w": 5 })).await?;
    run.work("b", json!({})).await
}

async fn output_mappings_keep_the_rest_local(run: &mut Run) -> Result<(), Missing> {
    let task = Bpmn::process("p").task("a").input("=1", "local").output("=result.n", "n").output("=n + local", "m");
    run.deploy(task.task("b").end("end")).await;
    run.start("p", json!({ "v": 1 })).await?;
    run.work("a", json!({ "result": { "n": 5 }, "v": 2, "local": 7 })).await?;
    run.work("b", json!({})).await
}

async fn a_mapping_into_a_path_makes_contexts(run: &mut Run) -> Result<(), Missing> {
    let task = Bpmn::process("p").task("a").input("=1", "into.x").input("=2", "into.y.z").input("=into.x", "again");
    run.deploy(task.output("=r", "out.first").output("=r + 1", "out.second").task("b").end("end")).await;
    run.start("p", json!({ "into": 0, "out": { "kept": true } })).await?;
    run.work("a", json!({ "r": 1 })).await?;
    run.work("b", json!({})).await
}

async fn a_failed_assertion_in_an_input_mapping_is_an_incident_that_a_variable_mends(
    run: &mut Run,
) -> Result<(), Missing> {
    let checked = r#"=assert(v, v != null, "v is not there")"#;
    run.deploy(Bpmn::process("p").task("a").input(checked, "w").end("end")).await;
    let instance = run.start("p", json!({})).await?;
    run.jobs("a").await;
    run.set_variables(instance, json!({ "v": 1 }), false).await;
    let incident = run.incident()?;
    run.resolve(incident).await;
    run.work("a", json!({})).await
}

async fn a_failed_assertion_in_an_output_mapping_is_an_incident_that_a_variable_mends(
    run: &mut Run,
) -> Result<(), Missing> {
    let checked = r#"=assert(v, v > 0, "v is not positive")"#;
    run.deploy(Bpmn::process("p").task("a").output(checked, "w").end("end")).await;
    run.start("p", json!({})).await?;
    let job = run.job("a").await?;
    run.complete(&job, json!({ "v": -1 })).await;
    run.complete(&job, json!({ "v": 1 })).await;
    run.set_variables(job.element_instance_key, json!({ "v": 2 }), true).await;
    let incident = run.incident()?;
    run.resolve(incident).await;
    Ok(())
}

async fn a_missing_variable_in_a_mapping_is_null(run: &mut Run) -> Result<(), Missing> {
    let task =
        Bpmn::process("p").task("a").input("=nothing", "x").input("=nothing.deep", "y").input("=1 + nothing", "z");
    run.deploy(task.output("=nothing", "w").end("end")).await;
    run.start("p", json!({})).await?;
    run.work("a", json!({})).await
}

async fn a_receive_task_merges_the_message(run: &mut Run) -> Result<(), Missing> {
    run.deploy(Bpmn::process("p").receive("r", "m", "=call.id").task("a").end("end")).await;
    run.start("p", json!({ "call": { "id": "k" }, "v": 1 })).await?;
    run.publish("m", "k", json!({ "v": 2, "call": { "status": "succeeded" } })).await;
    run.work("a", json!({})).await
}

async fn a_receive_task_with_an_output_mapping_keeps_the_message_local(run: &mut Run) -> Result<(), Missing> {
    let receive = Bpmn::process("p").receive("r", "m", "=id").input("=9", "local").output("=call.status + \"!\"", "s");
    run.deploy(receive.task("a").end("end")).await;
    run.start("p", json!({ "id": "k", "call": 0 })).await?;
    run.publish("m", "k", json!({ "call": { "status": "done" }, "other": 1 })).await;
    run.work("a", json!({})).await
}

async fn a_correlation_key_that_is_missing_is_an_incident(run: &mut Run) -> Result<(), Missing> {
    run.deploy(Bpmn::process("p").receive("r", "m", "=id").end("end")).await;
    let instance = run.start("p", json!({})).await?;
    run.set_variables(instance, json!({ "id": "k" }), false).await;
    let incident = run.incident()?;
    run.resolve(incident).await;
    run.publish("m", "k", json!({})).await;
    Ok(())
}

async fn numbers_texts_and_lists_come_back_as_they_went_in(run: &mut Run) -> Result<(), Missing> {
    run.deploy(Bpmn::process("p").task("a").input("=v", "w").end("end")).await;
    let variables = json!({ "v": [0, -1, 1.0, 1e3, 0.1, 123_456_789_012_i64, 1e300, true, "", "\u{1}\"\\", {}, []] });
    run.start("p", variables).await?;
    let back = json!({ "x": 1.0, "y": 3.25, "z": { "b": 1, "a": [[], {}] } });
    run.work("a", back).await
}
