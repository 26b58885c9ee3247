//! Messages: kept for a while, told apart by their ids, correlated once to each process.

use super::scenarios;
use crate::{
    bpmn::{Bpmn, Event},
    run::{Missing, Run},
};
use serde_json::json;
use std::time::Duration;

scenarios![
    a_kept_message_waits_for_its_receiver,
    a_message_that_is_not_kept_is_lost,
    kept_messages_come_in_their_order,
    an_id_is_taken_while_its_message_is_kept,
    a_message_reaches_one_instance_of_each_process,
    a_message_reaches_the_instance_that_waited_first,
    correlation_keys_are_texts_or_whole_numbers,
    an_instance_takes_a_message_once,
    a_message_without_a_name_is_refused,
    message_names_may_be_expressions;
    clock: a_kept_message_expires, an_id_is_free_again_when_its_message_has_expired
];

const HOUR: Duration = Duration::from_secs(3600);

fn receiver(process: &str) -> Bpmn {
    Bpmn::process(process).task("before").receive("r", "m", "=id").end("end")
}

async fn a_kept_message_waits_for_its_receiver(run: &mut Run) -> Result<(), Missing> {
    run.deploy(receiver("p")).await;
    run.start("p", json!({ "id": "k" })).await?;
    run.publish_with("m", "k", "", HOUR, json!({ "v": 1 })).await;
    run.work("before", json!({})).await
}

async fn a_message_that_is_not_kept_is_lost(run: &mut Run) -> Result<(), Missing> {
    run.deploy(receiver("p")).await;
    run.start("p", json!({ "id": "k" })).await?;
    run.publish("m", "k", json!({ "v": 1 })).await;
    run.work("before", json!({})).await?;
    run.publish("m", "k", json!({ "v": 2 })).await;
    Ok(())
}

async fn kept_messages_come_in_their_order(run: &mut Run) -> Result<(), Missing> {
    let twice = Bpmn::process("p").task("before").receive("r1", "m", "=id").output("=v", "first");
    run.deploy(twice.receive("r2", "m", "=id").output("=v", "second").end("end")).await;
    run.start("p", json!({ "id": "k" })).await?;
    for v in 0..3 {
        run.publish_with("m", "k", "", HOUR, json!({ "v": v })).await;
    }
    run.work("before", json!({})).await
}

async fn an_id_is_taken_while_its_message_is_kept(run: &mut Run) -> Result<(), Missing> {
    run.deploy(receiver("p")).await;
    for (name, key, id) in [("m", "k", "1"), ("m", "k", "1"), ("m", "k", "2"), ("m", "l", "1"), ("n", "k", "1")] {
        run.publish_with(name, key, id, HOUR, json!({})).await;
    }
    run.publish("m", "k", json!({})).await;
    // Not kept, so never taken.
    run.publish_with("m", "z", "1", Duration::ZERO, json!({})).await;
    run.publish_with("m", "z", "1", Duration::ZERO, json!({})).await;
    // Correlated, but still kept.
    run.start("p", json!({ "id": "k" })).await?;
    run.work("before", json!({})).await?;
    run.publish_with("m", "k", "1", HOUR, json!({})).await;
    Ok(())
}

async fn a_message_reaches_one_instance_of_each_process(run: &mut Run) -> Result<(), Missing> {
    run.deploy(Bpmn::process("p").receive("r", "m", "=id").end("end")).await;
    run.deploy(Bpmn::process("q").catch("r", Event::Message("m", "=id")).end("end")).await;
    for process in ["p", "q", "p"] {
        run.start(process, json!({ "id": "k" })).await?;
    }
    for v in 0..2 {
        run.publish("m", "k", json!({ "v": v })).await;
    }
    Ok(())
}

async fn a_message_reaches_the_instance_that_waited_first(run: &mut Run) -> Result<(), Missing> {
    run.deploy(Bpmn::process("p").receive("r", "m", "=\"k\"").end("end")).await;
    for n in 0..3 {
        run.start("p", json!({ "n": n })).await?;
    }
    for v in 0..3 {
        run.publish("m", "k", json!({ "v": v })).await;
    }
    Ok(())
}

async fn correlation_keys_are_texts_or_whole_numbers(run: &mut Run) -> Result<(), Missing> {
    run.deploy(Bpmn::process("p").receive("r", "m", "=id").end("end")).await;
    for id in [json!(7), json!(-1), json!("7"), json!(1.5), json!(2.0), json!(true), json!([1]), json!({}), json!("")] {
        run.start("p", json!({ "id": id })).await?;
    }
    for key in ["7", "7", "-1", "1.5", "2", "2.0", "1", "true", ""] {
        run.publish("m", key, json!({})).await;
    }
    Ok(())
}

async fn an_instance_takes_a_message_once(run: &mut Run) -> Result<(), Missing> {
    // Two receivers of one instance: a message goes to one of them.
    let fork = Bpmn::process("p").parallel("fork").receive("r1", "m", "=id").end("e1");
    run.deploy(fork.from("fork").task("before").receive("r2", "m", "=id").end("e2")).await;
    run.start("p", json!({ "id": "k" })).await?;
    run.publish_with("m", "k", "", HOUR, json!({ "v": 1 })).await;
    run.work("before", json!({})).await?;
    run.publish_with("m", "k", "", HOUR, json!({ "v": 2 })).await;
    Ok(())
}

async fn a_message_without_a_name_is_refused(run: &mut Run) -> Result<(), Missing> {
    run.raw("publish nothing", |mut stub, _| async move {
        stub.publish_message(zeebe2faas::zeebe::proto::PublishMessageRequest::default()).await
    })
    .await;
    Ok(())
}

async fn message_names_may_be_expressions(run: &mut Run) -> Result<(), Missing> {
    run.deploy(Bpmn::process("p").receive("r", "=\"~\" + kind", "=id").end("end")).await;
    run.start("p", json!({ "id": "k", "kind": "m" })).await?;
    run.start("p", json!({ "id": "k", "kind": 1 })).await?;
    run.publish("m", "k", json!({})).await;
    Ok(())
}

async fn a_kept_message_expires(run: &mut Run) -> Result<(), Missing> {
    run.deploy(receiver("p")).await;
    run.start("p", json!({ "id": "k" })).await?;
    run.start("p", json!({ "id": "k" })).await?;
    run.publish_with("m", "k", "", Duration::from_secs(600), json!({ "v": 1 })).await;
    run.publish_with("m", "k", "", Duration::from_secs(1800), json!({ "v": 2 })).await;
    run.advance(20).await;
    for job in run.jobs("before").await {
        run.complete(&job, json!({})).await;
    }
    Ok(())
}

async fn an_id_is_free_again_when_its_message_has_expired(run: &mut Run) -> Result<(), Missing> {
    for minutes in [0, 5, 10] {
        run.advance(minutes + 1).await;
        run.publish_with("m", "k", "1", Duration::from_secs(600), json!({})).await;
    }
    Ok(())
}
