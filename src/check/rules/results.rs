//! Variables that hold outcomes: where they are lost or overwrite each other.

use crate::check::{
    call::Call,
    finding::{Finding, Rule, Severity},
    model::{Element, Kind},
    view::View,
};

pub(super) const RESULT_KEPT: Rule = Rule {
    id: "result-kept",
    severity: Severity::Error,
    what: "An input mapping makes a local variable of the name that `result` says",
    why: "the outcome stays in the task, and the process never sees it",
    advice: "use another name for the input, or hand the result on by an output mapping",
};

pub(super) const RESULT_DROPPED: Rule = Rule {
    id: "result-dropped",
    severity: Severity::Error,
    what: "Output mappings of a call, or of what waits for it, do not hand on its result",
    why: "the process never sees it, nor the call id that a receive task waits with",
    advice: "add an output mapping of the result, or remove the mappings",
};

pub(super) const RESULT_OVERWRITTEN: Rule = Rule {
    id: "result-overwritten",
    severity: Severity::Error,
    what: "Calls that run side by side have the same result variable",
    why: "one overwrites the other's call id, and its receive task waits for ever",
    advice: "give each its own name in the header `result`",
};

pub(super) const RESULT_SHARED: Rule = Rule {
    id: "result-shared",
    severity: Severity::Error,
    what: "A call is repeated side by side (multi-instance), and its result variable is not each instance's own",
    why: "the instances overwrite each other's call ids, and receive tasks wait for ever",
    advice: "add an input mapping of `=null` to that name at the multi-instance activity",
};

pub(super) const CALL_LEAKS: Rule = Rule {
    id: "call-activity-leaks",
    severity: Severity::Warning,
    what: "A call activity is repeated side by side, and all variables of the called processes come back",
    why: "each overwrites the others'",
    advice: "propagateAllChildVariables=\"false\" and output mappings",
};

pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for (place, call) in view.calls.iter().enumerate().filter(|(_, call)| call.throws.is_none()) {
        let Some(result) = call.result.as_deref() else { continue };
        let waiters = view.waits.matched.iter().filter(|(matched, _)| *matched == place);
        let waiters: Vec<usize> = waiters.map(|(_, waiter)| *waiter).collect();
        for index in std::iter::once(call.index).chain(waiters.iter().copied()) {
            kept(view, view.element(index), result, findings);
            if call.awaited().is_some() && index == call.index || waiters.contains(&index) {
                dropped(view, view.element(index), result, findings);
            }
        }
        shared(view, call, result, findings);
        let others = view.calls[..place].iter().filter(|other| other.throws.is_none());
        let same = |other: &&Call<'_>| {
            other.result.as_deref() == Some(result)
                && owner(view, other.index, result) == owner(view, call.index, result)
        };
        if let Some(other) =
            others.filter(same).find(|other| view.graph.side_by_side(view.process, other.index, call.index))
        {
            let message = format!("`{}` runs at the same time, and its result is `{result}`, too", other.element.id);
            findings.push(view.finding(&RESULT_OVERWRITTEN, line(call), &call.element.id, message));
        }
    }
    for (index, element) in view.elements().filter(|(_, element)| element.kind == Kind::Call) {
        let all_out = element.called.as_ref().is_some_and(|called| called.all_out) && element.outputs.is_empty();
        let repeated = view.process.around(index).any(|around| is_parallel(view.element(around)));
        if all_out && repeated {
            let message = "instances run side by side, and all variables of each called process come back";
            findings.push(view.finding(&CALL_LEAKS, element.line, &element.id, message));
        }
    }
}

fn line(call: &Call<'_>) -> u32 {
    call.element.header("result").map_or(call.element.line, |header| header.line)
}

fn is_parallel(element: &Element) -> bool {
    element.repeated.as_ref().is_some_and(|repeated| !repeated.sequential)
}

/// The scope that has the variable as its own; none for the process.
fn owner(view: &View<'_>, call: usize, result: &str) -> Option<usize> {
    view.process.around(call).find(|scope| view.element(*scope).keeps(result))
}

fn reads(text: &crate::check::model::Text, result: &str) -> bool {
    let reads = |readings: Vec<zeebe2faas_feel::Reading>| {
        readings.iter().any(|reading| reading.path.first().is_some_and(|name| name == result))
    };
    // What does not parse is another rule's finding.
    text.feel.is_some() && text.expression().is_none_or(|expression| reads(expression.readings()))
}

fn kept(view: &View<'_>, element: &Element, result: &str, findings: &mut Vec<Finding>) {
    let Some(mapping) = element.inputs.iter().find(|mapping| mapping.name() == result) else { return };
    let collected = element.repeated.as_ref().and_then(|repeated| repeated.output_element.as_ref());
    let handed_on =
        element.outputs.iter().map(|mapping| &mapping.source).chain(collected).any(|text| reads(text, result));
    if !handed_on {
        let message = format!("this input keeps the outcome, `{result}`, in the task");
        findings.push(view.finding(&RESULT_KEPT, mapping.source.line, &element.id, message));
    }
}

fn dropped(view: &View<'_>, element: &Element, result: &str, findings: &mut Vec<Finding>) {
    let Some(first) = element.outputs.first() else { return };
    if !element.outputs.iter().any(|mapping| reads(&mapping.source, result)) {
        let message = format!("the output mappings do not hand on `{result}`; add `={result}` to `{result}`");
        findings.push(view.finding(&RESULT_DROPPED, first.source.line, &element.id, message));
    }
}

fn shared(view: &View<'_>, call: &Call<'_>, result: &str, findings: &mut Vec<Finding>) {
    for scope in view.process.around(call.index) {
        let element = view.element(scope);
        // Repeated itself, only the last call would be waited for.
        let repeated_itself = scope == call.index && element.repeated.is_some() && call.awaited().is_some();
        if repeated_itself || (is_parallel(element) && !element.keeps(result)) {
            let message = format!("the instances of `{}` share the variable `{result}`", element.id);
            findings.push(view.finding(&RESULT_SHARED, line(call), &call.element.id, message));
            return;
        }
        if element.keeps(result) {
            return;
        }
    }
}
