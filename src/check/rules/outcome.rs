//! What expressions ask of a call's outcome.

use crate::{
    bridge::outcome::Status,
    check::{
        finding::{Finding, Rule, Severity},
        near::{meant, nearest},
        view::View,
    },
};

pub(super) const UNKNOWN_FIELD: Rule = Rule {
    id: "unknown-field",
    severity: Severity::Warning,
    what: "An expression reads a field that no outcome of a call has",
    why: "it is null, without an incident",
    advice: "write one of the fields of docs/processes.md",
};

pub(super) const UNKNOWN_STATUS: Rule = Rule {
    id: "unknown-status",
    severity: Severity::Warning,
    what: "An outcome's status is compared with a word that it never is",
    why: "the comparison is never true",
    advice: "succeeded, failed, refused, timedOut, cancelled, or submitted before the outcome is there",
};

/// Of an outcome, and of the object that stands for it until then.
const FIELDS: [&str; 16] = [
    "callId",
    "function",
    "status",
    "message",
    "retryable",
    "exitCode",
    "signal",
    "outOfMemory",
    "durationSeconds",
    "cpuSeconds",
    "peakMemoryBytes",
    "outputs",
    "logTail",
    "result",
    "truncated",
    "deadline",
];
/// What people write, and which status that is.
const OTHER_WORDS: [(&str, &str); 7] = [
    ("success", "succeeded"),
    ("ok", "succeeded"),
    ("completed", "succeeded"),
    ("done", "succeeded"),
    ("error", "failed"),
    ("failure", "failed"),
    ("timeout", "timedOut"),
];
/// The status of a call that has not ended.
const SUBMITTED: &str = "submitted";

pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    let is_result = |name: &String| view.results().any(|result| result == name);
    for found in &view.uses {
        let Some(expression) = found.text.expression() else { continue };
        let mut report = |rule, message| findings.push(view.finding(rule, found.text.line, found.id, message));
        for reading in expression.readings() {
            let [name, field, ..] = reading.path.as_slice() else { continue };
            let unknown = is_result(name) && !reading.may_be_missing && !FIELDS.contains(&field.as_str());
            // What a mapping has put in may be anything; a slip of the pen is one all the same.
            if unknown && (!view.is_set_elsewhere(name) || nearest(field, FIELDS).is_some()) {
                report(
                    &UNKNOWN_FIELD,
                    format!("`{name}.{field}`: an outcome has no `{field}`{}", meant(field, FIELDS)),
                );
            }
        }
        for comparison in expression.comparisons() {
            let [name, field] = comparison.path.as_slice() else { continue };
            let words = || Status::ALL.into_iter().map(Status::as_str).chain([SUBMITTED]);
            if is_result(name) && field == "status" && !words().any(|word| word == comparison.text) {
                let text = &comparison.text;
                let other = OTHER_WORDS.iter().find(|(other, _)| other.eq_ignore_ascii_case(text));
                let near = other.map_or_else(|| meant(text, words()), |(_, word)| meant(word, words()));
                report(&UNKNOWN_STATUS, format!("`{name}.status` is never \"{text}\"{near}"));
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::bridge::outcome::Outcome;
    use serde_json::json;

    #[test]
    fn every_field_of_an_outcome_is_known() {
        let least = json!({ "callId": "a".repeat(26), "function": "f", "status": "failed", "result": 1 });
        let outcome: Outcome = serde_json::from_value(least).unwrap();
        let json = serde_json::to_value(outcome).unwrap();
        let fields: Vec<&String> = json.as_object().unwrap().keys().collect();
        assert!(fields.iter().all(|field| FIELDS.contains(&field.as_str())), "{fields:?}");
    }
}
