//! What a service task asks for: its headers, and the object that the header `from` names. Pure.

use super::render::parse_duration;
use crate::config::{Executor, OnUnknown};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, time::Duration};

/// Name of the message where the task names none.
pub const DEFAULT_MESSAGE: &str = "faas-done";
/// Name of the result variable where the task names none.
pub const DEFAULT_RESULT: &str = "call";

/// The field of the `from` object that holds values for the template.
const VALUES: &str = "variables";

/// Every header that means something to us. Others may be there for others.
pub(crate) const SETTINGS: [&str; 12] = [
    "function",
    "template",
    "cmdline",
    "outputs",
    "reply",
    "message",
    "result",
    "timeout",
    "onUnknown",
    "executor",
    "onFailure",
    "onOom",
];
/// What the bridge's own variables of a task begin with.
const OWN_PREFIX: &str = "zeebe2faas";
/// What `onFailure` may begin with; a BPMN error code follows.
const ERROR_PREFIX: &str = "error:";

/// A service task's settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// The function; absent where the template names it.
    pub function: Option<String>,
    /// Where the command comes from.
    pub command: CommandSource,
    /// Parameters that name output files; absent where the template says.
    pub outputs: Option<Vec<String>>,
    /// What the outcome does.
    pub reply: TaskReply,
    /// Name of the variable that gets the outcome.
    pub result: String,
    /// Deadline from the first submission.
    pub timeout: Option<Duration>,
    /// What follows a submission with an unknown result.
    pub on_unknown: Option<OnUnknown>,
    /// What runs the function; absent where the template says.
    pub executor: Option<Executor>,
}

/// What a task wants its outcome to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskReply {
    /// A message of this name wakes a receive task.
    Message(String),
    /// The task itself stays open.
    Job {
        /// The BPMN error that is thrown when no try is left; without it an incident is raised.
        error_code: Option<String>,
        /// The function for the tries after one that ran out of memory.
        oom_function: Option<String>,
    },
}

/// Where the command comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandSource {
    /// A file of the templates folder, by name.
    Template(String),
    /// The header itself.
    Inline(String),
}

/// Reads the settings of a task from its headers.
///
/// # Errors
/// A sentence for the incident: which header is wrong and what to write.
pub fn read(headers: &BTreeMap<String, String>, variables: &Map<String, Value>) -> Result<Task, String> {
    let from = supplied(headers, variables)?;
    let get = |name: &str| -> Result<Option<String>, String> {
        match headers.get(name) {
            Some(text) if !text.trim().is_empty() => Ok(Some(text.clone())),
            _ => from.and_then(|object| object.get(name)).map_or(Ok(None), |value| setting(name, value)),
        }
    };
    let reply = reply(&get)?;
    let command = match (get("template")?, get("cmdline")?) {
        (Some(name), None) => CommandSource::Template(name.trim().to_owned()),
        (None, Some(text)) => CommandSource::Inline(text),
        (Some(_), Some(_)) => return Err("headers `template` and `cmdline` are both there; keep one".into()),
        (None, None) => return Err("there is neither a header `template` nor `cmdline`; the task needs one".into()),
    };
    let outputs = get("outputs")?.map(|text| text.split([',', ' ']).filter(|s| !s.is_empty()).map(bare).collect());
    let timeout = match get("timeout")? {
        Some(text) => Some(parse_duration(text.trim()).map_err(|error| format!("header `timeout`: {error}"))?),
        None => None,
    };
    let on_unknown = match get("onUnknown")? {
        Some(text) => Some(text.parse().map_err(|error| format!("header `onUnknown`: {error}"))?),
        None => None,
    };
    let executor = match get("executor")? {
        Some(text) => Some(text.trim().parse().map_err(|error| format!("header `executor`: {error}"))?),
        None => None,
    };
    Ok(Task {
        executor,
        function: get("function")?.map(|name| name.trim().to_owned()),
        command,
        outputs,
        reply,
        result: result_name(get("result")?)?,
        timeout,
        on_unknown,
    })
}

