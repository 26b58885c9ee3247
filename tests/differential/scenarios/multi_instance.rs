//! Multi-instance activities.

use super::scenarios;
use crate::{
    bpmn::{Bpmn, Each, Event},
    run::{Missing, Run},
};
use serde_json::{Value, json};

scenarios![
    parallel_instances_run_side_by_side_and_collect_in_order,
    sequential_instances_run_one_after_the_other,
    an_empty_collection_is_done_at_once,
    a_collection_that_is_no_list_is_an_incident,
    a_completion_condition_ends_the_rest,
    a_completion_condition_ends_a_sequence_early,
    a_completion_condition_counts_instances,
    an_output_element_may_be_missing,
    an_output_element_that_fails_is_an_incident,
    a_multi_instance_subprocess_keeps_its_variables_apart,
    a_multi_instance_call_activity,
    a_boundary_event_of_a_multi_instance_ends_all,
    an_error_in_one_instance_ends_all,
    instances_within_instances,
    cancelling_ends_all_instances,
    without_an_output_collection_results_overwrite_each_other,
    input_and_output_mappings_count_for_each_instance,
    multi_instance_receive_tasks_wait_each_for_its_key,
];

const EACH: Each<'_> =
    Each { sequential: false, of: "=items", named: "item", into: "results", result: "=result", until: "" };
const ONE_BY_ONE: Each<'_> = Each { sequential: true, ..EACH };

async fn each(run: &mut Run, each: Each<'_>, items: Value) -> Result<i64, Missing> {
    run.deploy(Bpmn::process("p").task("a").each(each).task("after").end("end")).await;
    run.start("p", json!({ "items": items })).await
}

async fn parallel_instances_run_side_by_side_and_collect_in_order(run: &mut Run) -> Result<(), Missing> {
    each(run, EACH, json!([3, "b", null])).await?;
    for job in run.jobs("a").await.iter().rev() {
        run.complete(job, json!({ "result": serde_json::from_str::<Value>(&job.variables).unwrap() })).await;
    }
    run.work("after", json!({})).await
}

async fn sequential_instances_run_one_after_the_other(run: &mut Run) -> Result<(), Missing> {
    each(run, ONE_BY_ONE, json!(["x", "y", "z"])).await?;
    for result in 0..3 {
        run.work("a", json!({ "result": result })).await?;
    }
    run.work("after", json!({})).await
}

async fn an_empty_collection_is_done_at_once(run: &mut Run) -> Result<(), Missing> {
    for of in [EACH, ONE_BY_ONE, Each { into: "", result: "", ..EACH }] {
        each(run, of, json!([])).await?;
        run.work("after", json!({})).await?;
    }
    Ok(())
}

async fn a_collection_that_is_no_list_is_an_incident(run: &mut Run) -> Result<(), Missing> {
    let instance = each(run, EACH, json!("text")).await?;
    run.start("p", json!({})).await?;
    run.start("p", json!({ "items": { "a": 1 } })).await?;
    run.set_variables(instance, json!({ "items": [1] }), false).await;
    let incident = run.incident()?;
    run.resolve(incident).await;
    run.work("a", json!({ "result": 1 })).await?;
    run.work("after", json!({})).await
}

async fn a_completion_condition_ends_the_rest(run: &mut Run) -> Result<(), Missing> {
    each(run, Each { until: "=enough = true", ..EACH }, json!([1, 2, 3])).await?;
    let jobs = run.jobs("a").await;
    run.complete(&jobs[1], json!({ "result": "two" })).await;
    run.complete(&jobs[0], json!({ "result": "one", "enough": true })).await;
    run.complete(&jobs[2], json!({ "result": "three" })).await;
    run.work("after", json!({})).await
}

async fn a_completion_condition_ends_a_sequence_early(run: &mut Run) -> Result<(), Missing> {
    each(run, Each { until: "=result = \"stop\"", ..ONE_BY_ONE }, json!([1, 2, 3])).await?;
    run.work("a", json!({ "result": "go" })).await?;
    run.work("a", json!({ "result": "stop" })).await?;
    run.work("after", json!({})).await
}

async fn a_completion_condition_counts_instances(run: &mut Run) -> Result<(), Missing> {
    let condition = "=numberOfCompletedInstances >= 2 and numberOfActiveInstances > 1 and numberOfInstances = 4";
    each(run, Each { until: condition, ..EACH }, json!([1, 2, 3, 4])).await?;
    for job in run.jobs("a").await {
        run.complete(&job, json!({ "result": 0 })).await;
    }
    run.work("after", json!({})).await?;
    each(run, Each { until: "=result", ..EACH }, json!([1])).await?;
    run.work("a", json!({ "result": 7 })).await
}

async fn an_output_element_may_be_missing(run: &mut Run) -> Result<(), Missing> {
    each(run, Each { result: "=nothing", ..EACH }, json!([1, 2])).await?;
    for job in run.jobs("a").await {
        run.complete(&job, json!({})).await;
    }
    run.work("after", json!({})).await
}

async fn an_output_element_that_fails_is_an_incident(run: &mut Run) -> Result<(), Missing> {
    let instance = each(run, Each { result: "=assert(r, r != null, \"no r\")", ..EACH }, json!([1])).await?;
    run.work("a", json!({})).await?;
    run.set_variables(instance, json!({ "r": 5 }), false).await;
    let incident = run.incident()?;
    run.resolve(incident).await;
    run.work("after", json!({})).await
}

