//! Jobs: locks, retries, pauses, incidents, errors, long polls and streams.

use super::scenarios;
use crate::{
    bpmn::{Bpmn, Event},
    run::{Missing, Run},
};
use serde_json::json;
use std::time::Duration;
use zeebe2faas::zeebe::FailJob;

scenarios![
    a_locked_job_is_not_handed_out_twice,
    a_failed_job_comes_again_while_it_has_retries,
    a_job_without_retries_is_an_incident,
    new_retries_and_a_resolved_incident_hand_the_job_out_again,
    a_resolved_incident_without_retries_stands_again,
    retries_of_a_job_may_be_set_before_it_fails,
    an_error_is_caught_by_the_boundary_with_its_code,
    an_error_goes_out_through_subprocesses,
    an_error_that_nobody_catches_stays_with_the_job,
    a_cancelled_instance_takes_its_jobs_and_incidents_along,
    a_poll_waits_for_a_job,
    a_stream_brings_jobs_as_they_come,
    a_stream_brings_a_job_again_when_it_failed,
    a_job_that_failed_is_completed_late_by_its_first_worker,
    at_most_so_many_jobs_are_handed_out,
    a_failed_task_with_an_incident_can_still_be_interrupted;
    clock:
    a_lock_ends_and_the_job_is_handed_out_again,
    a_job_is_completed_after_its_lock_has_ended,
    a_renewed_lock_lasts_longer,
    a_back_off_keeps_a_failed_job_away,
    a_back_off_ends_early_with_new_retries,
    a_shortened_lock_ends_early,
];

const MINUTE: Duration = Duration::from_secs(60);

async fn one_task(run: &mut Run) -> Result<i64, Missing> {
    run.deploy(Bpmn::process("p").task("a").end("end")).await;
    run.start("p", json!({ "v": 1 })).await
}

async fn a_locked_job_is_not_handed_out_twice(run: &mut Run) -> Result<(), Missing> {
    one_task(run).await?;
    let job = run.job("a").await?;
    run.jobs("a").await;
    run.complete(&job, json!({})).await;
    run.complete(&job, json!({})).await;
    Ok(())
}

async fn a_failed_job_comes_again_while_it_has_retries(run: &mut Run) -> Result<(), Missing> {
    one_task(run).await?;
    for retries in [2, 1, 5] {
        let job = run.job("a").await?;
        run.fail(&job, retries, "again").await;
    }
    run.work("a", json!({})).await
}

async fn a_job_without_retries_is_an_incident(run: &mut Run) -> Result<(), Missing> {
    let instance = one_task(run).await?;
    let job = run.job("a").await?;
    run.fail(&job, 0, "count: answered HTTP 429 Too Many Requests").await;
    run.jobs("a").await;
    for retries in [0, 1] {
        run.fail(&job, retries, "once more").await;
    }
    run.complete(&job, json!({})).await;
    run.throw(&job, "BAD", json!({})).await;
    run.set_timeout(&job, MINUTE).await;
    run.cancel(instance).await;
    one_task(run).await?;
    let job = run.job("a").await?;
    run.fail(&job, 0, "").await;
    Ok(())
}

async fn new_retries_and_a_resolved_incident_hand_the_job_out_again(run: &mut Run) -> Result<(), Missing> {
    one_task(run).await?;
    let job = run.job("a").await?;
    let failure = FailJob { key: job.key, message: "no".to_owned(), ..FailJob::default() };
    run.fail_with(FailJob { variables: json!({ "seen": 1 }), ..failure }).await;
    run.set_retries(&job, 7).await;
    run.jobs("a").await;
    let incident = run.incident()?;
    run.resolve(incident).await;
    run.resolve(incident).await;
    run.work("a", json!({})).await
}

async fn a_resolved_incident_without_retries_stands_again(run: &mut Run) -> Result<(), Missing> {
    one_task(run).await?;
    let job = run.job("a").await?;
    run.fail(&job, 0, "no").await;
    let incident = run.incident()?;
    run.resolve(incident).await;
    run.jobs("a").await;
    if let Ok(incident) = run.incident() {
        run.set_retries(&job, 1).await;
        run.resolve(incident).await;
    }
    run.work("a", json!({})).await
}

async fn retries_of_a_job_may_be_set_before_it_fails(run: &mut Run) -> Result<(), Missing> {
    one_task(run).await?;
    let job = run.job("a").await?;
    for retries in [9, 0, -1] {
        run.set_retries(&job, retries).await;
    }
    run.fail(&job, -3, "negative").await;
    run.work("a", json!({})).await.err();
    run.set_retries(&job, 4).await;
    Ok(())
}

