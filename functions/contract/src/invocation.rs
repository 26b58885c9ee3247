use crate::{CallId, TraceParent};
use serde::{Deserialize, Serialize};

/// Asks a runner for one run: the JSON body of `POST /`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Invocation {
    /// The call; the same as the header `X-Call-Id`.
    pub call_id: CallId,
    /// The function's name, which the signature covers: a request for one function is worthless to another.
    pub function: String,
    /// The argument vector. It never sees a shell.
    pub args: Vec<String>,
    /// Names of the parameters (without leading dashes) whose next argument is an output file.
    #[serde(default)]
    pub outputs: Vec<String>,
    /// When the call must have ended, in milliseconds since 1970 (UTC). Nothing is started or renamed after it.
    pub deadline_ms: u64,
    /// How much the program may use, where the template says so.
    #[serde(default, skip_serializing_if = "Resources::is_unknown")]
    pub resources: Resources,
    /// Where the runner tells how far the program is, as a [`Progress`](crate::Progress); nowhere without it. Signed
    /// like all of the body, so that nobody else chooses whom a runner talks to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress_url: Option<String>,
    /// The span that the program hangs its own below; the same as the header `traceparent`, but signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<TraceParent>,
}

impl Invocation {
    /// With nothing said of resources, nobody to tell the progress to, and no trace.
    pub fn new(call_id: CallId, function: String, args: Vec<String>, outputs: Vec<String>, deadline_ms: u64) -> Self {
        let resources = Resources::default();
        Self { call_id, function, args, outputs, deadline_ms, resources, progress_url: None, traceparent: None }
    }
}

/// What a program is meant to get by with. A hint for the program, no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// Memory, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Processor cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cores: Option<u32>,
}

impl Resources {
    /// Whether nothing is said.
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}