fn reply(get: &impl Fn(&str) -> Result<Option<String>, String>) -> Result<TaskReply, String> {
    let (message, on_failure, on_oom) = (get("message")?, get("onFailure")?, get("onOom")?);
    match get("reply")?.as_deref().map(str::trim) {
        None | Some("message") => match [("onFailure", on_failure), ("onOom", on_oom)].iter().find(|h| h.1.is_some()) {
            Some((name, _)) => {
                Err(format!("header `{name}` works with header `reply` = `job` only; add it, or remove this"))
            }
            None => Ok(TaskReply::Message(message.unwrap_or_else(|| DEFAULT_MESSAGE.to_owned()))),
        },
        Some("job") if message.is_some() => {
            Err("headers `message` and `reply` = `job` are both there; the task itself waits, so remove `message`"
                .into())
        }
        Some("job") => Ok(TaskReply::Job {
            error_code: on_failure.as_deref().map(error_code).transpose()?.flatten(),
            oom_function: on_oom.map(|name| name.trim().to_owned()),
        }),
        Some(other) => Err(format!("header `reply`: expected `message` or `job`, found `{other}`")),
    }
}

/// The code after `error:`; nothing for `incident`.
pub(crate) fn error_code(text: &str) -> Result<Option<String>, String> {
    match text.trim() {
        "incident" => Ok(None),
        text => match text.strip_prefix(ERROR_PREFIX).map(str::trim) {
            Some(code) if !code.is_empty() => Ok(Some(code.to_owned())),
            _ => Err(format!("header `onFailure`: expected `incident` or `error:CODE`, found `{text}`")),
        },
    }
}

/// The object that `from` names. Without the header no variable is ever read as a setting.
fn supplied<'a>(
    headers: &BTreeMap<String, String>,
    variables: &'a Map<String, Value>,
) -> Result<Option<&'a Map<String, Value>>, String> {
    let Some(name) = headers.get("from") else { return Ok(None) };
    match variables.get(name) {
        Some(Value::Object(object)) => {
            match object.keys().find(|key| *key != VALUES && !SETTINGS.contains(&key.as_str())) {
                Some(key) => Err(format!(
                    "variable `{name}` (header `from`): `{key}` is no setting; there are {}, {VALUES}",
                    SETTINGS.join(", ")
                )),
                None => Ok(Some(object)),
            }
        }
        Some(_) => Err(format!("variable `{name}` (header `from`) is not an object")),
        None => Err(format!("there is no variable `{name}`, which the header `from` names")),
    }
}

/// Puts the `variables` of the object that `from` names in front of the job's own. A null hides nothing.
///
/// # Errors
/// A sentence for the incident, when they are no object.
pub fn overlay(headers: &BTreeMap<String, String>, variables: &mut Map<String, Value>) -> Result<(), String> {
    let Some(name) = headers.get("from") else { return Ok(()) };
    match variables.get_mut(name).and_then(|object| object.get_mut(VALUES)).map(Value::take) {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Object(values)) => {
            variables.extend(values.into_iter().filter(|(_, value)| !value.is_null()));
            Ok(())
        }
        Some(_) => Err(format!("variable `{name}` (header `from`): `{VALUES}` is not an object")),
    }
}

fn setting(name: &str, value: &Value) -> Result<Option<String>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        Value::Array(items) if name == "outputs" => {
            let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            texts.map(|texts| Some(texts.join(","))).ok_or_else(|| "setting `outputs`: expected texts".into())
        }
        _ => Err(format!("setting `{name}`: expected a text")),
    }
}

fn bare(parameter: &str) -> String {
    parameter.trim_start_matches('-').to_owned()
}

