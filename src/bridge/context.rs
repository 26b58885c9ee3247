//! What each line of the log about a call carries: the call, its process instance and its element.

use crate::{ledger::Pending, zeebe::Job};
use tracing::{Span, error_span, field::Empty};
use zeebe2faas_contract::CallId;

/// Around the work on a call. An error's span is there whatever level the log has; it has no parent, since a call's work
/// may begin amid that on another.
pub(super) fn of(call: &Pending) -> Span {
    span(&call.id, call.process_instance_key, &call.element_id)
}

/// The same of its parts.
pub(super) fn span(id: &CallId, instance: i64, element: &str) -> Span {
    error_span!(parent: None, "task", call = %id, instance, element)
}

/// Around the work on a job, whose call is [`named`] once it is known.
pub(super) fn of_job(job: &Job) -> Span {
    error_span!(parent: None, "task", call = Empty, instance = job.process_instance_key, element = job.element_id)
}

/// This is the call of the job.
pub(super) fn named(id: &CallId) {
    Span::current().record("call", tracing::field::display(id));
}

/// Around a person's action on a call, which is [`found`] if the ledger knows it.
pub(super) fn of_action(id: &CallId) -> Span {
    error_span!(parent: None, "task", call = %id, instance = Empty, element = Empty)
}

/// This is what the ledger knows of the call.
pub(super) fn found(call: &Pending) {
    let span = Span::current();
    span.record("instance", call.process_instance_key).record("element", call.element_id.as_str());
}
