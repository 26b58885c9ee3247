use crate::CallId;
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
}
