//! How a call ended, as BPMN sees it. [`classify`](super::classify) makes one of a callback.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeebe2faas_contract::{CallId, Report};

/// What the receive task gets under its result name; users see these field names in BPMN.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The call.
    pub call_id: CallId,
    /// Its function.
    pub function: String,
    /// How it ended.
    pub status: Status,
    /// What went wrong and what to do; empty after a success.
    #[serde(default)]
    pub message: String,
    /// Whether the same call made anew could end otherwise.
    #[serde(default)]
    pub retryable: bool,
    /// The program's exit code.
    #[serde(default)]
    pub exit_code: Option<i32>,
    /// The signal that ended the program.
    #[serde(default)]
    pub signal: Option<String>,
    /// Whether lack of memory ended it.
    #[serde(default)]
    pub out_of_memory: bool,
    /// When its runner started the program, in milliseconds since 1970 (UTC), by the runner's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at_ms: Option<u64>,
    /// The run's wall-clock time, in seconds.
    #[serde(default)]
    pub duration_seconds: Option<f64>,
    /// CPU time of the whole run, in seconds.
    #[serde(default)]
    pub cpu_seconds: Option<f64>,
    /// Peak resident memory, in bytes.
    #[serde(default)]
    pub peak_memory_bytes: Option<u64>,
    /// The files that the run made.
    #[serde(default)]
    pub outputs: Vec<String>,
    /// The last lines that the program printed.
    #[serde(default)]
    pub log_tail: String,
    /// What a function without a runner answered: JSON where it is JSON, else text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Whether `result` was longer than the callback body limit and is cut.
    #[serde(default)]
    pub truncated: bool,
}

/// How a call ended, as BPMN gateways compare it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// The function did its work.
    Succeeded,
    /// It was run and failed.
    Failed,
    /// It was not run.
    Refused,
    /// Its deadline passed.
    TimedOut,
    /// It was cancelled.
    Cancelled,
}

impl Status {
    /// Each.
    pub const ALL: [Self; 5] = [Self::Succeeded, Self::Failed, Self::Refused, Self::TimedOut, Self::Cancelled];

    /// The word that users see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::TimedOut => "timedOut",
            Self::Cancelled => "cancelled",
        }
    }
}

impl Outcome {
    /// An outcome with nothing but a status and a reason.
    pub fn plain(call_id: CallId, function: String, status: Status, message: String, retryable: bool) -> Self {
        Self {
            call_id,
            function,
            status,
            message,
            retryable,
            exit_code: None,
            signal: None,
            out_of_memory: false,
            started_at_ms: None,
            duration_seconds: None,
            cpu_seconds: None,
            peak_memory_bytes: None,
            outputs: Vec::new(),
            log_tail: String::new(),
            result: None,
            truncated: false,
        }
    }

    /// When the run ended, by the runner's clock, in milliseconds since 1970; nothing where no runner told.
    pub fn run_ended_ms(&self) -> Option<u64> {
        // Casts saturate, also where a report holds no sensible number.
        Some(self.started_at_ms?.saturating_add((self.duration_seconds? * 1000.0) as u64))
    }

    /// What a runner reported.
    pub fn reported(report: Report) -> Self {
        use zeebe2faas_contract::Outcome as Reported;
        let (status, retryable) = match report.outcome {
            Reported::Succeeded => (Status::Succeeded, false),
            Reported::Failed => (Status::Failed, true),
            Reported::Refused => (Status::Refused, false),
            Reported::TimedOut => (Status::TimedOut, true),
            Reported::Cancelled => (Status::Cancelled, false),
        };
        Self {
            exit_code: report.exit_code,
            signal: report.signal,
            out_of_memory: report.out_of_memory,
            started_at_ms: report.started_at_ms,
            duration_seconds: Some(report.duration_seconds),
            cpu_seconds: Some(report.cpu_seconds),
            peak_memory_bytes: Some(report.peak_memory_bytes),
            outputs: report.outputs,
            log_tail: report.log_tail,
            ..Self::plain(report.call_id, report.function, status, report.message, retryable)
        }
    }
}
