//! What follows when a call fails.

use crate::check::{
    call::{Call, Reply},
    finding::{Finding, Rule, Severity},
    model::{Event, Kind},
    near::meant,
    view::View,
};

pub(super) const FAILURE_IGNORED: Rule = Rule {
    id: "failure-ignored",
    severity: Severity::Warning,
    what: "Nothing behind a call looks at its status",
    why: "the process goes on after a failure as after a success",
    advice: "a gateway that compares =RESULT.status with \"succeeded\"",
};

pub(super) const NO_DEFAULT_FLOW: Rule = Rule {
    id: "no-default-flow",
    severity: Severity::Warning,
    what: "A gateway that asks for a call's outcome has conditions only, and no default flow",
    why: "an outcome that fits none of them is an incident",
    advice: "make the path of the failure the default flow",
};

pub(super) const ERROR_NOT_CAUGHT: Rule = Rule {
    id: "error-not-caught",
    severity: Severity::Warning,
    what: "Nothing in the process catches the BPMN error that a task ends with",
    why: "it is an incident, unless a calling process catches it",
    advice: "an error boundary event of that code; or say in the process' documentation that it throws it",
};

pub(super) const ERROR_NEVER_THROWN: Rule = Rule {
    id: "error-never-thrown",
    severity: Severity::Warning,
    what: "An error boundary event of a task waits for an error that the task never throws",
    why: "the path behind it is never taken",
    advice: "`reply` = `job` with `onFailure` = `error:CODE`, or the right code",
};

/// Fields that say how a call ended.
const ENDS: [&str; 5] = ["status", "retryable", "exitCode", "signal", "message"];

pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for (place, waiter) in &view.waits.matched {
        let call = &view.calls[*place];
        let Some(result) = call.result.as_deref() else { continue };
        if !is_looked_at(view, *waiter, result) {
            let element = view.element(*waiter);
            let message = format!("nothing reads `{result}.status` behind it");
            findings.push(view.finding(&FAILURE_IGNORED, element.line, &element.id, message));
        }
    }
    for (index, element) in view.elements().filter(|(_, element)| element.kind == Kind::Exclusive) {
        if element.default.is_none() && asks_only(view, index) {
            let message = "no flow is the default: an outcome that fits no condition is an incident";
            findings.push(view.finding(&NO_DEFAULT_FLOW, element.line, &element.id, message));
        }
    }
    view.calls.iter().for_each(|call| errors(view, call, findings));
}

/// Whether something behind the waiter reads how the call ended, or hands the outcome on as a whole.
fn is_looked_at(view: &View<'_>, waiter: usize, result: &str) -> bool {
    // What is around it hands on what is set within.
    let behind = |element: usize| {
        view.graph.precedes(waiter, element) || view.process.around(waiter).any(|around| around == element)
    };
    let reads = view.uses.iter().filter(|found| behind(found.element)).any(|found| {
        let Some(expression) = found.text.expression() else { return found.text.feel.is_some() };
        expression.readings().iter().any(|reading| match reading.path.as_slice() {
            [name] => name == result,
            [name, field, ..] => name == result && ENDS.contains(&field.as_str()),
            [] => false,
        })
    });
    let handed = view.calls.iter().any(|call| {
        let by_from = call.from.is_some_and(|header| header.value == result);
        let by_template =
            call.template.as_ref().is_some_and(|template| template.variables().any(|name| name == result));
        (by_from || by_template) && behind(call.index)
    });
    // Other workers, people and called processes may look.
    let others = view.elements().any(|(index, element)| {
        let worker = element.job_type.is_some() && view.calls.iter().all(|call| call.index != index);
        let called = element.called.as_ref().is_some_and(|called| called.all_in);
        (worker || called || element.kind == Kind::User) && behind(index)
    });
    reads || handed || others
}

/// Whether every flow out has a condition, one of them about a call's outcome, and they do not complete each other.
fn asks_only(view: &View<'_>, gateway: usize) -> bool {
    let flows = view.element(gateway).outgoing.iter().map(|flow| &view.process.flows[*flow]);
    let Some(conditions) = flows.map(|flow| flow.condition.as_ref()).collect::<Option<Vec<_>>>() else { return false };
    let about_call = conditions.iter().filter_map(|text| text.expression()).any(|condition| {
        condition.readings().iter().any(|reading| {
            let field = reading.path.get(1).is_some_and(|field| ENDS.contains(&field.as_str()));
            field && view.results().any(|result| result == reading.path[0])
        })
    });
    let plain = |text: &str| text.split_whitespace().collect::<String>();
    let texts: Vec<String> = conditions.iter().map(|text| plain(&text.text)).collect();
    let complete = texts.iter().enumerate().any(|(place, text)| {
        text.contains("not(")
            || texts[place + 1..]
                .iter()
                .any(|other| text != other && text.replace("!=", "=") == other.replace("!=", "="))
    });
    about_call && !complete
}

fn errors(view: &View<'_>, call: &Call<'_>, findings: &mut Vec<Finding>) {
    let thrown = call.error();
    if let Some((code, header)) = thrown {
        let catchers: Vec<Option<&str>> =
            view.process.around(call.index).flat_map(|place| catchers(view, place)).collect();
        let caught = catchers.iter().any(|catcher| catcher.is_none_or(|caught| caught == code));
        if !caught && !view.process.documents(code) {
            let meant = meant(code, catchers.into_iter().flatten());
            let message = format!("nothing catches the error `{code}`{meant}");
            findings.push(view.finding(&ERROR_NOT_CAUGHT, header.line, &call.element.id, message));
        }
    }
    // Not known: `reply` may come by `from`.
    let unknown = call.reply.is_none() && call.throws.is_none();
    for (_, event) in view.process.boundary(call.index).filter(|_| !unknown) {
        let Some(Event::Error(caught)) = &event.event else { continue };
        let throws = thrown.is_some_and(|(code, _)| caught.as_deref().is_none_or(|caught| caught == code));
        if !throws {
            let what = match (&call.reply, thrown) {
                (_, Some((code, _))) => format!("`{}` throws `{code}`", call.element.id),
                (Some(Reply::Job(_)), None) => {
                    format!("`{}` has no header `onFailure`, and throws nothing", call.element.id)
                }
                _ => format!("`{}` is done once its call is submitted, and throws nothing", call.element.id),
            };
            findings.push(view.finding(&ERROR_NEVER_THROWN, event.line, &event.id, what));
        }
    }
}

/// The codes of the errors that are caught at a place, or beside it by an event subprocess; none catches all.
fn catchers<'a>(view: &View<'a>, place: usize) -> Vec<Option<&'a str>> {
    let scope = view.element(place).scope;
    let events = view.elements().filter(|(_, element)| {
        let around = element.scope.map(|around| view.element(around));
        let by_start =
            element.kind == Kind::Start && around.is_some_and(|around| around.event_triggered && around.scope == scope);
        element.attached_to == Some(place) || by_start
    });
    let codes = events.filter_map(|(_, element)| match &element.event {
        Some(Event::Error(code)) => Some(code.as_deref()),
        _ => None,
    });
    codes.collect()
}
