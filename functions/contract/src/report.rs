use crate::CallId;
use serde::{Deserialize, Serialize};

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The program ended well and its outputs have their final names.
    Succeeded,
    /// The program ran and failed.
    Failed,
    /// Nothing was run: the request was not acceptable.
    Refused,
    /// The deadline passed before the program ended, or before it was started.
    TimedOut,
    /// `DELETE /calls/ID` ended it, or came before it.
    Cancelled,
}

/// What a runner tells of a call that has ended: stored once, and the answer to every later request for that call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The call.
    pub call_id: CallId,
    /// The function that ran it.
    pub function: String,
    /// How it ended.
    pub outcome: Outcome,
    /// One sentence for people: what went wrong and what to do; empty after a success.
    #[serde(default)]
    pub message: String,
    /// The program's exit code, where it exited.
    #[serde(default)]
    pub exit_code: Option<i32>,
    /// The signal that ended the program, such as `SIGKILL`.
    #[serde(default)]
    pub signal: Option<String>,
    /// Whether lack of memory ended it.
    #[serde(default)]
    pub out_of_memory: bool,
    /// When the program was started, in milliseconds since 1970 (UTC); absent when it never was.
    #[serde(default)]
    pub started_at_ms: Option<u64>,
    /// Wall-clock time of the run, in seconds.
    #[serde(default)]
    pub duration_seconds: f64,
    /// CPU time of the whole process group, in seconds.
    #[serde(default)]
    pub cpu_seconds: f64,
    /// Peak resident memory, in bytes.
    #[serde(default)]
    pub peak_memory_bytes: u64,
    /// The final names of the files that the run made.
    #[serde(default)]
    pub outputs: Vec<String>,
    /// The last lines that the program printed.
    #[serde(default)]
    pub log_tail: String,
}

impl Report {
    /// The HTTP status that goes with this report: 200 for a success, else 500.
    pub fn http_status(&self) -> u16 {
        if self.outcome == Outcome::Succeeded { 200 } else { 500 }
    }
}

/// What a runner knows of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum CallState {
    /// Its program runs, here or in another pod of the function.
    Running,
    /// It has ended.
    Ended {
        /// How.
        report: Box<Report>,
    },
    /// No runner of the function has heard of it.
    Unknown,
}
