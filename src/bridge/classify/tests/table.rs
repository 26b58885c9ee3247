//! The tables of docs/failures.md, made from the function: a row whose words and verdict part fails the test.

use super::*;
use std::fmt::Write;

/// What a callback is, what that means, and what a person does about it.
type Row = (&'static str, Callback<'static>, &'static str, &'static str);

const fn status(status: u16) -> Callback<'static> {
    Callback {
        status: Some(status),
        signature: None,
        duration_seconds: None,
        internal: false,
        exhausted: false,
        body: b"words",
        truncated: false,
    }
}

const INTERNAL: Callback<'static> = Callback { internal: true, ..status(500) };
const NOTHING: Callback<'static> = Callback { status: None, ..status(0) };

const PLAIN: [Row; 14] = [
    ("2xx", status(200), "the function did its work", "-"),
    (
        "2xx, cut at the body limit",
        Callback { truncated: true, ..status(200) },
        "the same; `truncated` is true",
        "raise `callback.body_limit_bytes`, or write files",
    ),
    ("3xx", status(302), "OpenFaaS does not follow it", "let the function answer by itself"),
    ("400, other 4xx", status(400), "the function refuses the request", "mend the command or the function"),
    ("404", status(404), "no such function, or its own 404", "deploy it (`stack.yml`)"),
    ("408", status(408), "the function waited in vain", "see its log"),
    ("429", status(429), "the function is at its limit", "raise `max_inflight`, or add replicas"),
    (
        "429, `X-Retry` = `X-Retry-Max`",
        Callback { exhausted: true, ..status(429) },
        "Pro tried as often as it may; nothing ran",
        "the same, or allow more retries",
    ),
    ("500, empty", Callback { body: b"", ..status(500) }, "perhaps the gateway's own", "see the gateway's log"),
    ("500", status(500), "the function failed", "see `result` and its log"),
    (
        "502, 503, 504",
        status(503),
        "gateway or watchdog gave up waiting",
        "let the time-outs nest (`zeebe2faas doctor --stack FILE`)",
    ),
    ("505 and up", status(507), "the function failed", "see `result` and its log"),
    (
        "any other, `X-OpenFaaS-Internal`",
        INTERNAL,
        "not the function but a part of OpenFaaS answered",
        "see the gateway's log",
    ),
    ("none", NOTHING, "the callback is not OpenFaaS's, or broke off", "see what stands between"),
];

const UNSIGNED: [Row; 6] = [
    ("unsigned 401", status(401), "another key, or clocks apart", "`zeebe2faas doctor`"),
    ("unsigned 404", status(404), "no such function", "deploy it (`stack.yml`)"),
    ("unsigned 429", status(429), "the watchdog's `max_inflight`", "keep it at 0: the runner has its own limit"),
    (
        "unsigned 500, 502, 503, 504",
        status(504),
        "OpenFaaS gave up waiting, or the pod ended",
        "let the time-outs nest",
    ),
    ("unsigned, anything else", status(200), "no runner behind it, or a forgery", "`zeebe2faas doctor`"),
    (
        "cut at the body limit",
        Callback { truncated: true, ..status(200) },
        "a signature over a part proves nothing",
        "raise `callback.body_limit_bytes`",
    ),
];

const SIGNED: [(&str, Reported, &str, &str); 5] = [
    ("signed, succeeded", Reported::Succeeded, "the program exited with 0, its outputs have their names", "-"),
    (
        "signed, failed",
        Reported::Failed,
        "the program failed, or ran out of memory (`outOfMemory`)",
        "see `message`, `exitCode`, `logTail`",
    ),
    ("signed, refused", Reported::Refused, "the runner did not start it", "mend what `message` names"),
    (
        "signed, timedOut",
        Reported::TimedOut,
        "ended at its deadline, or came too late to start",
        "a longer `timeout`, more CPU",
    ),
    ("signed, cancelled", Reported::Cancelled, "somebody cancelled it", "-"),
];

fn line(table: &mut String, row: (&str, &str, &str), verdict: &Verdict, guarded: bool) {
    let (callback, means, advice) = row;
    let (does, again) = match verdict {
        Verdict::Final(outcome) => (
            format!("**{}**", outcome.status.as_str()),
            match outcome.status {
                Status::Succeeded => "-",
                _ if outcome.retryable => "yes",
                _ => "no",
            },
        ),
        Verdict::Provisional(_) if guarded => ("asks the runner until it knows".to_owned(), "-"),
        Verdict::Provisional(_) => ("keeps it open until another callback or the deadline".to_owned(), "-"),
        Verdict::UnknownFunction => {
            ("**refused** where `/system/functions` confirms it, else keeps it open".to_owned(), "no")
        }
    };
    writeln!(table, "| {callback} | {means} | {does} | {again} | {advice} |").unwrap();
}

const HEAD: &str =
    "| `X-Function-Status` | means | the bridge | retryable | what to do |\n| --- | --- | --- | --- | --- |\n";

fn plain() -> String {
    let mut table = HEAD.to_owned();
    for (callback, given, means, advice) in PLAIN {
        line(&mut table, (callback, means, advice), &classify(&id(), "f", Rule::OwnStatus, &given), false);
    }
    table
}

fn guarded() -> String {
    let (ring, mut table) = (ring(), HEAD.replace("`X-Function-Status`", "callback"));
    let rule = Rule::SignedReport(Some(&ring));
    for (callback, outcome, means, advice) in SIGNED {
        let report = report(outcome);
        let body = serde_json::to_vec(&report).unwrap();
        let signature = signed(&ring, report.http_status(), &body);
        let given = Callback { signature: Some(&signature), body: &body, ..status(report.http_status()) };
        line(&mut table, (callback, means, advice), &classify(&id(), "f", rule, &given), true);
    }
    let busy = b"{\"message\":\"busy\"}";
    let signature = signed(&ring, 429, busy);
    let given = Callback { signature: Some(&signature), body: busy, ..status(429) };
    let words =
        ("signed, no report (409, 429, 503)", "the runner is busy, or its state directory fails", "see its log");
    line(&mut table, words, &classify(&id(), "f", rule, &given), true);
    for (callback, given, means, advice) in UNSIGNED {
        line(&mut table, (callback, means, advice), &classify(&id(), "f", rule, &given), true);
    }
    table
}

#[test]
fn docs_failures_md_says_what_the_function_does() {
    let page = include_str!("../../../../docs/failures.md");
    let tables = [plain(), guarded()];
    let missing: Vec<&String> = tables.iter().filter(|table| !page.contains(table.as_str())).collect();
    assert!(missing.is_empty(), "docs/failures.md has to have\n{}", missing.into_iter().cloned().collect::<String>());
}
