//! FEEL, and texts that should be FEEL.

use crate::check::{
    finding::{Finding, Rule, Severity},
    model::{Mapping, TimerKind},
    near::meant,
    scope::Known,
    view::{Role, Use, View},
};

pub(super) const FEEL_SYNTAX: Rule = Rule {
    id: "feel-syntax",
    severity: Severity::Error,
    what: "An expression is no FEEL",
    why: "Zeebe refuses the file",
    advice: "write what FEEL has there; the message says where it stops making sense",
};

pub(super) const FEEL_NEWER: Rule = Rule {
    id: "feel-newer",
    severity: Severity::Warning,
    what: "An expression is no FEEL of Zeebe 8.6, in a process that is drawn for a newer one",
    why: "unless the newer one reads it, Zeebe refuses the file",
    advice: "look at it in the modeler",
};

pub(super) const FEEL_UNSUPPORTED: Rule = Rule {
    id: "feel-unsupported",
    severity: Severity::Note,
    what: "An expression is larger than what is looked at here",
    why: "what it reads is not checked; Zeebe may well evaluate it",
    advice: "nothing, or split it",
};

pub(super) const FEEL_FUNCTION: Rule = Rule {
    id: "feel-function",
    severity: Severity::Warning,
    what: "An expression calls a function that FEEL does not have",
    why: "its result is null, without an incident",
    advice: "write the function's name as FEEL has it; some have blanks in it",
};

pub(super) const EXPRESSION_EXPECTED: Rule = Rule {
    id: "expression-expected",
    severity: Severity::Error,
    what: "A text stands where Zeebe takes an expression only",
    why: "Zeebe refuses the file",
    advice: "put a = before it",
};

pub(super) const LITERAL_MAPPING: Rule = Rule {
    id: "literal-mapping",
    severity: Severity::Warning,
    what: "An input mapping's source is a text that is also the name of a variable",
    why: "without a = it is that text, not the variable's value",
    advice: "put a = before it",
};

pub(super) const MAPPING_TARGET: Rule = Rule {
    id: "mapping-target",
    severity: Severity::Error,
    what: "A mapping's target is no name of a variable",
    why: "Zeebe refuses the file",
    advice: "letters, digits and _, and no word of FEEL such as `function`; a dot goes into an object",
};

pub(super) const TIMER_VALUE: Rule = Rule {
    id: "timer-value",
    severity: Severity::Error,
    what: "A timer's value is no ISO 8601 duration, date or cycle",
    why: "an incident stands where the timer begins; of a start event, Zeebe refuses the file",
    advice: "PT5H, P1D, 2026-12-24T18:00:00Z, R3/PT10M, or an expression",
};

/// Words of FEEL that look like names.
const RESERVED: [&str; 11] =
    ["null", "true", "false", "function", "if", "then", "else", "for", "between", "instance", "of"];

/// A few that people write, for suggestions.
const FUNCTIONS: [&str; 18] = [
    "count",
    "contains",
    "context put",
    "context merge",
    "date and time",
    "duration",
    "flatten",
    "get or else",
    "get value",
    "is defined",
    "list contains",
    "lower case",
    "string length",
    "string join",
    "sum",
    "upper case",
    "starts with",
    "append",
];

pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for found in &view.uses {
        expression(view, found, findings);
    }
    for (index, element) in view.elements() {
        for (place, mapping) in element.inputs.iter().enumerate() {
            target(view, &element.id, mapping, findings);
            literal(view, index, place, findings);
        }
        element.outputs.iter().for_each(|mapping| target(view, &element.id, mapping, findings));
        if let Some(timer) = element.timer()
            && let Some(text) = timer.text.constant().filter(|text| !is_time(timer.kind, text))
        {
            let message = format!("`{text}` is no {}", kind(timer.kind));
            findings.push(view.finding(&TIMER_VALUE, timer.text.line, &element.id, message));
        }
    }
}

fn expression(view: &View<'_>, found: &Use<'_>, findings: &mut Vec<Finding>) {
    let text = found.text;
    let mut report = |rule, message| findings.push(view.finding(rule, text.line, found.id, message));
    let needs =
        matches!(found.role, Role::Output | Role::Key | Role::Condition | Role::Collection | Role::OutputElement);
    if needs && (text.text == "=" || text.constant().is_some()) {
        report(&EXPRESSION_EXPECTED, format!("`{0}` is a text here; write `={0}`", text.text));
    }
    match &text.feel {
        Some(Err(refusal)) if refusal.legal => report(&FEEL_UNSUPPORTED, refusal.to_string()),
        Some(Err(refusal)) if view.document.newer => report(&FEEL_NEWER, refusal.to_string()),
        Some(Err(refusal)) => report(&FEEL_SYNTAX, refusal.to_string()),
        Some(Ok(expression)) => {
            for name in expression.unknown_functions() {
                report(&FEEL_FUNCTION, format!("FEEL has no function `{name}`{}", meant(&name, FUNCTIONS)));
            }
        }
        None => {}
    }
}

fn target(view: &View<'_>, id: &str, mapping: &Mapping, findings: &mut Vec<Finding>) {
    let is_name = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.chars().all(|other| other.is_ascii_alphanumeric() || other == '_')
    };
    let target = &mapping.target;
    if !target.split('.').all(is_name) || RESERVED.contains(&target.as_str()) {
        findings.push(view.finding(
            &MAPPING_TARGET,
            mapping.source.line,
            id,
            format!("`{target}` cannot be a variable"),
        ));
    }
}

fn literal(view: &View<'_>, index: usize, place: usize, findings: &mut Vec<Finding>) {
    let element = view.element(index);
    let source = &element.inputs[place].source;
    let Some(text) = source.constant() else { return };
    let name = text.split('.').next().unwrap_or_default();
    let is_set = view.is_set_elsewhere(name) || view.results().any(|result| result == name);
    let around = view.process.around(index).any(|scope| scope != index && view.element(scope).keeps(name));
    if (is_set || around)
        && view.known(name, index, Role::Input(place)) == Known::Set
        && element.inputs[place].target != text
    {
        let message = format!("`{text}` is a text here; for the variable `{name}` write `={text}`");
        findings.push(view.finding(&LITERAL_MAPPING, source.line, &element.id, message));
    }
}

fn is_time(kind: TimerKind, text: &str) -> bool {
    match kind {
        TimerKind::Duration => is_duration(text),
        TimerKind::Date => text.contains('T') && text.starts_with(|first: char| first.is_ascii_digit()),
        TimerKind::Cycle => match text.strip_prefix('R') {
            Some(rest) => rest.rsplit_once('/').is_some_and(|(_, pause)| is_duration(pause)),
            // A cron expression has six fields, or a name.
            None => text.starts_with('@') || text.split_whitespace().count() >= 6,
        },
    }
}

fn is_duration(text: &str) -> bool {
    let rest = text.trim_start_matches(['-', '+']);
    let known = |c: char| c.is_ascii_digit() || "YMWDTHS.,-+".contains(c);
    rest.strip_prefix('P').is_some_and(|rest| rest.contains(|c: char| c.is_ascii_digit()) && rest.chars().all(known))
}

const fn kind(kind: TimerKind) -> &'static str {
    match kind {
        TimerKind::Duration => "ISO 8601 duration such as PT5H",
        TimerKind::Date => "ISO 8601 date and time such as 2026-12-24T18:00:00Z",
        TimerKind::Cycle => "ISO 8601 cycle such as R3/PT10M, and no cron expression",
    }
}
