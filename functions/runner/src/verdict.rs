//! From a run's end to the report: what went wrong, and what to do.

use crate::run::{Cause, Ended, Halt, signal_name};
use zeebe2faas_contract::{Invocation, Outcome, Report};

/// A program's line is quoted in a message up to here.
const MAX_QUOTED_CHARACTERS: usize = 400;
/// What a shell exits with when SIGKILL ended the program that it waited for.
const KILLED_BELOW_A_SHELL: i32 = 128 + 9;

/// A report on a call whose program was not started.
pub fn not_run(invocation: &Invocation, outcome: Outcome, message: String) -> Report {
    Report {
        call_id: invocation.call_id.clone(),
        function: invocation.function.clone(),
        outcome,
        message,
        exit_code: None,
        signal: None,
        out_of_memory: false,
        started_at_ms: None,
        duration_seconds: 0.0,
        cpu_seconds: 0.0,
        peak_memory_bytes: 0,
        outputs: Vec::new(),
        log_tail: String::new(),
    }
}

/// The report on a run, before its outputs have their names.
pub fn of_run(invocation: &Invocation, ended: &Ended) -> Report {
    let out_of_memory = ran_out_of_memory(ended);
    let (outcome, trouble) = judge(ended, out_of_memory);
    let message = if trouble.is_empty() { trouble } else { format!("{} {trouble}", who(invocation)) };
    Report {
        exit_code: ended.status.code(),
        signal: signal_name(ended.status),
        out_of_memory,
        started_at_ms: Some(ended.started_at_ms),
        duration_seconds: ended.duration.as_secs_f64(),
        cpu_seconds: ended.usage.cpu_seconds,
        peak_memory_bytes: ended.usage.peak_memory_bytes,
        log_tail: ended.log_tail.clone(),
        ..not_run(invocation, outcome, message)
    }
}

/// `otbcli: BundleToPerfectSensor`.
pub fn who(invocation: &Invocation) -> String {
    let program = invocation.args.first().map_or("", String::as_str);
    format!("{}: {program}", invocation.function)
}

fn judge(ended: &Ended, out_of_memory: bool) -> (Outcome, String) {
    let after = format!("after {:.0} s", ended.duration.as_secs_f64());
    match (ended.cause, ended.status.code()) {
        (Some(Cause::Deadline), _) => {
            let why = "the call's deadline passed; give the task a longer `timeout`, or the function more CPU";
            (Outcome::TimedOut, format!("was ended {after}: {why}"))
        }
        (Some(Cause::Halt(Halt::Cancelled)), _) => (Outcome::Cancelled, format!("was cancelled {after}")),
        (Some(Cause::Halt(Halt::ScratchFull)), _) => {
            let why = "scratch is full; raise RUNNER_SCRATCH_LIMIT_BYTES, or lower RUNNER_MAX_RUNS";
            (Outcome::Failed, format!("was ended {after}: {why}"))
        }
        (Some(Cause::Halt(_)), _) => (Outcome::Failed, format!("was ended {after}: the runner was stopped")),
        _ if out_of_memory => {
            let todo = "raise the function's memory limit, or lower the program's need";
            (Outcome::Failed, format!("{}; {todo} (it used {})", lack_of_memory(ended, &after), memory(ended)))
        }
        (None, Some(0)) => match &ended.found.failure {
            Some(line) => {
                let why = "ended with exit code 0, but its result is wrong";
                (Outcome::Failed, format!("{why}: {}; check the path in the command", quote(line)))
            }
            None => (Outcome::Succeeded, String::new()),
        },
        (None, Some(code)) => (Outcome::Failed, format!("failed with exit code {code}{}", last_words(ended))),
        (None, None) => {
            let name = signal_name(ended.status).unwrap_or_default();
            (Outcome::Failed, format!("was ended by {name} {after}{}", last_words(ended)))
        }
    }
}

fn ran_out_of_memory(ended: &Ended) -> bool {
    let told = ended.oom_kills > 0 || ended.found.out_of_memory.is_some();
    ended.cause.is_none() && (was_killed(ended) || told && !ended.status.success())
}

/// SIGKILL that is not ours is the kernel's, for want of memory, in all but rare cases.
fn was_killed(ended: &Ended) -> bool {
    signal_name(ended.status).as_deref() == Some("SIGKILL") || ended.status.code() == Some(KILLED_BELOW_A_SHELL)
}

fn lack_of_memory(ended: &Ended, after: &str) -> String {
    match (&ended.found.out_of_memory, was_killed(ended), ended.oom_kills > 0) {
        (_, true, true) => format!("was killed (SIGKILL) {after} because it ran out of memory"),
        (_, true, false) => format!("was killed (SIGKILL) {after}: most likely it ran out of memory"),
        (Some(line), ..) => format!("ran out of memory {after}: {}", quote(line)),
        (None, ..) => {
            format!("failed {after}, and a process was killed meanwhile because the container ran out of memory")
        }
    }
}

fn memory(ended: &Ended) -> String {
    format!("{} MiB", ended.usage.peak_memory_bytes >> 20)
}

fn last_words(ended: &Ended) -> String {
    let line = ended.found.last_error.as_ref().or(ended.found.last_line.as_ref());
    line.map_or_else(|| ", without a word".into(), |line| format!(": {}", quote(line)))
}

fn quote(line: &str) -> String {
    line.chars().take(MAX_QUOTED_CHARACTERS).collect()
}
