//! Timers in start, intermediate and boundary events.

use super::scenarios;
use crate::{
    bpmn::{Bpmn, Event, Timer},
    run::{Missing, Run},
};
use serde_json::json;

scenarios![
    a_timer_that_cannot_be_read_is_an_incident,
    a_timer_of_the_past_is_due_at_once;
    clock:
    a_duration_passes,
    a_date_comes,
    a_duration_may_be_an_expression,
    an_interrupting_timer_boundary_ends_its_task,
    a_timer_boundary_beside_goes_on_with_its_task,
    a_cycle_beside_a_task_counts_its_rounds,
    a_cycle_without_an_end_goes_on_until_its_task_ends,
    a_timer_boundary_is_gone_with_its_task,
    a_timer_boundary_of_a_receive_task_and_a_message_after_it,
    a_timer_start_event_starts_an_instance_once,
    a_timer_start_event_with_a_cycle_starts_one_after_the_other,
    a_new_version_ends_the_timer_start_event_of_the_last,
    a_timer_boundary_of_a_subprocess_ends_it,
    timers_of_a_cancelled_instance_do_nothing,
    a_timer_event_has_output_mappings,
];

fn waiting(event: Event<'_>) -> Bpmn {
    Bpmn::process("p").catch("wait", event).task("after").end("end")
}

async fn a_timer_that_cannot_be_read_is_an_incident(run: &mut Run) -> Result<(), Missing> {
    run.deploy(waiting(Event::Timer(Timer::After("=pause")))).await;
    for pause in [json!("soon"), json!(5), json!(null), json!("R3/PT5S")] {
        run.start("p", json!({ "pause": pause })).await?;
    }
    run.deploy(waiting(Event::Timer(Timer::At("=when")))).await;
    let instance = run.start("p", json!({ "when": "tomorrow" })).await?;
    run.cancel(instance).await;
    Ok(())
}

async fn a_timer_of_the_past_is_due_at_once(run: &mut Run) -> Result<(), Missing> {
    run.deploy(waiting(Event::Timer(Timer::At("2020-01-01T00:00:00Z")))).await;
    run.together(true).await;
    run.start("p", json!({})).await?;
    let job = run.poll("after");
    let job = run.polled(job).await?;
    run.together(false).await;
    run.complete(&job, json!({})).await;
    Ok(())
}

async fn a_duration_passes(run: &mut Run) -> Result<(), Missing> {
    run.deploy(waiting(Event::Timer(Timer::After("PT1H")))).await;
    run.start("p", json!({})).await?;
    run.advance(30).await;
    run.jobs("after").await;
    run.advance(31).await;
    run.work("after", json!({})).await
}

async fn a_date_comes(run: &mut Run) -> Result<(), Missing> {
    run.deploy(waiting(Event::Timer(Timer::At("=now() + duration(pause)")))).await;
    run.start("p", json!({ "pause": "PT2H" })).await?;
    run.advance(60).await;
    run.jobs("after").await;
    run.advance(61).await;
    run.work("after", json!({})).await
}

async fn a_duration_may_be_an_expression(run: &mut Run) -> Result<(), Missing> {
    run.deploy(waiting(Event::Timer(Timer::After("=duration(pause)")))).await;
    run.start("p", json!({ "pause": "PT10M" })).await?;
    run.start("p", json!({ "pause": "PT0.5H" })).await.err();
    run.start("p", json!({ "pause": "P1D" })).await?;
    run.deploy(waiting(Event::Timer(Timer::After("=pause")))).await;
    run.start("p", json!({ "pause": "PT20M" })).await?;
    for minutes in [11, 10, 24 * 60] {
        run.advance(minutes).await;
        run.jobs("after").await;
    }
    Ok(())
}

fn bounded(event: Event<'_>) -> Bpmn {
    Bpmn::process("p").task("a").end("end").boundary("late", "a", event).task("after").end("timed-out")
}

async fn an_interrupting_timer_boundary_ends_its_task(run: &mut Run) -> Result<(), Missing> {
    run.deploy(bounded(Event::Timer(Timer::After("PT1H")))).await;
    run.start("p", json!({})).await?;
    let job = run.job("a").await?;
    run.advance(61).await;
    run.complete(&job, json!({})).await;
    run.work("after", json!({})).await
}

fn beside(event: Event<'_>) -> Bpmn {
    Bpmn::process("p").task("a").end("end").boundary_beside("late", "a", event).task("after").end("told")
}

async fn a_timer_boundary_beside_goes_on_with_its_task(run: &mut Run) -> Result<(), Missing> {
    run.deploy(beside(Event::Timer(Timer::After("PT10M")))).await;
    run.start("p", json!({})).await?;
    let job = run.job("a").await?;
    for _ in 0..2 {
        run.advance(11).await;
    }
    run.complete(&job, json!({})).await;
    run.work("after", json!({})).await
}

