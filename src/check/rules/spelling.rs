//! Variables that are nearly others.

use crate::check::{
    finding::{Finding, Rule, Severity},
    model::Kind,
    near::nearest,
    view::View,
};
use std::collections::BTreeSet;

pub(super) const MISSPELT_VARIABLE: Rule = Rule {
    id: "misspelt-variable",
    severity: Severity::Warning,
    what: "A variable is set that nothing reads and no documentation names, but one of nearly that name is",
    why: "who reads the other one does not see this value",
    advice: "write the name that is read, or remove what sets this one",
};

pub(super) fn check(view: &View<'_>, all: &[View<'_>], findings: &mut Vec<Finding>) {
    // Other workers and people may read anything.
    let others = view.elements().any(|(index, element)| {
        let worker = element.job_type.is_some() && view.calls.iter().all(|call| call.index != index);
        worker || element.kind == Kind::User || element.called.as_ref().is_some_and(|called| called.all_in)
    });
    let read = reads(view);
    for (_, element) in view.elements() {
        let called = element.called.as_ref().and_then(|called| called.process.constant());
        let process = all.iter().find(|other| called == Some(&other.process.id));
        let to_process = process.map(|process| (reads(process), process));
        for mapping in &element.inputs {
            let near = match &to_process {
                Some((names, process)) => {
                    let names: BTreeSet<String> = names.union(&read).cloned().collect();
                    nearly(mapping.name(), &names)
                        .filter(|_| !process.process.documents(mapping.name()))
                        .map(str::to_owned)
                }
                None if others || element.called.is_some() => None,
                None => nearly(mapping.name(), &read).map(str::to_owned),
            };
            report(view, mapping.name(), near, mapping.source.line, &element.id, findings);
        }
        for mapping in element.outputs.iter().filter(|_| !others) {
            let near = nearly(mapping.name(), &read).map(str::to_owned);
            report(view, mapping.name(), near, mapping.source.line, &element.id, findings);
        }
    }
    for call in view.calls.iter().filter(|_| !others) {
        let Some((result, header)) = call.result.as_deref().zip(call.element.header("result")) else { continue };
        let near = nearly(result, &read).map(str::to_owned);
        report(view, result, near, header.line, &call.element.id, findings);
    }
}

fn report(view: &View<'_>, name: &str, near: Option<String>, line: u32, id: &str, findings: &mut Vec<Finding>) {
    if let Some(near) = near.filter(|_| !view.process.documents(name)) {
        let message = format!("nothing reads `{name}`; did you mean `{near}`?");
        findings.push(view.finding(&MISSPELT_VARIABLE, line, id, message));
    }
}

/// Every name that an expression, a template or the header `from` reads, or that is set and documented, for callers.
fn reads(view: &View<'_>) -> BTreeSet<String> {
    let readings = view.uses.iter().filter_map(|found| found.text.expression()).flat_map(|found| found.readings());
    let mut names: BTreeSet<String> = readings.filter_map(|reading| reading.path.into_iter().next()).collect();
    for call in &view.calls {
        names.extend(call.from.map(|header| header.value.clone()));
        names.extend(call.template.iter().flat_map(|template| template.variables()).map(str::to_owned));
    }
    let set = view.elements().flat_map(|(_, element)| element.outputs.iter().map(|mapping| mapping.name()));
    names.extend(set.filter(|name| view.process.documents(name)).map(str::to_owned));
    names
}

/// The name that is read and nearly this one; names that differ in their digits only are meant to differ.
fn nearly<'n>(name: &str, read: &'n BTreeSet<String>) -> Option<&'n str> {
    let plain = |name: &str| name.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if read.contains(name) || !is_name {
        return None;
    }
    nearest(name, read.iter().map(String::as_str)).filter(|near| plain(near) != plain(name))
}
