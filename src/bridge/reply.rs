//! What an outcome does to the job that stayed open for it. Pure.

use super::{
    outcome::{Outcome, Status},
    pause,
    prepare::{OOM_VARIABLE, TRY_VARIABLE},
};
use crate::{ledger::Terms, zeebe::FailJob};
use serde_json::{Map, Value};
use std::time::Duration;

/// How much of a program's last words an incident shows.
const LOG_TAIL_CHARACTERS: usize = 2000;

/// What is said to Zeebe.
#[derive(Debug, Clone)]
pub enum Answer {
    /// CompleteJob, with the outcome under the result's name.
    Complete,
    /// FailJob: another try, or an incident.
    Fail(FailJob),
    /// ThrowError, with the outcome under the result's name.
    Throw {
        /// The BPMN error's code.
        code: String,
        /// What went wrong.
        message: String,
        /// Set locally afterwards: where nobody catches the error, whoever resolves the incident gets a new call.
        next_try: Value,
    },
}

/// The answer to the job `key` at `now_ms`. `back_off` is the pause before the second try; it doubles with each.
///
/// A failure that could end otherwise is tried again while Zeebe has retries; any other, and the last one, is thrown as
/// the BPMN error that the task names, or raises an incident. Whoever resolves that gets a new call. Where a person asked
/// for another try it comes at once, and costs no retry.
pub fn to_job(key: i64, terms: &Terms, outcome: &Outcome, back_off: Duration, now_ms: u64) -> Answer {
    if outcome.status == Status::Succeeded {
        return Answer::Complete;
    }
    let message = words(outcome);
    let retries = if outcome.retryable { terms.retries.saturating_sub(1).max(0) } else { 0 };
    let mut variables = Map::from_iter([(TRY_VARIABLE.to_owned(), Value::from(terms.attempt.saturating_add(1)))]);
    if outcome.out_of_memory {
        variables.insert(OOM_VARIABLE.to_owned(), Value::from(terms.ooms.saturating_add(1)));
    }
    if terms.retry_now {
        let retries = terms.retries.max(1);
        return Answer::Fail(FailJob { key, retries, message, variables: variables.into(), ..FailJob::default() });
    }
    if let (0, Some(code)) = (retries, &terms.error_code) {
        return Answer::Throw { code: code.clone(), message, next_try: variables.into() };
    }
    if retries > 0 {
        let doubled = back_off.saturating_mul(1u32.checked_shl(terms.attempt - 1).unwrap_or(u32::MAX));
        pause::note(&mut variables, now_ms, doubled);
    }
    Answer::Fail(FailJob { key, retries, message, variables: variables.into(), ..FailJob::default() })
}

/// What the operator reads in the incident.
fn words(outcome: &Outcome) -> String {
    let Outcome { function, call_id, message, log_tail, .. } = outcome;
    let status = outcome.status.as_str();
    let what = if message.is_empty() { format!("{function}: {status}") } else { message.clone() };
    let skipped = log_tail.chars().count().saturating_sub(LOG_TAIL_CHARACTERS);
    let tail: String = log_tail.chars().skip(skipped).collect();
    let tail = if tail.is_empty() { tail } else { format!("\n{tail}") };
    format!("{what} ({status}; `zeebe2faas calls show {call_id}` has the command){tail}")
}

#[cfg(test)]
#[expect(clippy::panic, reason = "tests")]
mod tests {
    use super::*;
    use crate::bridge::prepare::PAUSE_VARIABLE;
    use zeebe2faas_contract::CallId;

    fn terms(retries: i32) -> Terms {
        Terms { element_instance_key: 6, attempt: 2, retries, ..Terms::default() }
    }

    fn outcome(status: Status, retryable: bool) -> Outcome {
        Outcome::plain(CallId::new("c", 1, 2), "otbcli".into(), status, "it failed".into(), retryable)
    }

    fn failure(terms: &Terms, outcome: &Outcome) -> FailJob {
        match to_job(7, terms, outcome, Duration::from_secs(30), 1_000) {
            Answer::Fail(failure) => failure,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn nothing_but_a_success_completes_the_job() {
        use Status::{Cancelled, Failed, Refused, Succeeded, TimedOut};
        for status in [Succeeded, Failed, Refused, TimedOut, Cancelled] {
            let completes =
                matches!(to_job(7, &terms(3), &outcome(status, true), Duration::ZERO, 1_000), Answer::Complete);
            assert_eq!(completes, status == Succeeded, "{status:?}");
        }
    }

    #[test]
    fn a_failure_that_may_pass_is_tried_again_under_a_new_call_id_after_a_growing_pause() {
        let failure = failure(&terms(3), &outcome(Status::Failed, true));
        assert_eq!((failure.key, failure.retries, failure.back_off), (7, 2, Duration::ZERO));
        assert_eq!(failure.variables, serde_json::json!({ TRY_VARIABLE: 3, PAUSE_VARIABLE: 61_000 }));
    }

    #[test]
    fn the_last_try_and_a_failure_that_stays_raise_an_incident_that_names_the_call() {
        for (retries, retryable) in [(1, true), (3, false), (0, true)] {
            let outcome = outcome(Status::Failed, retryable);
            let failure = failure(&terms(retries), &outcome);
            assert_eq!(failure.retries, 0);
            assert_eq!(failure.variables.get(PAUSE_VARIABLE), None);
            assert!(failure.message.contains(outcome.call_id.as_str()), "{}", failure.message);
        }
    }

    #[test]
    fn a_task_that_names_a_bpmn_error_throws_it_when_no_try_is_left() {
        let terms = Terms { error_code: Some("NO_ORTHO".into()), ..terms(1) };
        let answer = to_job(7, &terms, &outcome(Status::TimedOut, true), Duration::ZERO, 1_000);
        assert!(matches!(answer, Answer::Throw { code, .. } if code == "NO_ORTHO"));
        assert_eq!(failure(&Terms { retries: 2, ..terms }, &outcome(Status::TimedOut, true)).retries, 1);
    }

    #[test]
    fn a_person_who_asks_for_another_try_gets_it_at_once_whatever_is_left() {
        let terms = Terms { retry_now: true, error_code: Some("NO_ORTHO".into()), ..terms(1) };
        let failure = failure(&terms, &outcome(Status::Cancelled, false));
        assert_eq!(failure.retries, 1);
        assert_eq!(failure.variables, serde_json::json!({ TRY_VARIABLE: 3 }));
        assert!(matches!(
            to_job(7, &terms, &outcome(Status::Succeeded, false), Duration::ZERO, 1_000),
            Answer::Complete
        ));
    }

    #[test]
    fn a_try_that_ran_out_of_memory_says_so_to_the_next() {
        let outcome = Outcome { out_of_memory: true, ..outcome(Status::Failed, true) };
        assert_eq!(failure(&terms(3), &outcome).variables[OOM_VARIABLE], 1);
    }
}