async fn an_error_is_caught_by_the_boundary_with_its_code(run: &mut Run) -> Result<(), Missing> {
    let task = Bpmn::process("p").task("a").end("end").boundary("x", "a", Event::Error("X")).end("x-end");
    run.deploy(task.boundary("y", "a", Event::Error("Y")).output("=why", "y").task("after").end("y-end")).await;
    for code in ["Y", "X"] {
        run.start("p", json!({ "v": 1 })).await?;
        let job = run.job("a").await?;
        run.throw(&job, code, json!({ "why": code })).await;
        run.throw(&job, code, json!({})).await;
        run.complete(&job, json!({})).await;
    }
    run.work("after", json!({})).await
}

async fn an_error_goes_out_through_subprocesses(run: &mut Run) -> Result<(), Missing> {
    let inner = |sub: Bpmn| {
        let sub = sub.sub("inner", |sub| sub.task("a").end("e1")).end("e2");
        sub.boundary("other", "inner", Event::Error("OTHER")).end("e3")
    };
    let outer = Bpmn::process("p").sub("outer", inner).end("end");
    run.deploy(outer.boundary("caught", "outer", Event::Error("BAD")).task("after").end("mended")).await;
    run.start("p", json!({})).await?;
    let job = run.job("a").await?;
    run.throw(&job, "BAD", json!({ "why": [1] })).await;
    run.work("after", json!({})).await
}

async fn an_error_that_nobody_catches_stays_with_the_job(run: &mut Run) -> Result<(), Missing> {
    run.deploy(Bpmn::process("p").task("a").end("end").boundary("x", "a", Event::Error("X")).end("x-end")).await;
    let instance = run.start("p", json!({})).await?;
    let job = run.job("a").await?;
    run.throw(&job, "OTHER", json!({ "why": 1 })).await;
    run.throw(&job, "X", json!({})).await;
    run.complete(&job, json!({})).await;
    run.set_retries(&job, 2).await;
    let incident = run.incident()?;
    run.resolve(incident).await;
    if let Ok(job) = run.job("a").await {
        run.throw(&job, "X", json!({ "v": 1 })).await;
    }
    run.cancel(instance).await;
    Ok(())
}

async fn a_cancelled_instance_takes_its_jobs_and_incidents_along(run: &mut Run) -> Result<(), Missing> {
    run.deploy(Bpmn::process("p").parallel("fork").task("a").end("e1").from("fork").task("b").end("e2")).await;
    let instance = run.start("p", json!({})).await?;
    let a = run.job("a").await?;
    run.fail(&a, 0, "no").await;
    let incident = run.incident()?;
    run.cancel(instance).await;
    run.resolve(incident).await;
    run.set_retries(&a, 1).await;
    run.fail(&a, 1, "late").await;
    run.set_timeout(&a, MINUTE).await;
    run.jobs("b").await;
    run.set_variables(instance, json!({ "v": 1 }), false).await;
    Ok(())
}

async fn a_poll_waits_for_a_job(run: &mut Run) -> Result<(), Missing> {
    run.deploy(Bpmn::process("p").task("a").task("b").end("end")).await;
    let [first, second] = [run.poll("a"), run.poll("b")];
    run.start("p", json!({ "v": 1 })).await?;
    let job = run.polled(first).await?;
    run.complete(&job, json!({})).await;
    let job = run.polled(second).await?;
    run.complete(&job, json!({})).await;
    Ok(())
}

async fn a_stream_brings_jobs_as_they_come(run: &mut Run) -> Result<(), Missing> {
    run.deploy(Bpmn::process("p").task("a").end("end")).await;
    let mut stream = run.open_stream("a").await;
    for n in 0..3 {
        run.start("p", json!({ "n": n })).await?;
        let job = run.streamed(&mut stream).await?;
        run.complete(&job, json!({})).await;
    }
    Ok(())
}

async fn a_stream_brings_a_job_again_when_it_failed(run: &mut Run) -> Result<(), Missing> {
    run.deploy(Bpmn::process("p").task("a").end("end")).await;
    let mut stream = run.open_stream("a").await;
    run.start("p", json!({})).await?;
    let job = run.streamed(&mut stream).await?;
    run.fail(&job, 2, "again").await;
    let job = run.streamed(&mut stream).await?;
    run.fail(&job, 0, "no more").await;
    run.set_retries(&job, 1).await;
    let incident = run.incident()?;
    run.resolve(incident).await;
    let job = run.streamed(&mut stream).await?;
    run.complete(&job, json!({})).await;
    Ok(())
}

