//! What the bridge and a function's runner say to each other.
//!
//! Read in this order: [`CallId`] names one run of one function; an [`Invocation`] asks for it; [`Progress`] tells how
//! far it is, a [`Report`] how it ended; [`CallState`] answers a question about it; a [`KeyRing`] signs all of them;
//! a [`TraceParent`] names a span of its trace.
//!
//! | request to the runner (path as the runner sees it) | answer |
//! | --- | --- |
//! | `POST /`, an [`Invocation`] | a [`Report`]: 200 succeeded, 500 anything else; 409 and 429 carry no report |
//! | `GET /calls/ID` | 200, a [`CallState`] |
//! | `DELETE /calls/ID` | ends a run, leaves a tombstone; 200, the [`CallState`] afterwards |
//! | `DELETE /calls/ID?only=unknown` | leaves a tombstone only where the call was never heard of; 200, a [`CallState`] |
//!
//! and the runner to the bridge: `POST` of a [`Progress`] to the invocation's `progressUrl`; any answer will do.

mod call_id;
mod invocation;
mod key_ring;
mod progress;
mod report;
pub mod signature;
mod trace;

pub use call_id::{CallId, InvalidCallId};
pub use invocation::{Invocation, Resources};
pub use key_ring::{KeyRing, KeyRingError, random_key_line};
pub use progress::Progress;
pub use report::{CallState, Outcome, Report};
pub use trace::{InvalidTraceParent, Step, TRACEPARENT_HEADER, TRACEPARENT_VARIABLE, TraceParent};

/// Carries the call id, OpenFaaS's own name for it.
pub const CALL_ID_HEADER: &str = "x-call-id";
/// Carries the signature of a request to a runner, and of a runner's answer.
pub const SIGNATURE_HEADER: &str = "x-zeebe2faas-signature";
/// The query that makes a `DELETE` harmless for a call that has begun.
pub const ONLY_UNKNOWN: &str = "only=unknown";

/// The path, as the runner sees it, at which one call is asked about or ended.
pub fn call_path(call_id: &CallId) -> String {
    format!("/calls/{call_id}")
}
