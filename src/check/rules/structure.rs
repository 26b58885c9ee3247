//! The document itself: ids, references, flows.

use crate::check::{
    finding::{Finding, Rule, Severity},
    model::{Event, Kind},
    near::nearest,
    view::View,
};

pub(in crate::check) const NOT_BPMN: Rule = Rule {
    id: "not-bpmn",
    severity: Severity::Error,
    what: "The file is not XML, or not BPMN",
    why: "Zeebe refuses it",
    advice: "export it from the modeler again",
};

pub(in crate::check) const NO_PROCESS: Rule = Rule {
    id: "no-process",
    severity: Severity::Warning,
    what: "No process of the file is executable",
    why: "Zeebe refuses the file, and nothing else of it is checked here",
    advice: "set Executable at the process (isExecutable=\"true\")",
};

pub(in crate::check) const DUPLICATE_ID: Rule = Rule {
    id: "duplicate-id",
    severity: Severity::Error,
    what: "Two elements have the same id",
    why: "a reference to it means either of them, and Zeebe refuses the file",
    advice: "give one of them another id",
};

pub(in crate::check) const BROKEN_REFERENCE: Rule = Rule {
    id: "broken-reference",
    severity: Severity::Error,
    what: "Something refers to an element, message or error that is not there",
    why: "Zeebe refuses the file",
    advice: "choose what is meant in the modeler, or remove what refers to it",
};

pub(in crate::check) const UNREACHABLE: Rule = Rule {
    id: "unreachable-element",
    severity: Severity::Warning,
    what: "No sequence flow leads to the element",
    why: "it never runs",
    advice: "draw a flow to it, or remove it",
};

pub(in crate::check) const MISSPELT_PROCESS: Rule = Rule {
    id: "misspelt-process",
    severity: Severity::Warning,
    what: "A call activity calls a process that is not there, but one of nearly that id is",
    why: "without a process of this id the call activity is an incident",
    advice: "write the id of the process that is meant",
};

pub(super) fn check(view: &View<'_>, all: &[View<'_>], findings: &mut Vec<Finding>) {
    for (_, element) in view.elements() {
        let begins = matches!(element.kind, Kind::Start | Kind::Boundary) || element.event_triggered;
        let ad_hoc = element.scope.is_some_and(|scope| view.element(scope).kind == Kind::AdHoc);
        // A link event is reached by its name.
        let linked = element.kind == Kind::Catch && matches!(element.event, Some(Event::Other));
        // What has no flow at all may be a compensation's.
        let alone = element.outgoing.is_empty()
            && matches!(element.kind, Kind::Task | Kind::User | Kind::Call | Kind::SubProcess);
        if element.incoming.is_empty() && !begins && !ad_hoc && !linked && !alone {
            findings.push(view.finding(&UNREACHABLE, element.line, &element.id, "no sequence flow leads here"));
        }
        let Some(process) = element.called.as_ref() else { continue };
        let Some(id) = process.process.constant() else { continue };
        let known = || all.iter().map(|view| view.process.id.as_str());
        let others = known().filter(|known| *known != view.process.id);
        if let Some(near) = nearest(id, others).filter(|_| !known().any(|known| known == id)) {
            let message = format!("there is no process `{id}` among these files; did you mean `{near}`?");
            findings.push(view.finding(&MISSPELT_PROCESS, process.process.line, &element.id, message));
        }
    }
}
