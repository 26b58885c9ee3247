//! A service task that ends with a BPMN error and calls nothing: Zeebe's error end events carry no variables, the
//! answer to a job does. Pure.

use super::task::result_name;
use crate::zeebe::Job;
use serde_json::{Map, Value, json};

/// Headers of a task that calls a function.
const CALLING: [&str; 3] = ["function", "template", "cmdline"];

/// A BPMN error, for a boundary event of this process or of one that called it.
#[derive(Debug, Clone, PartialEq)]
pub struct BpmnError {
    /// What the boundary event compares.
    pub code: String,
    /// The field `message` of the object; empty where it has none.
    pub message: String,
    /// The object under the name of the header `result`.
    pub variables: Value,
}

/// The error that a task's headers ask for: its code is the header `throw`, its content the object that `from` names.
/// None for a task that calls a function.
///
/// # Errors
/// A sentence for the incident: which header is wrong and what to write.
pub fn read(job: &Job) -> Result<Option<BpmnError>, String> {
    let header = |name: &str| job.headers.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
    let Some(code) = header("throw") else { return Ok(None) };
    if let Some(name) = CALLING.iter().find(|name| header(name).is_some()) {
        return Err(format!("headers `throw` and `{name}` are both there: a task throws or calls; keep one"));
    }
    let Some(from) = header("from") else {
        return Err("header `throw`: name in `from` the variable that holds the error's details".to_owned());
    };
    let mut variables: Map<String, Value> =
        serde_json::from_str(&job.variables).map_err(|error| format!("the job's variables are not JSON: {error}"))?;
    let details = match variables.remove(from) {
        Some(Value::Object(details)) => details,
        Some(_) => return Err(format!("variable `{from}` (header `from`) is not an object")),
        None => return Err(format!("there is no variable `{from}`, which the header `from` names")),
    };
    let message = details.get("message").and_then(Value::as_str).unwrap_or_default().to_owned();
    let result = result_name(header("result").map(str::to_owned))?;
    Ok(Some(BpmnError { code: code.to_owned(), message, variables: json!({ result: details }) }))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn job(headers: &[(&str, &str)], variables: &Value) -> Job {
        Job {
            key: 1,
            job_type: "openfaas".into(),
            process_instance_key: 2,
            bpmn_process_id: "p".into(),
            process_version: 1,
            process_definition_key: 3,
            element_id: "e".into(),
            element_instance_key: 4,
            headers: headers.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            retries: 3,
            deadline_ms: 0,
            variables: variables.to_string(),
            tenant: String::new(),
        }
    }

    #[test]
    fn a_task_without_the_header_throws_nothing() {
        assert_eq!(read(&job(&[("template", "ortho"), ("throw", " ")], &json!({}))), Ok(None));
    }

    #[test]
    fn the_object_becomes_one_variable_and_its_message_the_errors() {
        let failure = json!({ "message": "no memory", "exitCode": 137 });
        let headers = [("throw", "FAAS_FAILED"), ("from", "failure"), ("result", "outcome")];
        let error = read(&job(&headers, &json!({ "failure": failure, "other": 1 }))).unwrap().unwrap();
        assert_eq!((error.code.as_str(), error.message.as_str()), ("FAAS_FAILED", "no memory"));
        assert_eq!(error.variables, json!({ "outcome": failure }));
    }

    #[test]
    fn mistakes_say_which_header_and_what_to_write() {
        for (headers, part) in [
            (&[("throw", "E"), ("template", "a"), ("from", "x")][..], "keep one"),
            (&[("throw", "E")][..], "name in `from`"),
            (&[("throw", "E"), ("from", "y")][..], "there is no variable `y`"),
            (&[("throw", "E"), ("from", "text")][..], "`text` (header `from`) is not an object"),
            (&[("throw", "E"), ("from", "x"), ("result", "my-result")][..], "is not a variable name"),
        ] {
            let error = read(&job(headers, &json!({ "x": {}, "text": "" }))).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
