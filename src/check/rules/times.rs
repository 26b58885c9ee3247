//! Deadlines and timers.

use crate::{
    bridge::render::parse_duration,
    check::{
        call::Call,
        finding::{Finding, Rule, Severity},
        model::{Event, Kind, Timer, TimerKind},
        view::View,
    },
    display::duration,
    stack::DEFAULT_EXEC_TIMEOUT,
};

pub(super) const NO_DEADLINE: Rule = Rule {
    id: "no-deadline",
    severity: Severity::Warning,
    what: "Neither the header `timeout` nor the template says how long a call may take",
    why: "the configuration's calls.timeout counts, which knows nothing of this function",
    advice: "timeout = \"4h\" in the template, or the header",
};

pub(super) const DEADLINE_OVER_TIMEOUT: Rule = Rule {
    id: "deadline-over-exec-timeout",
    severity: Severity::Error,
    what: "A call's deadline is not below its function's exec_timeout in stack.yml",
    why: "OpenFaaS cuts the run off before its deadline",
    advice: "a shorter deadline, or raise exec_timeout and what is around it (docs/openfaas.md)",
};

pub(super) const NO_TIMER: Rule = Rule {
    id: "no-timer",
    severity: Severity::Warning,
    what: "What waits for a call has no timer",
    why: "when bridge and callback are both lost, the process waits for ever",
    advice: "an interrupting timer boundary event somewhat past the deadline",
};

pub(super) const TIMER_BEFORE_DEADLINE: Rule = Rule {
    id: "timer-before-deadline",
    severity: Severity::Warning,
    what: "The timer of what waits for a call fires before the call's deadline, or at it",
    why: "a call that takes long, but not too long, is given up while it runs",
    advice: "a timer past the deadline and the bridge's grace, as =date and time(call.deadline) + duration(\"PT1H\")",
};

pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for call in view.calls.iter().filter(|call| call.throws.is_none()) {
        deadline(view, call, findings);
    }
    for (place, waiter) in &view.waits.matched {
        let (call, element) = (&view.calls[*place], view.element(*waiter));
        let timers = timers(view, *waiter);
        if timers.is_empty() {
            let message = format!("no timer ends the wait for `{}`", call.element.id);
            findings.push(view.finding(&NO_TIMER, element.line, &element.id, message));
        }
        let Some(deadline) = call.timeout else { continue };
        for (event, timer) in timers {
            let constant = timer.text.constant().filter(|_| timer.kind == TimerKind::Duration);
            let time = constant.and_then(|text| parse_duration(text).ok()).filter(|time| *time <= deadline);
            if let Some(time) = time {
                let message = format!(
                    "{} is not past the deadline of `{}`, {}",
                    duration(time),
                    call.element.id,
                    duration(deadline)
                );
                findings.push(view.finding(&TIMER_BEFORE_DEADLINE, timer.text.line, &view.element(event).id, message));
            }
        }
    }
}

fn deadline(view: &View<'_>, call: &Call<'_>, findings: &mut Vec<Finding>) {
    let element = call.element;
    let Some(time) = call.timeout else { return };
    let header = element.header("timeout");
    let known = view.site.templates.is_some() || element.header("template").is_none();
    let said = header.is_some() || call.template.as_ref().is_some_and(|template| template.timeout.is_some());
    if !said && known && call.template.is_some() {
        let message = format!("the configuration's calls.timeout counts: {}", duration(time));
        findings.push(view.finding(&NO_DEADLINE, element.line, &element.id, message));
    }
    let Some((name, _)) = call.function.as_ref().filter(|_| known) else { return };
    let Some(Ok(limit)) = view.site.deployed(name).map(|function| function.timeout("exec_timeout")) else { return };
    if let Some(limit) = limit.unwrap_or(Some(DEFAULT_EXEC_TIMEOUT)).filter(|limit| *limit <= time) {
        let line = header.map_or_else(|| call.command_line(), |header| header.line);
        let message =
            format!("the deadline {} is not below exec_timeout {} of `{name}`", duration(time), duration(limit));
        findings.push(view.finding(&DEADLINE_OVER_TIMEOUT, line, &element.id, message));
    }
}

/// Timers that end a wait: at it, at what is around it, or beside it behind an event-based gateway.
fn timers<'a>(view: &View<'a>, waiter: usize) -> Vec<(usize, &'a Timer)> {
    let attached = view.element(waiter).attached_to;
    let places =
        view.process.around(waiter).chain(attached.into_iter().flat_map(|activity| view.process.around(activity)));
    let mut found = Vec::new();
    for place in places {
        let boundary = view.process.boundary(place).filter(|(_, event)| event.interrupting);
        found.extend(boundary.map(|(index, _)| index));
        let scope = view.element(place).scope;
        let starts = view.elements().filter(|(_, element)| {
            let around = element.scope.map(|around| view.element(around));
            element.kind == Kind::Start
                && element.interrupting
                && around.is_some_and(|around| around.event_triggered && around.scope == scope)
        });
        found.extend(starts.map(|(index, _)| index));
    }
    for flow in &view.element(waiter).incoming {
        let source = view.element(view.process.flows[*flow].source);
        if source.kind == Kind::EventBased {
            found.extend(source.outgoing.iter().map(|flow| view.process.flows[*flow].target));
        }
    }
    let timers = found.into_iter().filter_map(|index| match &view.element(index).event {
        Some(Event::Timer(Some(timer))) => Some((index, timer)),
        _ => None,
    });
    timers.collect()
}
