//! What a callback means: whether the call has ended, how, and whether another try is worth while. Pure and total.
//!
//! `docs/failures.md` is this for people; a test makes its tables from the function below.

use super::outcome::{Outcome, Status};
use axum::http::HeaderMap;
use serde_json::Value;
use zeebe2faas_contract::{CallId, KeyRing, Report, SIGNATURE_HEADER, signature::Answer};

/// What a callback carries, as far as the outcome depends on it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Callback<'a> {
    /// `X-Function-Status`.
    pub status: Option<u16>,
    /// The runner's signature, handed through by OpenFaaS.
    pub signature: Option<&'a str>,
    /// `X-Duration-Seconds`.
    pub duration_seconds: Option<f64>,
    /// Whether a part of OpenFaaS answered in the function's place (`X-OpenFaaS-Internal`).
    pub internal: bool,
    /// Whether OpenFaaS Pro has tried as often as it may (`X-Retry` has come to `X-Retry-Max`).
    pub exhausted: bool,
    /// The function's answer, perhaps cut.
    pub body: &'a [u8],
    /// Whether it was cut, or could not be read.
    pub truncated: bool,
}

/// Who is believed.
#[derive(Debug, Clone, Copy)]
pub enum Rule<'a> {
    /// Only a report that the function's runner has signed, with this ring; without one nobody.
    SignedReport(Option<&'a KeyRing>),
    /// The function's own status.
    OwnStatus,
}

/// What a callback means.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The call has ended.
    Final(Box<Outcome>),
    /// Nothing is certain yet; why.
    Provisional(&'static str),
    /// The gateway says that there is no such function; final once its function list confirms it.
    UnknownFunction,
}

impl<'a> Callback<'a> {
    /// From a callback's headers and body; `truncated` says that the body is not whole.
    pub fn new(headers: &'a HeaderMap, body: &'a [u8], truncated: bool) -> Self {
        // One that stands there twice counts as absent: nobody can tell which of them is OpenFaaS's.
        let text = |name: &str| {
            let mut values = headers.get_all(name).iter();
            values.next().filter(|_| values.next().is_none()).and_then(|value| value.to_str().ok())
        };
        let number = |name: &str| text(name).and_then(|text| text.parse::<u32>().ok());
        Self {
            status: text("x-function-status").and_then(|status| status.parse().ok()),
            signature: text(SIGNATURE_HEADER),
            duration_seconds: text("x-duration-seconds").and_then(|seconds| seconds.parse().ok()),
            internal: headers.contains_key("x-openfaas-internal"),
            exhausted: number("x-retry").zip(number("x-retry-max")).is_some_and(|(tries, most)| tries >= most),
            body,
            truncated,
        }
    }
}

/// What this callback means for this call of this function.
pub fn classify(call_id: &CallId, function: &str, rule: Rule<'_>, callback: &Callback<'_>) -> Verdict {
    match rule {
        Rule::SignedReport(Some(ring)) => of_runner(call_id, function, callback, ring),
        Rule::SignedReport(None) => Verdict::Provisional("keys.runner_file is not set, so no report can be checked"),
        Rule::OwnStatus => of_function(call_id, function, callback),
    }
}

fn of_runner(call_id: &CallId, function: &str, callback: &Callback<'_>, ring: &KeyRing) -> Verdict {
    if callback.truncated {
        return Verdict::Provisional("the answer is not whole, so its signature cannot be checked");
    }
    let (Some(status), Some(signature)) = (callback.status, callback.signature) else {
        return Verdict::Provisional(unsigned(callback.status));
    };
    let answer = Answer { function, call_id, status, question: "", body: callback.body };
    if !answer.verify(ring, signature) {
        return Verdict::Provisional("the answer's signature is not the runner's; does it hold the right key?");
    }
    match serde_json::from_slice::<Report>(callback.body) {
        Ok(report) if report.call_id == *call_id && report.function == function && report.http_status() == status => {
            Verdict::Final(Box::new(Outcome::reported(report)))
        }
        _ => Verdict::Provisional("the runner answers for this call, but reports no end of it"),
    }
}

/// Words for an answer that is not the runner's.
const fn unsigned(status: Option<u16>) -> &'static str {
    match status {
        Some(401) => "the runner refused the bridge's signature; does it hold the right key, and do the clocks agree?",
        Some(404) => "there is no such function, or not behind a runner; is it deployed?",
        Some(429) => "the function is at its limit; OpenFaaS may try again",
        Some(500 | 502..=504) => "OpenFaaS gave up waiting or lost the function; it may still be running",
        _ => "the answer is not signed by the function's runner",
    }
}

fn of_function(call_id: &CallId, function: &str, callback: &Callback<'_>) -> Verdict {
    let outcome = |status, message: String, retryable| {
        let plain = Outcome::plain(call_id.clone(), function.to_owned(), status, message, retryable);
        Verdict::Final(Box::new(Outcome {
            duration_seconds: callback.duration_seconds,
            result: Some(result(callback.body)),
            truncated: callback.truncated,
            ..plain
        }))
    };
    match callback.status {
        None => Verdict::Provisional("the callback has no X-Function-Status"),
        Some(404) => Verdict::UnknownFunction,
        Some(429) if callback.exhausted => {
            let message = format!(
                "`{function}` was at its limit each time OpenFaaS asked, and it asks no more: give it more replicas \
                 or a higher max_inflight, or allow more retries (com.openfaas.retry.attempts)"
            );
            outcome(Status::Refused, message, true)
        }
        Some(429) => Verdict::Provisional("the function is at its limit; OpenFaaS may try again"),
        Some(502..=504) => Verdict::Provisional("the gateway gave up; the function may still be running"),
        Some(500) if callback.body.is_empty() && !callback.truncated => {
            Verdict::Provisional("an empty 500 may be the gateway's own")
        }
        Some(_) if callback.internal => {
            Verdict::Provisional("a part of OpenFaaS answered in the function's place; it may still be running")
        }
        Some(200..=299) => outcome(Status::Succeeded, String::new(), false),
        Some(status) => {
            let advice = "see `result` and the function's log";
            // 408: it waited in vain for its request or for somebody else, says the function.
            let retryable = status >= 500 || status == 408;
            outcome(Status::Failed, format!("{function} answered HTTP {status}; {advice}"), retryable)
        }
    }
}

/// JSON where it is JSON, else text; bytes that are not UTF-8 are replaced.
fn result(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned().into())
}

#[cfg(test)]
mod tests;
