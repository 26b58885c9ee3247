//! Task definitions and headers of the tasks that the bridge works.

use crate::{
    bridge::{
        render::{is_function_name, parse_duration},
        task::{SETTINGS, error_code, result_name},
    },
    check::{
        call::Call,
        finding::{Finding, Rule, Severity},
        model::Header,
        near::nearest,
        view::View,
    },
    config::{Executor, OnUnknown},
};

pub(super) const JOB_TYPE: Rule = Rule {
    id: "job-type",
    severity: Severity::Warning,
    what: "A task has the bridge's headers, or nearly its type, and no [[worker]] works its type",
    why: "unless another worker does, its job is never worked, and the process stands still",
    advice: "write a type of the configuration's [[worker]] tables (`openfaas`)",
};

pub(super) const UNKNOWN_HEADER: Rule = Rule {
    id: "unknown-header",
    severity: Severity::Warning,
    what: "A task of the bridge has a header that means nothing to it",
    why: "it has no effect, and the default counts",
    advice: "write the header that is meant, or remove it",
};

pub(super) const DUPLICATE_HEADER: Rule = Rule {
    id: "duplicate-header",
    severity: Severity::Error,
    what: "A header is there twice",
    why: "Zeebe refuses the file",
    advice: "keep one",
};

pub(super) const LITERAL_HEADER: Rule = Rule {
    id: "literal-header",
    severity: Severity::Error,
    what: "A header's value begins with =",
    why: "Zeebe evaluates no headers, so that it is a text",
    advice: "give the value by an object: header `from`, and an input mapping of that name",
};

pub(super) const HEADER_VALUE: Rule = Rule {
    id: "header-value",
    severity: Severity::Error,
    what: "A header's value is none that it can have",
    why: "the job is an incident",
    advice: "write what the message says",
};

pub(super) const NO_COMMAND: Rule = Rule {
    id: "no-command",
    severity: Severity::Error,
    what: "A task has neither `template` nor `cmdline`, and no `from` that may supply them",
    why: "the job is an incident",
    advice: "add one of them",
};

pub(super) const CONFLICTING_HEADERS: Rule = Rule {
    id: "conflicting-headers",
    severity: Severity::Error,
    what: "Headers exclude each other: `template` and `cmdline`, `throw` and a command, or one of the other reply mode",
    why: "the job is an incident",
    advice: "keep one of them",
};

pub(super) const IGNORED_HEADER: Rule = Rule {
    id: "ignored-header",
    severity: Severity::Warning,
    what: "A header has no effect beside what else the task or the function is",
    why: "somebody counts on it",
    advice: "remove it",
};

pub(super) const NO_RETRIES: Rule = Rule {
    id: "no-retries",
    severity: Severity::Warning,
    what: "The task definition's retries are 0, or no number",
    why: "the first submission that fails, as when OpenFaaS is away for a moment, is an incident",
    advice: "retries=\"3\"",
};

/// What a task that throws has no use for.
const NOT_WITH_THROW: [&str; 8] =
    ["outputs", "reply", "message", "timeout", "onUnknown", "executor", "onFailure", "onOom"];

fn known() -> impl Iterator<Item = &'static str> + Clone {
    SETTINGS.into_iter().chain(["from", "throw"])
}

pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    view.calls.iter().for_each(|call| check_call(view, call, findings));
    for (index, element) in view.elements() {
        let Some(job_type) = element.job_type.as_ref().filter(|_| view.calls.iter().all(|call| call.index != index))
        else {
            continue;
        };
        let Some(name) = job_type.constant() else { continue };
        let types = || view.site.job_types.iter().map(String::as_str);
        let ours = ["template", "cmdline", "onUnknown"].into_iter().find(|header| element.header(header).is_some());
        let message = match (nearest(name, types()), ours) {
            (Some(near), _) => format!("no worker works `{name}`; did you mean `{near}`?"),
            (None, Some(header)) => {
                let types = types().collect::<Vec<_>>().join(", ");
                format!(
                    "the header `{header}` is the bridge's, but its workers do not work `{name}`; they work {types}"
                )
            }
            (None, None) => continue,
        };
        findings.push(view.finding(&JOB_TYPE, job_type.line, &element.id, message));
    }
}