/// A name that FEEL can read as `name.callId`.
pub(crate) fn result_name(name: Option<String>) -> Result<String, String> {
    let Some(name) = name else { return Ok(DEFAULT_RESULT.to_owned()) };
    let good = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if name.starts_with(OWN_PREFIX) {
        // Local to the task, so that it would swallow the outcome.
        Err(format!("header `result`: names that begin with `{OWN_PREFIX}` are the bridge's own, choose another"))
    } else if good {
        Ok(name)
    } else {
        Err(format!("header `result`: `{name}` is not a variable name (letters, digits, `_`)"))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use serde_json::json;

    fn headers(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn variables(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_template_is_enough_and_the_rest_has_defaults() {
        let task = read(&headers(&[("template", "ortho")]), &Map::new()).unwrap();
        assert_eq!(task.command, CommandSource::Template("ortho".into()));
        assert_eq!((task.reply, task.result.as_str()), (TaskReply::Message("faas-done".into()), "call"));
    }

    #[test]
    fn variables_are_read_as_settings_only_where_the_header_from_names_them() {
        let variables = variables(&json!({ "input": { "timeout": "2h", "outputs": ["out"] }, "timeout": "9h" }));
        let plain = headers(&[("cmdline", "echo")]);
        assert_eq!(read(&plain, &variables).unwrap().timeout, None);
        let task = read(&headers(&[("cmdline", "echo"), ("from", "input")]), &variables).unwrap();
        assert_eq!(task.timeout, Some(Duration::from_secs(7200)));
        assert_eq!(task.outputs, Some(vec!["out".to_owned()]));
    }

    #[test]
    fn a_header_wins_over_the_object() {
        let variables = variables(&json!({ "input": { "timeout": "2h" } }));
        let task = read(&headers(&[("cmdline", "x"), ("from", "input"), ("timeout", "1h")]), &variables).unwrap();
        assert_eq!(task.timeout, Some(Duration::from_secs(3600)));
    }

    #[test]
    fn the_variables_of_the_object_come_before_the_jobs_own_unless_they_are_null() {
        let mut vars = variables(&json!({ "input": { "variables": { "a": 1, "b": null } }, "a": 2, "b": 3, "c": 4 }));
        overlay(&headers(&[("template", "x")]), &mut vars).unwrap();
        assert_eq!(vars["a"], 2);
        overlay(&headers(&[("template", "x"), ("from", "input")]), &mut vars).unwrap();
        assert_eq!((&vars["a"], &vars["b"], &vars["c"]), (&json!(1), &json!(3), &json!(4)));
        let mut vars = variables(&json!({ "input": { "variables": "a" } }));
        let error = overlay(&headers(&[("from", "input")]), &mut vars).unwrap_err();
        assert!(error.contains("`variables` is not an object"), "{error}");
    }

    #[test]
    fn a_task_that_stays_open_says_what_follows_a_failure() {
        let reply = |pairs| read(&headers(pairs), &Map::new()).unwrap().reply;
        assert_eq!(
            reply(&[("template", "a"), ("reply", "job"), ("onFailure", "error:NO_ORTHO"), ("onOom", "big")]),
            TaskReply::Job { error_code: Some("NO_ORTHO".into()), oom_function: Some("big".into()) }
        );
        assert_eq!(
            reply(&[("template", "a"), ("reply", "job"), ("onFailure", "incident")]),
            TaskReply::Job { error_code: None, oom_function: None }
        );
    }

    #[test]
    fn mistakes_say_which_header_and_what_to_write() {
        for (pairs, part) in [
            (&[][..], "neither a header `template` nor `cmdline`"),
            (&[("template", "a"), ("cmdline", "b")][..], "keep one"),
            (&[("template", "a"), ("timeout", "soon")][..], "header `timeout`"),
            (&[("template", "a"), ("onUnknown", "x")][..], "expected wait or resubmit"),
            (&[("template", "a"), ("result", "my-call")][..], "is not a variable name"),
            (&[("template", "a"), ("result", "zeebe2faasCall")][..], "the bridge's own"),
            (&[("template", "a"), ("from", "input")][..], "there is no variable `input`"),
            (&[("template", "a"), ("reply", "jobs")][..], "expected `message` or `job`"),
            (&[("template", "a"), ("reply", "job"), ("onFailure", "error:")][..], "`error:CODE`"),
            (&[("template", "a"), ("reply", "job"), ("message", "m")][..], "remove `message`"),
            (&[("template", "a"), ("onOom", "big")][..], "`reply` = `job` only"),
        ] {
            let error = read(&headers(pairs), &Map::new()).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
