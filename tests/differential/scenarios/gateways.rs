//! Sequence flows and gateways.

use super::scenarios;
use crate::{
    bpmn::Bpmn,
    run::{Missing, Run},
};
use serde_json::json;

scenarios![
    the_last_flow_in_the_file_whose_condition_holds_is_taken,
    the_order_of_flows_counts_and_not_that_of_their_names_at_the_gateway,
    a_default_flow_is_taken_when_no_condition_holds,
    without_a_flow_to_take_there_is_an_incident_that_a_new_variable_mends,
    a_condition_that_is_no_boolean_is_an_incident,
    parallel_branches_join,
    a_parallel_gateway_joins_and_forks_at_once,
    a_join_waits_for_each_of_its_flows_and_counts_a_second_token_for_the_next,
    an_exclusive_gateway_merges_without_waiting,
    a_loop_goes_round_until_its_condition_ends_it,
    several_flows_leave_a_task_side_by_side,
    an_instance_ends_with_its_last_token,
];

fn choice() -> Bpmn {
    let gateway = Bpmn::process("p").exclusive("gw").when("=x > 5").task("middle").end("middle-end");
    gateway.from("gw").when("=x > 10").task("big").end("big-end")
}

async fn the_last_flow_in_the_file_whose_condition_holds_is_taken(run: &mut Run) -> Result<(), Missing> {
    run.deploy(choice()).await;
    for x in [20, 7] {
        run.start("p", json!({ "x": x })).await?;
    }
    run.work("big", json!({})).await?;
    run.work("middle", json!({ "done": true })).await
}

async fn the_order_of_flows_counts_and_not_that_of_their_names_at_the_gateway(run: &mut Run) -> Result<(), Missing> {
    let text = choice().otherwise().from("gw").end("small").xml();
    let (one, two) = ("<outgoing>flow2</outgoing>", "<outgoing>flow4</outgoing>");
    let turned = text.replace(&format!("{one}{two}"), &format!("{two}{one}"));
    run.note(format!("turned: {}", turned != text));
    run.deploy_files(vec![("p.bpmn".to_owned(), turned)]).await;
    for x in [20, 7, 1] {
        run.start("p", json!({ "x": x })).await?;
    }
    Ok(())
}

async fn a_default_flow_is_taken_when_no_condition_holds(run: &mut Run) -> Result<(), Missing> {
    run.deploy(choice().from("gw").otherwise().task("small").end("small-end")).await;
    for x in [json!(1), json!(7), json!(11), json!(null), json!("text")] {
        run.start("p", json!({ "x": x })).await?;
    }
    for job_type in ["small", "middle", "big"] {
        for job in run.jobs(job_type).await {
            run.complete(&job, json!({})).await;
        }
    }
    Ok(())
}

async fn without_a_flow_to_take_there_is_an_incident_that_a_new_variable_mends(run: &mut Run) -> Result<(), Missing> {
    run.deploy(choice()).await;
    let instance = run.start("p", json!({ "x": 1 })).await?;
    let incident = run.incident()?;
    run.resolve(incident).await;
    run.set_variables(instance, json!({ "x": 12 }), false).await;
    let again = run.incident()?;
    run.resolve(again).await;
    run.work("big", json!({})).await
}

async fn a_condition_that_is_no_boolean_is_an_incident(run: &mut Run) -> Result<(), Missing> {
    run.deploy(choice()).await;
    run.start("p", json!({ "x": "a text" })).await?;
    run.start("p", json!({})).await?;
    run.deploy(Bpmn::process("q").exclusive("gw").when("=x").end("yes").from("gw").otherwise().end("no")).await;
    for x in [json!(1), json!("true"), json!(null), json!(true), json!(false), json!([])] {
        run.start("q", json!({ "x": x })).await?;
    }
    Ok(())
}

async fn parallel_branches_join(run: &mut Run) -> Result<(), Missing> {
    let fork = Bpmn::process("p").parallel("fork").task("a").parallel("join").task("after").end("end");
    run.deploy(fork.from("fork").task("b").to("join").from("fork").task("c").to("join")).await;
    run.start("p", json!({})).await?;
    for job_type in ["b", "a", "c"] {
        run.work(job_type, json!({ job_type: true })).await?;
    }
    run.work("after", json!({})).await
}

async fn a_parallel_gateway_joins_and_forks_at_once(run: &mut Run) -> Result<(), Missing> {
    let fork = Bpmn::process("p").parallel("fork").parallel("both").task("a").parallel("join").end("end");
    run.deploy(fork.from("fork").to("both").from("both").task("b").to("join")).await;
    run.start("p", json!({})).await?;
    run.work("a", json!({})).await?;
    run.work("b", json!({})).await
}

async fn a_join_waits_for_each_of_its_flows_and_counts_a_second_token_for_the_next(
    run: &mut Run,
) -> Result<(), Missing> {
    // Two tokens come by the first flow before one comes by the second.
    let tokens = Bpmn::process("p").parallel("fork").exclusive("merge").parallel("join").task("after").end("end");
    let tokens = tokens.from("fork").to("merge").from("fork").task("late").to("join");
    run.deploy(tokens).await;
    let instance = run.start("p", json!({})).await?;
    run.work("late", json!({})).await?;
    run.work("after", json!({})).await?;
    run.cancel(instance).await;
    Ok(())
}

async fn an_exclusive_gateway_merges_without_waiting(run: &mut Run) -> Result<(), Missing> {
    let fork = Bpmn::process("p").parallel("fork").task("a").exclusive("merge").task("after").end("end");
    run.deploy(fork.from("fork").task("b").to("merge")).await;
    run.start("p", json!({})).await?;
    run.work("a", json!({})).await?;
    run.work("after", json!({})).await?;
    run.work("b", json!({})).await?;
    run.work("after", json!({})).await
}

async fn a_loop_goes_round_until_its_condition_ends_it(run: &mut Run) -> Result<(), Missing> {
    let round = Bpmn::process("p").exclusive("again").task("a").output("=n + 1", "n").exclusive("enough");
    run.deploy(round.when("=n < 3").to("again").from("enough").otherwise().end("end")).await;
    run.start("p", json!({ "n": 0 })).await?;
    for round in 0..3 {
        run.work("a", json!({ "round": round })).await?;
    }
    Ok(())
}

async fn several_flows_leave_a_task_side_by_side(run: &mut Run) -> Result<(), Missing> {
    run.deploy(Bpmn::process("p").task("a").task("b").end("e1").from("a").task("c").end("e2")).await;
    run.start("p", json!({})).await?;
    for job_type in ["a", "c", "b"] {
        run.work(job_type, json!({ "last": job_type })).await?;
    }
    Ok(())
}

async fn an_instance_ends_with_its_last_token(run: &mut Run) -> Result<(), Missing> {
    // Without end events, and with an element that nothing follows.
    run.deploy(Bpmn::process("p").parallel("fork").task("a").from("fork").pass("thrown").from("fork").end("e")).await;
    run.start("p", json!({ "v": [1, { "w": 2.5 }] })).await?;
    run.work("a", json!({ "x": null })).await
}