fn check_call(view: &View<'_>, call: &Call<'_>, findings: &mut Vec<Finding>) {
    let element = call.element;
    let mut report = |rule, line, message: String| findings.push(view.finding(rule, line, &element.id, message));
    let mut command_is_misspelt = false;
    for (place, header) in element.headers.iter().enumerate() {
        let (key, value) = (header.key.as_str(), header.value.trim());
        if element.headers[..place].iter().any(|other| other.key == header.key) {
            report(&DUPLICATE_HEADER, header.line, format!("the header `{key}` is there already"));
        } else if !known().any(|known| known == key) {
            let near = nearest(key, known());
            command_is_misspelt |= matches!(near, Some("template" | "cmdline"));
            let meant = near.map_or_else(
                || format!("these are known: {}", known().collect::<Vec<_>>().join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            report(&UNKNOWN_HEADER, header.line, format!("the header `{key}` is not known; {meant}"));
        } else if value.starts_with('=') {
            report(
                &LITERAL_HEADER,
                header.line,
                format!("the header `{key}` is a text: Zeebe does not evaluate `{value}`"),
            );
        } else if let Err(message) = value_is_good(key, value) {
            report(&HEADER_VALUE, header.line, message);
        }
    }
    let has_command = ["template", "cmdline", "from", "throw"].iter().any(|name| element.header(name).is_some());
    if !has_command && !command_is_misspelt {
        report(&NO_COMMAND, element.line, "neither a header `template` nor `cmdline`; the task needs one".to_owned());
    }
    if let Some(retries) = &element.retries
        && retries.constant().is_some_and(|text| text.trim().parse::<u32>().map_or(true, |number| number == 0))
    {
        report(&NO_RETRIES, retries.line, format!("retries=\"{}\"", retries.text));
    }
    conflicts(view, call, findings);
}

fn value_is_good(key: &str, value: &str) -> Result<(), String> {
    let named = |error: String| format!("header `{key}`: {error}");
    match key {
        _ if value.is_empty() => Ok(()),
        "timeout" => parse_duration(value).map(|_time| ()).map_err(named),
        "onUnknown" => value.parse::<OnUnknown>().map(|_known| ()).map_err(named),
        "executor" => value.parse::<Executor>().map(|_known| ()).map_err(named),
        "onFailure" => error_code(value).map(|_code| ()),
        "result" => result_name(Some(value.to_owned())).map(|_name| ()),
        "reply" if !["message", "job"].contains(&value) => {
            Err(named(format!("expected `message` or `job`, found `{value}`")))
        }
        "function" | "onOom" if !is_function_name(value) => Err(named(format!(
            "`{value}` is not a function name: lower-case letters, digits, `-`, `_`, perhaps `.namespace`"
        ))),
        _ => Ok(()),
    }
}

fn conflicts(view: &View<'_>, call: &Call<'_>, findings: &mut Vec<Finding>) {
    let element = call.element;
    let header = |name: &str| element.header(name);
    let mut report = |rule, header: &Header, why: &str| {
        findings.push(view.finding(rule, header.line, &element.id, format!("the header `{}` {why}", header.key)));
    };
    if call.throws.is_some() {
        for found in ["function", "template", "cmdline"].into_iter().filter_map(header) {
            report(&CONFLICTING_HEADERS, found, "and `throw` are both there: a task throws or calls");
        }
        for found in NOT_WITH_THROW.into_iter().filter_map(header) {
            report(&IGNORED_HEADER, found, "has no effect beside `throw`");
        }
        if let Some(found) = call.throws.filter(|_| call.from.is_none()) {
            report(&CONFLICTING_HEADERS, found, "needs `from`, the variable that holds the error's details");
        }
        return;
    }
    if let (Some(_), Some(found)) = (header("template"), header("cmdline")) {
        report(&CONFLICTING_HEADERS, found, "and `template` are both there; keep one");
    }
    let holds = header("reply").map(|header| header.value.trim());
    if let Some(found) = header("message").filter(|_| holds == Some("job")) {
        report(&CONFLICTING_HEADERS, found, "and `reply` = `job` are both there: the task itself waits");
    }
    // What `from` names may say `reply`.
    if holds == Some("message") || (holds.is_none() && call.from.is_none()) {
        for found in ["onFailure", "onOom"].into_iter().filter_map(header) {
            report(&CONFLICTING_HEADERS, found, "works with the header `reply` = `job` only");
        }
    }
    let once = call.function.as_ref().is_some_and(|(name, _)| view.site.function(name).run_once);
    if let Some(found) = header("onUnknown").filter(|_| once) {
        report(&IGNORED_HEADER, found, "has no effect: the function is run_once, and is always submitted again");
    }
}
