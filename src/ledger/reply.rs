//! What a call's outcome does in Zeebe, as the ledger and tokens keep it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What an outcome does in Zeebe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reply {
    /// A message of this name is published; a receive task waits for it.
    Message(String),
    /// The service task's own job is open, and is completed, failed, or ended with a BPMN error.
    Job(HeldJob),
}

impl Reply {
    /// Whether the service task's job stays open meanwhile.
    pub const fn holds_job(&self) -> bool {
        matches!(self, Self::Job(_))
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(name) => write!(f, "message {name}"),
            Self::Job(held) => write!(f, "job {}", held.key),
        }
    }
}

/// A job that stays open until its call has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldJob {
    /// The job's key.
    pub key: i64,
    /// What follows a failure. A callback's token does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Terms>,
}

/// What becomes of a job whose call failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
    /// The task's pass, whose local variables can be set.
    pub element_instance_key: i64,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// How often the job may be tried, this time included.
    pub retries: i32,
    /// The BPMN error that is thrown when no try is left; without it an incident is raised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// The function for the tries after one that ran out of memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oom_function: Option<String>,
    /// How many tries before this one ran out of memory.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ooms: u32,
    /// Whether a person has asked for another try: then any failure is followed by one at once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retry_now: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}
