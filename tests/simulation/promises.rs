//! What DESIGN promises, checked against what an observer saw.

use crate::{
    functions::GUARDED,
    processes::{Process, TIMEOUT_SECONDS},
    seen::{Absence, Acknowledged, End, How, Seen},
    world::World,
};
use serde_json::Value;
use zeebe2faas::bridge::outcome::{Outcome, Status};
use zeebe2faas_contract::CallId;

/// Clocks differ; and nobody is punctual to the millisecond.
const TOLERANCE_MS: u64 = 10_000;
/// `calls.grace`, by default.
const GRACE_MS: u64 = 30_000;

/// A process instance that was started.
#[derive(Debug, Clone, Copy)]
pub struct Instance {
    pub key: i64,
    pub process: Process,
    pub begun_ms: u64,
}

/// Complains about each promise that is broken.
pub fn check(world: &World, instances: &[Instance]) {
    let mut complaints = Vec::new();
    {
        let seen = world.seen();
        for instance in instances {
            if let Err(what) = ended_well(&seen, *instance) {
                complaints.push(format!("{} {}: {what}", instance.process.id, instance.key));
            }
        }
        complaints.extend(runs_of_guarded_calls(&seen));
        for (key, times) in seen.published.iter().filter(|(_, times)| **times > 1) {
            complaints.push(format!("Zeebe took {times} messages of call {key}"));
        }
    }
    complaints.into_iter().for_each(|what| world.complain(what));
}

/// Each instance ends once, with the outcome of its call.
fn ended_well(seen: &Seen, instance: Instance) -> Result<(), String> {
    let end = match seen.ended.get(&instance.key).map(Vec::as_slice) {
        Some([end]) => end,
        None => return Err("it has not ended".to_owned()),
        Some(ends) => return Err(format!("it has ended {} times", ends.len())),
    };
    if !end.completed {
        let cancelled = seen.cancelled.contains(&instance.key);
        return if cancelled { Ok(()) } else { Err("it was ended by nobody".to_owned()) };
    }
    let call = end.variables.get("call").cloned().unwrap_or_default();
    let outcome: Outcome = serde_json::from_value(call.clone()).map_err(|_| format!("it ended with {call}"))?;
    if instance.process.holds_job && outcome.status != Status::Succeeded {
        return Err(format!("its job was completed with {call}"));
    }
    is_true(seen, instance, &outcome, end)
}

/// The outcome is what became of the call.
fn is_true(seen: &Seen, instance: Instance, outcome: &Outcome, end: &End) -> Result<(), String> {
    let call = &outcome.call_id;
    match outcome.status {
        // Its pod died while it ran, and nobody ran it again.
        Status::Failed if instance.process.function == GUARDED && outcome.log_tail.is_empty() => {
            let mut runs = seen.runs.iter().filter(|run| run.call == *call).map(|run| run.ended).peekable();
            let killed = runs.peek().is_some() && runs.all(|ended| matches!(ended, Some((_, How::Killed))));
            if killed { Ok(()) } else { Err(format!("failed without a run that was killed: {}", outcome.message)) }
        }
        Status::Succeeded | Status::Failed => {
            let number = run_of(outcome).ok_or("its outcome names no run")?;
            let run = seen.runs.get(number).filter(|run| run.call == *call).ok_or("its outcome is of another call")?;
            let expected = if outcome.status == Status::Succeeded { How::Exited(0) } else { How::Exited(1) };
            match run.ended {
                Some((_, how)) if how == expected => Ok(()),
                how => Err(format!("{:?}, but its run {number} ended {how:?}", outcome.status)),
            }
        }
        Status::TimedOut => {
            // Not that of the first invocation: a bridge that crashed just before it asked cannot know that it had not.
            if end.at_ms + TOLERANCE_MS < instance.begun_ms + TIMEOUT_SECONDS * 1000 {
                return Err("timed out before its deadline".to_owned());
            }
            let told = told_in_time(seen, call, end.at_ms);
            told.map_or(Ok(()), |run| Err(format!("timed out, but the bridge had taken the end of run {run}")))
        }
        Status::Refused if instance.process.function == GUARDED => {
            let ran = seen.runs.iter().position(|run| run.call == *call);
            ran.map_or(Ok(()), |run| Err(format!("it never started, says its outcome, but run {run} did")))
        }
        status => Err(format!("{status:?} is not what became of it: {}", outcome.message)),
    }
}

/// The run whose end a bridge took before anybody could take the call for timed out. Where that bridge is away at the
/// deadline, another one that had the job knows no better.
fn told_in_time(seen: &Seen, call: &CallId, ended_ms: u64) -> Option<usize> {
    let deadline_ms = *seen.deadlines.get(call)?;
    let in_time = |at_ms| at_ms + TOLERANCE_MS < ended_ms.min(deadline_ms + GRACE_MS);
    let is_away = |replica| {
        let away =
            |absence: &&Absence| absence.replica == replica && (absence.from_ms..absence.to_ms).contains(&ended_ms);
        seen.absences.iter().any(|absence| away(&absence))
    };
    let exited = |run: usize| matches!(seen.runs[run].ended, Some((_, How::Exited(_))));
    let counts =
        |told: &&Acknowledged| told.call == *call && in_time(told.at_ms) && exited(told.run) && !is_away(told.by);
    seen.acknowledged.iter().find(counts).map(|told| told.run)
}

fn run_of(outcome: &Outcome) -> Option<usize> {
    match &outcome.result {
        Some(result) => result.get("run").and_then(Value::as_u64).and_then(|run| usize::try_from(run).ok()),
        None => outcome.log_tail.strip_prefix("run ")?.parse().ok(),
    }
}

/// A guarded call runs once: again only when whoever ran it is dead.
fn runs_of_guarded_calls(seen: &Seen) -> Vec<String> {
    let mut complaints = Vec::new();
    for (number, run) in seen.runs.iter().enumerate().filter(|(_, run)| run.guarded) {
        for (earlier, before) in seen.runs[..number].iter().enumerate().filter(|(_, before)| before.call == run.call) {
            match before.ended {
                Some((at_ms, How::Killed)) if at_ms <= run.begun_ms => {}
                how => complaints.push(format!("call {} ran again as {number}: {earlier} ended {how:?}", run.call)),
            }
        }
    }
    complaints
}