async fn a_cycle_beside_a_task_counts_its_rounds(run: &mut Run) -> Result<(), Missing> {
    run.deploy(beside(Event::Timer(Timer::Every("R3/PT10M")))).await;
    run.start("p", json!({})).await?;
    for _ in 0..5 {
        run.advance(11).await;
    }
    run.work("a", json!({})).await?;
    for job in run.jobs("after").await {
        run.complete(&job, json!({})).await;
    }
    Ok(())
}

async fn a_cycle_without_an_end_goes_on_until_its_task_ends(run: &mut Run) -> Result<(), Missing> {
    run.deploy(beside(Event::Timer(Timer::Every("=cycle(duration(\"PT10M\"))")))).await;
    run.start("p", json!({})).await?;
    for _ in 0..4 {
        run.advance(11).await;
    }
    run.work("a", json!({})).await?;
    run.advance(11).await;
    run.jobs("after").await;
    Ok(())
}

async fn a_timer_boundary_is_gone_with_its_task(run: &mut Run) -> Result<(), Missing> {
    run.deploy(bounded(Event::Timer(Timer::After("PT1H"))).from("a").task("b").to("end")).await;
    run.start("p", json!({})).await?;
    run.work("a", json!({})).await?;
    run.advance(61).await;
    run.work("b", json!({})).await
}

async fn a_timer_boundary_of_a_receive_task_and_a_message_after_it(run: &mut Run) -> Result<(), Missing> {
    let receive = Bpmn::process("p").receive("r", "m", "=id").end("end");
    let late = receive.boundary("late", "r", Event::Timer(Timer::After("PT1H"))).output("={status: \"late\"}", "call");
    run.deploy(late.end("timed-out")).await;
    run.start("p", json!({ "id": "k" })).await?;
    run.start("p", json!({ "id": "l" })).await?;
    run.publish("m", "l", json!({ "call": 1 })).await;
    run.advance(61).await;
    run.publish("m", "k", json!({ "call": 1 })).await;
    Ok(())
}

fn started(event: Event<'_>, task: &str) -> Bpmn {
    Bpmn::bare("p").start("start", event).task(task).end("end")
}

async fn a_timer_start_event_starts_an_instance_once(run: &mut Run) -> Result<(), Missing> {
    run.deploy(started(Event::Timer(Timer::At("=now() + duration(\"PT1H\")")), "a")).await;
    for _ in 0..3 {
        run.advance(61).await;
    }
    run.work("a", json!({})).await
}

async fn a_timer_start_event_with_a_cycle_starts_one_after_the_other(run: &mut Run) -> Result<(), Missing> {
    run.deploy(started(Event::Timer(Timer::Every("R2/PT1H")), "a")).await;
    for _ in 0..4 {
        run.advance(61).await;
    }
    for job in run.jobs("a").await {
        run.complete(&job, json!({})).await;
    }
    Ok(())
}

async fn a_new_version_ends_the_timer_start_event_of_the_last(run: &mut Run) -> Result<(), Missing> {
    run.deploy(started(Event::Timer(Timer::Every("R/PT1H")), "a")).await;
    run.advance(61).await;
    run.deploy(started(Event::None, "b")).await;
    run.advance(61).await;
    run.jobs("a").await;
    run.jobs("b").await;
    Ok(())
}

async fn a_timer_boundary_of_a_subprocess_ends_it(run: &mut Run) -> Result<(), Missing> {
    let sub = Bpmn::process("p").sub("sub", |sub| sub.task("a").receive("r", "m", "=\"k\"").end("e")).end("end");
    run.deploy(sub.boundary("late", "sub", Event::Timer(Timer::After("=pause"))).task("after").end("timed-out")).await;
    run.start("p", json!({ "pause": "PT1H" })).await?;
    run.work("a", json!({})).await?;
    run.advance(61).await;
    run.publish("m", "k", json!({})).await;
    run.work("after", json!({})).await
}

async fn timers_of_a_cancelled_instance_do_nothing(run: &mut Run) -> Result<(), Missing> {
    run.deploy(waiting(Event::Timer(Timer::After("PT1H")))).await;
    let instance = run.start("p", json!({})).await?;
    run.cancel(instance).await;
    run.advance(61).await;
    run.jobs("after").await;
    Ok(())
}

async fn a_timer_event_has_output_mappings(run: &mut Run) -> Result<(), Missing> {
    let wait = Bpmn::process("p").catch("wait", Event::Timer(Timer::After("=duration(pause)"))).output("=n + 1", "n");
    run.deploy(wait.output("=null", "call").task("after").end("end")).await;
    run.start("p", json!({ "pause": "PT5M", "n": 1, "call": 2 })).await?;
    run.advance(6).await;
    run.work("after", json!({})).await
}
