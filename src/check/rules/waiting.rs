//! Receive tasks and the calls that they wait for.

use crate::check::{
    call::Reply,
    finding::{Finding, Rule, Severity},
    near::nearest,
    scope::Known,
    view::{Role, View},
    waits::Miss,
};

pub(super) const MESSAGE_MISMATCH: Rule = Rule {
    id: "message-mismatch",
    severity: Severity::Error,
    what: "A receive task has the correlation key of a call, and waits for another message",
    why: "the outcome never reaches it",
    advice: "give the message the name that the call's header `message` says (`faas-done`)",
};

pub(super) const CORRELATION_KEY: Rule = Rule {
    id: "correlation-key",
    severity: Severity::Error,
    what: "A receive task waits for the message of a call by a key that is not that call's id",
    why: "the outcome never reaches it",
    advice: "=RESULT.callId, where RESULT is the call's header `result` (`call`)",
};

pub(super) const NOT_AWAITED: Rule = Rule {
    id: "not-awaited",
    severity: Severity::Warning,
    what: "Nothing behind a call waits for its outcome",
    why: "the process goes on as if the function had ended, and nobody learns of a failure",
    advice: "add a receive task, or the header `reply` = `job`",
};

pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    let mut told = Vec::new();
    for (place, miss) in &view.waits.missed {
        let call = &view.calls[*place];
        let Some((name, result)) = call.awaited() else { continue };
        match *miss {
            Some(Miss::Name(waiter)) => {
                let found = view.message(waiter).map_or("", |message| &message.name.text);
                let message = format!(
                    "`{}` waits for the message `{found}`, `{}` sends `{name}`",
                    view.element(waiter).id,
                    call.element.id
                );
                findings.push(view.finding(
                    &MESSAGE_MISMATCH,
                    view.element(waiter).line,
                    &view.element(waiter).id,
                    message,
                ));
                told.push(waiter);
            }
            Some(Miss::Key(waiter)) => {
                let key = view.message(waiter).and_then(|message| message.key.as_ref());
                let line = key.map_or(view.element(waiter).line, |key| key.line);
                let found = key.map_or_else(
                    || "there is no correlation key".to_owned(),
                    |key| format!("the correlation key is `{}`", key.text),
                );
                let message = format!("{found}; for the call of `{}` write `={result}.callId`", call.element.id);
                findings.push(view.finding(&CORRELATION_KEY, line, &view.element(waiter).id, message));
                told.push(waiter);
            }
            None => {
                let message = format!("no receive task behind it waits for `{name}` with the key `={result}.callId`");
                findings.push(view.finding(&NOT_AWAITED, call.element.line, &call.element.id, message));
            }
        }
    }
    orphans(view, &told, findings);
}

/// What waits for a message of calls, and for none of these.
fn orphans(view: &View<'_>, told: &[usize], findings: &mut Vec<Finding>) {
    let sent = |name: &str| {
        view.calls
            .iter()
            .any(|call| call.throws.is_none() && matches!(call.reply, Some(Reply::Message(message)) if message == name))
    };
    // A result or message that only `from` may name can be any.
    if view.calls.iter().any(|call| call.throws.is_none() && (call.result.is_none() || call.reply.is_none())) {
        return;
    }
    for (index, element) in view.elements() {
        let Some(message) = view.message(index).filter(|_| !view.waits.is_matched(index) && !told.contains(&index))
        else {
            continue;
        };
        let (Some(name), Some(key)) = (message.name.constant(), message.key.as_ref()) else { continue };
        let readings = key.expression().map(|key| key.readings()).unwrap_or_default();
        let by_call = readings.iter().find(|reading| reading.path.get(1).is_some_and(|field| field == "callId"));
        if let Some(reading) = by_call.filter(|_| sent(name)) {
            let result = &reading.path[0];
            if view.known(result, index, Role::Key) == Known::Set {
                continue;
            }
            let near = nearest(result, view.results()).filter(|near| near != result);
            let meant = near.map(|near| format!("; did you mean `={near}.callId`?")).unwrap_or_default();
            let message = format!("no call before gives `{result}`{meant}");
            findings.push(view.finding(&CORRELATION_KEY, key.line, &element.id, message));
        }
    }
}
