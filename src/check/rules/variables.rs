//! Variables that nobody sets.

use crate::check::{
    finding::{Finding, Rule, Severity},
    model::Kind,
    scope::Known,
    view::{Role, Use, View},
};
use std::collections::BTreeSet;

pub(super) const UNSET_VARIABLE: Rule = Rule {
    id: "unset-variable",
    severity: Severity::Error,
    what: "A command template, or the header `from`, needs a variable that nobody sets before",
    why: "the job is an incident",
    advice: "set it (input mapping, an earlier result, [vars]), or name it among the process' inputs",
};

pub(super) const UNSET_NAME: Rule = Rule {
    id: "unset-name",
    severity: Severity::Warning,
    what: "An expression reads a variable that nobody sets before",
    why: "it is null, and what follows from it",
    advice: "set it, name it among the process' inputs, or say what holds without it (get or else, = null)",
};

pub(super) const OUTSIDE_VARIABLE: Rule = Rule {
    id: "outside-variable",
    severity: Severity::Note,
    what: "A variable must come from outside, and the process does not say so",
    why: "nobody can tell a misspelt name from an input",
    advice: "name the inputs: in the documentation of the process, FILE.vars.json, or --variables",
};

pub(super) const MISSING_INPUT: Rule = Rule {
    id: "missing-input",
    severity: Severity::Error,
    what: "A call activity does not hand on a variable that the called process needs",
    why: "that process has an incident, or works with null",
    advice: "add an input mapping to that name",
};

/// A variable that is not set where it is read.
struct Unset {
    name: String,
    known: Known,
    /// Whether a command needs it.
    by_command: bool,
    line: u32,
    id: String,
    what: String,
}

/// Where the variables of a process' instances come from.
enum Inputs {
    /// Nobody says.
    Unknown,
    /// All of a caller's variables.
    All,
    /// These, and those that the documentation has.
    Named(BTreeSet<String>),
}

pub(super) fn check(view: &View<'_>, all: &[View<'_>], findings: &mut Vec<Finding>) {
    let unset = unset(view);
    let inputs = match inputs(view, all) {
        Inputs::Unknown if unset.iter().any(|unset| view.process.takes(&unset.name)) => Inputs::Named(BTreeSet::new()),
        inputs => inputs,
    };
    let mut told = BTreeSet::new();
    for unset in unset {
        let given = match &inputs {
            Inputs::All => true,
            Inputs::Unknown => false,
            Inputs::Named(names) => names.contains(&unset.name) || view.process.takes(&unset.name),
        };
        if given {
            continue;
        }
        let rule = match (&inputs, unset.by_command) {
            (Inputs::Unknown, _) => &OUTSIDE_VARIABLE,
            (_, true) => &UNSET_VARIABLE,
            (_, false) => &UNSET_NAME,
        };
        // A note is for the process, at the first place.
        if matches!(inputs, Inputs::Unknown) && !told.insert(unset.name.clone()) {
            continue;
        }
        let message = match unset.known {
            Known::Later(setter) => {
                format!("{}: only `{}` sets it, which comes later", unset.what, view.element(setter).id)
            }
            _ => format!("{}: nothing sets it", unset.what),
        };
        findings.push(view.finding(rule, unset.line, &unset.id, message));
    }
    missing_inputs(view, all, findings);
}

/// What is read and not set within the process, in the order of the elements.
fn unset(view: &View<'_>) -> Vec<Unset> {
    let mut found = by_commands(view);
    by_expressions(view, &mut found);
    found.sort_by_key(|unset| unset.line);
    found
}

fn by_commands(view: &View<'_>) -> Vec<Unset> {
    let mut found = Vec::new();
    for call in &view.calls {
        let element = call.element;
        let mut look = |name: &str, line, what| {
            let known = view.known(name, call.index, Role::Other);
            if known != Known::Set {
                let (name, id) = (name.to_owned(), element.id.clone());
                found.push(Unset { name, known, by_command: true, line, id, what });
            }
        };
        if let Some(header) = call.from {
            look(&header.value, header.line, format!("the header `from` names `{}`", header.value));
            continue;
        }
        let Some(template) = call.template.as_ref().filter(|_| call.throws.is_none()) else { continue };
        let source = element
            .header("template")
            .map_or("`cmdline`".to_owned(), |name| format!("template `{}`", name.value.trim()));
        for name in template.needed().filter(|name| view.site.vars.get(*name).is_none_or(|value| value.is_null())) {
            look(name, call.command_line(), format!("{source} needs `{name}`"));
        }
    }
    found
}

fn by_expressions(view: &View<'_>, found: &mut Vec<Unset>) {
    let optional = view.optional();
    // Whether a key is a call's id is what `waiting` asks.
    let by_waiting = |found: &&Use<'_>| found.role == Role::Key && view.waits_for_calls(found.element);
    for found_use in view.uses.iter().filter(|found| !by_waiting(found)) {
        let Some(expression) = found_use.text.expression() else { continue };
        let mut seen = BTreeSet::new();
        for reading in expression.readings() {
            let Some(name) = reading.path.into_iter().next() else { continue };
            if reading.may_be_missing || optional.contains(&name) || !seen.insert(name.clone()) {
                continue;
            }
            let known = view.known(&name, found_use.element, found_use.role);
            if known != Known::Set {
                let what = format!("the expression reads `{name}`");
                let (line, id) = (found_use.text.line, found_use.id.to_owned());
                found.push(Unset { name, known, by_command: false, line, id, what });
            }
        }
    }
}

fn inputs(view: &View<'_>, all: &[View<'_>]) -> Inputs {
    let mut names = view.process.inputs.clone();
    for caller in all {
        for (_, element) in caller.elements() {
            let Some(called) = element.called.as_ref() else { continue };
            if called.process.constant() != Some(&view.process.id) {
                continue;
            }
            if called.all_in {
                return Inputs::All;
            }
            names.extend(element.inputs.iter().map(|mapping| mapping.name().to_owned()));
        }
    }
    if names.is_empty() { Inputs::Unknown } else { Inputs::Named(names) }
}

/// What a called process that is among the files needs, and its caller does not map.
fn missing_inputs(view: &View<'_>, all: &[View<'_>], findings: &mut Vec<Finding>) {
    for (_, element) in view.elements().filter(|(_, element)| element.kind == Kind::Call) {
        let Some(called) = element.called.as_ref().filter(|called| !called.all_in) else { continue };
        let Some(process) = all.iter().find(|other| called.process.constant() == Some(&other.process.id)) else {
            continue;
        };
        let mut missing = BTreeSet::new();
        for unset in unset(process) {
            // An expression may get by without; what the documentation names is meant to be there.
            let needed = unset.by_command || process.process.takes(&unset.name);
            if needed && !element.keeps(&unset.name) && missing.insert(unset.name.clone()) {
                let message =
                    format!("process `{}` needs `{}`, which is not mapped here", process.process.id, unset.name);
                findings.push(view.finding(&MISSING_INPUT, called.process.line, &element.id, message));
            }
        }
    }
}