async fn a_job_that_failed_is_completed_late_by_its_first_worker(run: &mut Run) -> Result<(), Missing> {
    one_task(run).await?;
    let job = run.job("a").await?;
    run.fail(&job, 2, "again").await;
    run.fail(&job, 1, "twice").await;
    run.throw(&job, "BAD", json!({})).await;
    run.set_timeout(&job, MINUTE).await;
    run.complete(&job, json!({ "late": true })).await;
    run.jobs("a").await;
    Ok(())
}

async fn at_most_so_many_jobs_are_handed_out(run: &mut Run) -> Result<(), Missing> {
    run.deploy(Bpmn::process("p").task("a").end("end")).await;
    for n in 0..3 {
        run.start("p", json!({ "n": n })).await?;
    }
    let query = run.query("a");
    run.some_jobs(&query, 2).await;
    run.some_jobs(&query, 2).await;
    run.some_jobs(&query, 0).await;
    Ok(())
}

async fn a_failed_task_with_an_incident_can_still_be_interrupted(run: &mut Run) -> Result<(), Missing> {
    let task = Bpmn::process("p").task("a").end("end");
    run.deploy(task.boundary("stop", "a", Event::Message("m", "=id")).end("stopped")).await;
    run.start("p", json!({ "id": "k" })).await?;
    let job = run.job("a").await?;
    run.fail(&job, 0, "no").await;
    run.publish("m", "k", json!({})).await;
    Ok(())
}

async fn a_lock_ends_and_the_job_is_handed_out_again(run: &mut Run) -> Result<(), Missing> {
    one_task(run).await?;
    let mut query = run.query("a");
    query.lock = 10 * MINUTE;
    let first = run.jobs_by(&query).await;
    run.advance(5).await;
    run.jobs_by(&query).await;
    run.advance(6).await;
    let second = run.jobs_by(&query).await;
    run.note(format!("the same job: {}", first.iter().map(|job| job.key).eq(second.iter().map(|job| job.key))));
    Ok(())
}

async fn a_job_is_completed_after_its_lock_has_ended(run: &mut Run) -> Result<(), Missing> {
    one_task(run).await?;
    let job = run.job("a").await?;
    run.advance(61).await;
    run.complete(&job, json!({ "late": true })).await;
    run.jobs("a").await;
    one_task(run).await?;
    let job = run.job("a").await?;
    run.advance(61).await;
    run.set_timeout(&job, MINUTE).await;
    run.fail(&job, 1, "late").await;
    run.jobs("a").await;
    Ok(())
}

async fn a_renewed_lock_lasts_longer(run: &mut Run) -> Result<(), Missing> {
    one_task(run).await?;
    let mut query = run.query("a");
    query.lock = 10 * MINUTE;
    let jobs = run.jobs_by(&query).await;
    for minutes in [5, 9, 9] {
        run.advance(minutes).await;
        run.set_timeout(&jobs[0], 10 * MINUTE).await;
        run.jobs("a").await;
    }
    run.advance(11).await;
    run.work("a", json!({})).await
}

async fn a_back_off_keeps_a_failed_job_away(run: &mut Run) -> Result<(), Missing> {
    one_task(run).await?;
    let job = run.job("a").await?;
    let failure = FailJob { key: job.key, retries: 2, back_off: 10 * MINUTE, ..FailJob::default() };
    run.fail_with(FailJob { variables: json!({ "id": 7 }), ..failure }).await;
    for minutes in [5, 6] {
        run.jobs("a").await;
        run.advance(minutes).await;
    }
    run.work("a", json!({})).await
}

async fn a_back_off_ends_early_with_new_retries(run: &mut Run) -> Result<(), Missing> {
    let instance = one_task(run).await?;
    let job = run.job("a").await?;
    let failure = FailJob { key: job.key, retries: 2, back_off: 10 * MINUTE, ..FailJob::default() };
    run.fail_with(failure.clone()).await;
    run.set_retries(&job, 5).await;
    run.jobs("a").await;
    run.fail_with(FailJob { back_off: MINUTE, ..failure.clone() }).await;
    run.advance(2).await;
    run.jobs("a").await;
    // Without retries there is no pause.
    run.fail_with(FailJob { retries: 0, ..failure }).await;
    run.advance(11).await;
    run.jobs("a").await;
    run.cancel(instance).await;
    Ok(())
}

async fn a_shortened_lock_ends_early(run: &mut Run) -> Result<(), Missing> {
    one_task(run).await?;
    let job = run.job("a").await?;
    run.set_timeout(&job, MINUTE).await;
    run.advance(2).await;
    run.work("a", json!({})).await
}
