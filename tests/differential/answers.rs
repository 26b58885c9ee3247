//! What a peer answers, in words.

use serde_json::{Value, json};
use zeebe2faas::zeebe::{Error, Job};

/// A job, as far as both peers must agree on it.
pub fn describe(job: &Job) -> String {
    let Job { key, job_type, process_instance_key, bpmn_process_id, process_version, element_id, retries, .. } = job;
    let headers = json!(job.headers);
    let variables = parsed(&job.variables);
    format!(
        "job {key} {job_type} at {element_id} {} of {bpmn_process_id} v{process_version} {} {process_instance_key} \
         retries {retries} {headers} {variables}",
        job.element_instance_key, job.process_definition_key
    )
}

/// JSON, or what else it is.
pub fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| json!(format!("no JSON ({error}): {text}")))
}

/// The status code that the error stands for, and Zeebe's words.
pub fn code(error: &Error) -> (String, String) {
    let (code, text) = match error {
        Error::NotFound { message, .. } => ("NotFound", message),
        Error::AlreadyExists { message, .. } => ("AlreadyExists", message),
        Error::State { message, .. } => ("FailedPrecondition", message),
        Error::Invalid { message, .. } => ("InvalidArgument", message),
        Error::Denied { message, .. } => ("PermissionDenied", message),
        Error::Protocol { code, message, .. } => (code.as_str(), message),
        other => return ("-".to_owned(), other.to_string()),
    };
    (code.to_owned(), text.clone())
}
