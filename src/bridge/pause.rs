//! The pause before a job's next try.
//!
//! Zeebe's own (`retryBackOff`) can lose the job: its timer goes off in the millisecond in which the pause ends, the
//! command that follows counts that millisecond as too early where it is processed within it, and nobody looks again
//! before the pause of another job ends (8.6.0; one in 2,500 here; camunda/camunda#16884 shows the same). A lock that
//! ends is looked for every second. So a failed job comes again at once, and whoever is handed it lets its lock end with
//! the pause.

use super::{Bridge, outbound::COMMAND_PATIENCE, prepare::PAUSE_VARIABLE};
use crate::{
    clock::millis,
    zeebe::{Error as ZeebeError, Job, Retry},
};
use serde_json::{Map, Value};
use std::time::Duration;

/// The longest pause. What is later was not said by a bridge.
pub const LONGEST: Duration = Duration::from_secs(3600);

/// Notes in a job's variables that it is not to be tried before a time, in milliseconds since 1970.
pub fn note(variables: &mut Map<String, Value>, now_ms: u64, pause: Duration) {
    if !pause.is_zero() {
        variables.insert(PAUSE_VARIABLE.to_owned(), Value::from(now_ms.saturating_add(millis(pause.min(LONGEST)))));
    }
}

/// What is left of the job's pause, if anything.
pub fn left(job: &Job, now_ms: u64) -> Option<Duration> {
    // Nearly no job has one: the variables are read only for those.
    if !job.variables.contains(PAUSE_VARIABLE) {
        return None;
    }
    let variables: Map<String, Value> = serde_json::from_str(&job.variables).ok()?;
    let until_ms = variables.get(PAUSE_VARIABLE)?.as_u64()?;
    let left = Duration::from_millis(until_ms.saturating_sub(now_ms));
    (!left.is_zero() && left <= LONGEST).then_some(left)
}

impl Bridge {
    /// Zeebe hands the job out again when the time is over.
    pub(super) async fn pause(&self, job: &Job, left: Duration) {
        tracing::debug!(job = job.key, ?left, "comes again after its pause");
        match self.0.zeebe.update_job_timeout(job.key, left, Retry::within(left.min(COMMAND_PATIENCE))).await {
            Ok(()) | Err(ZeebeError::NotFound { .. }) => {}
            Err(error) => tracing::warn!(job = job.key, %error, "comes again when its lock ends"),
        }
    }
}