async fn a_multi_instance_subprocess_keeps_its_variables_apart(run: &mut Run) -> Result<(), Missing> {
    let sub = |sub: Bpmn| sub.task("a").task("b").output("=v * item", "result").end("e");
    run.deploy(Bpmn::process("p").sub("sub", sub).input("=0", "v").each(EACH).task("after").end("end")).await;
    run.start("p", json!({ "items": [2, 3] })).await?;
    for (n, job) in run.jobs("a").await.iter().enumerate() {
        run.complete(job, json!({ "v": n + 10, "shared": n })).await;
    }
    for job in run.jobs("b").await {
        run.complete(&job, json!({})).await;
    }
    run.work("after", json!({})).await
}

async fn a_multi_instance_call_activity(run: &mut Run) -> Result<(), Missing> {
    run.deploy(Bpmn::process("child").task("a").end("end")).await;
    let neither = r#"propagateAllChildVariables="false" propagateAllParentVariables="false""#;
    let call = Bpmn::process("p").call("call", "child", neither).input("=item.x", "x").output("=got", "result");
    run.deploy(call.each(EACH).task("after").end("end")).await;
    run.start("p", json!({ "items": [{ "x": 1 }, { "x": 2 }, {}] })).await?;
    for (n, job) in run.jobs("a").await.iter().enumerate() {
        run.complete(job, json!({ "got": n })).await;
    }
    run.work("after", json!({})).await
}

async fn a_boundary_event_of_a_multi_instance_ends_all(run: &mut Run) -> Result<(), Missing> {
    let tasks = Bpmn::process("p").task("a").each(EACH).end("end");
    run.deploy(tasks.boundary("stop", "a", Event::Message("m", "=id")).task("after").end("stopped")).await;
    run.start("p", json!({ "items": [1, 2, 3], "id": "k" })).await?;
    let jobs = run.jobs("a").await;
    run.complete(&jobs[0], json!({ "result": 1 })).await;
    run.publish("m", "k", json!({})).await;
    run.complete(&jobs[1], json!({ "result": 2 })).await;
    run.work("after", json!({})).await
}

async fn an_error_in_one_instance_ends_all(run: &mut Run) -> Result<(), Missing> {
    let tasks = Bpmn::process("p").task("a").each(EACH).end("end");
    run.deploy(tasks.boundary("caught", "a", Event::Error("BAD")).task("after").end("mended")).await;
    run.start("p", json!({ "items": [1, 2, 3] })).await?;
    let jobs = run.jobs("a").await;
    run.complete(&jobs[0], json!({ "result": 1 })).await;
    run.throw(&jobs[1], "BAD", json!({ "why": 2 })).await;
    run.complete(&jobs[2], json!({ "result": 3 })).await;
    run.work("after", json!({})).await
}

async fn instances_within_instances(run: &mut Run) -> Result<(), Missing> {
    let inner = Each { of: "=item", named: "one", into: "inner", ..EACH };
    let outer = Each { result: "=inner", ..EACH };
    let sub = |sub: Bpmn| sub.task("a").each(inner).end("e");
    run.deploy(Bpmn::process("p").sub("sub", sub).each(outer).task("after").end("end")).await;
    run.start("p", json!({ "items": [[1, 2], [], [3]] })).await?;
    for job in run.jobs("a").await {
        let variables: Value = serde_json::from_str(&job.variables).unwrap();
        run.complete(&job, json!({ "result": variables["one"] })).await;
    }
    run.work("after", json!({})).await
}

async fn cancelling_ends_all_instances(run: &mut Run) -> Result<(), Missing> {
    let instance = each(run, EACH, json!([1, 2])).await?;
    let jobs = run.jobs("a").await;
    run.cancel(instance).await;
    run.complete(&jobs[0], json!({})).await;
    Ok(())
}

async fn without_an_output_collection_results_overwrite_each_other(run: &mut Run) -> Result<(), Missing> {
    each(run, Each { into: "", result: "", ..EACH }, json!([1, 2])).await?;
    for (n, job) in run.jobs("a").await.iter().enumerate() {
        run.complete(job, json!({ "result": n, "item": n })).await;
    }
    run.work("after", json!({})).await
}

async fn input_and_output_mappings_count_for_each_instance(run: &mut Run) -> Result<(), Missing> {
    let task = Bpmn::process("p").task("a").input("=item * 2", "double").input("=loopCounter", "n");
    run.deploy(task.output("=double + r", "result").each(EACH).task("after").end("end")).await;
    run.start("p", json!({ "items": [1, 2] })).await?;
    for job in run.jobs("a").await {
        run.complete(&job, json!({ "r": 100, "s": 1 })).await;
    }
    run.work("after", json!({})).await
}

async fn multi_instance_receive_tasks_wait_each_for_its_key(run: &mut Run) -> Result<(), Missing> {
    let receive = Bpmn::process("p").receive("r", "m", "=item").output("=got", "result");
    run.deploy(receive.each(EACH).task("after").end("end")).await;
    run.start("p", json!({ "items": ["a", "b"] })).await?;
    run.publish("m", "b", json!({ "got": 2 })).await;
    run.publish("m", "a", json!({ "got": 1 })).await;
    run.work("after", json!({})).await
}
