//! How a running call is doing, as its runner last told. Pure.

use serde::{Deserialize, Serialize};
use zeebe2faas_contract::Progress;

/// What the ledger has of a call, and how it is doing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Line<T> {
    /// The ledger's part.
    #[serde(flatten)]
    pub call: T,
    /// The last report; absent where the call does not run here, or its runner does not tell.
    #[serde(default)]
    pub progress: Option<Running>,
}

/// The last report of a call that runs; the field `progress` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Running {
    /// How much is done, from 0 to 100; absent where the program does not say.
    pub percent: Option<f64>,
    /// What the program is doing, in its own words.
    pub step: Option<Box<str>>,
    /// When the program was started, by the runner's clock, in milliseconds since 1970 (UTC).
    pub started_at_ms: u64,
    /// Wall-clock time of the run so far, in seconds.
    pub elapsed_seconds: f64,
    /// CPU time so far, in seconds.
    pub cpu_seconds: f64,
    /// Memory now, in bytes.
    pub memory_bytes: u64,
    /// The most memory so far, in bytes.
    pub peak_memory_bytes: u64,
    /// When this was told, by the bridge's clock, in milliseconds since 1970 (UTC).
    pub reported_ms: u64,
    #[serde(skip)]
    sequence: u64,
}

impl Running {
    /// What a report says, with figures that are none put right.
    pub fn new(progress: Progress, now_ms: u64) -> Self {
        let step = progress.step.map(|step| match step.char_indices().nth(Progress::MAX_STEP_CHARACTERS) {
            Some((end, _)) => step[..end].into(),
            None => step.into_boxed_str(),
        });
        Self {
            percent: progress.percent.map(|percent| percent.clamp(0.0, 100.0)),
            step,
            started_at_ms: progress.started_at_ms,
            elapsed_seconds: progress.elapsed_seconds.max(0.0),
            cpu_seconds: progress.cpu_seconds.max(0.0),
            memory_bytes: progress.memory_bytes,
            peak_memory_bytes: progress.peak_memory_bytes,
            reported_ms: now_ms,
            sequence: progress.sequence,
        }
    }

    /// Whether it was told after `other`. A run that another pod took over counts from 1 again.
    pub fn is_after(&self, other: &Self) -> bool {
        (self.started_at_ms, self.sequence) > (other.started_at_ms, other.sequence)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use serde_json::json;

    fn running(started_at_ms: u64, sequence: u64) -> Running {
        let progress = json!({
            "callId": "a".repeat(26), "function": "f", "sequence": sequence, "startedAtMs": started_at_ms,
            "elapsedSeconds": -1.0, "percent": 140.0, "step": "é".repeat(300), "cpuSeconds": 1.5, "memoryBytes": 1,
            "peakMemoryBytes": 2
        });
        Running::new(serde_json::from_value(progress).unwrap(), 7)
    }

    #[test]
    fn a_later_run_counts_more_than_a_higher_number() {
        assert!(running(1, 2).is_after(&running(1, 1)));
        assert!(running(2, 1).is_after(&running(1, 9)));
        assert!(!running(1, 1).is_after(&running(1, 1)));
        assert!(!running(1, 9).is_after(&running(2, 1)));
    }

    #[test]
    fn what_a_runner_should_never_say_is_cut_to_what_it_may_say() {
        let running = running(1, 1);
        assert_eq!((running.percent, running.elapsed_seconds), (Some(100.0), 0.0));
        assert_eq!(running.step.unwrap().chars().count(), Progress::MAX_STEP_CHARACTERS);
    }
}
