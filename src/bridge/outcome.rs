//! How a call ended, from what came back. Pure: it decides, others act.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeebe2faas_contract::{CallId, KeyRing, Report, signature::Answer};

/// What the receive task gets under its result name; users see these field names in BPMN.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The call.
    pub call_id: CallId,
    /// Its function.
    pub function: String,
    /// How it ended.
    pub status: Status,
    /// What went wrong and what to do; empty after a success.
    #[serde(default)]
    pub message: String,
    /// Whether the same call made anew could end otherwise.
    #[serde(default)]
    pub retryable: bool,
    /// The program's exit code.
    #[serde(default)]
    pub exit_code: Option<i32>,
    /// The signal that ended the program.
    #[serde(default)]
    pub signal: Option<String>,
    /// Whether lack of memory ended it.
    #[serde(default)]
    pub out_of_memory: bool,
    /// The run's wall-clock time, in seconds.
    #[serde(default)]
    pub duration_seconds: Option<f64>,
    /// CPU time of the whole run, in seconds.
    #[serde(default)]
    pub cpu_seconds: Option<f64>,
    /// Peak resident memory, in bytes.
    #[serde(default)]
    pub peak_memory_bytes: Option<u64>,
    /// The files that the run made.
    #[serde(default)]
    pub outputs: Vec<String>,
    /// The last lines that the program printed.
    #[serde(default)]
    pub log_tail: String,
    /// What a function without a runner answered: JSON where it is JSON, else text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Whether `result` was longer than the callback body limit and is cut.
    #[serde(default)]
    pub truncated: bool,
}

/// How a call ended, as BPMN gateways compare it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// The function did its work.
    Succeeded,
    /// It was run and failed.
    Failed,
    /// It was not run.
    Refused,
    /// Its deadline passed.
    TimedOut,
    /// It was cancelled.
    Cancelled,
}

impl Status {
    /// The word that users see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::TimedOut => "timedOut",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What a callback carries, as far as the outcome depends on it.
#[derive(Debug, Clone, Copy)]
pub struct Callback<'a> {
    /// `X-Function-Status`.
    pub status: Option<u16>,
    /// The runner's signature, handed through by OpenFaaS.
    pub signature: Option<&'a str>,
    /// `X-Duration-Seconds`.
    pub duration_seconds: Option<f64>,
    /// The function's answer, perhaps cut.
    pub body: &'a [u8],
    /// Whether it was cut.
    pub truncated: bool,
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

impl Outcome {
    /// An outcome with nothing but a status and a reason.
    pub fn plain(call_id: CallId, function: String, status: Status, message: String, retryable: bool) -> Self {
        Self {
            call_id,
            function,
            status,
            message,
            retryable,
            exit_code: None,
            signal: None,
            out_of_memory: false,
            duration_seconds: None,
            cpu_seconds: None,
            peak_memory_bytes: None,
            outputs: Vec::new(),
            log_tail: String::new(),
            result: None,
            truncated: false,
        }
    }

    /// What a runner reported.
    pub fn reported(report: Report) -> Self {
        use zeebe2faas_contract::Outcome as Reported;
        let (status, retryable) = match report.outcome {
            Reported::Succeeded => (Status::Succeeded, false),
            Reported::Failed => (Status::Failed, true),
            Reported::Refused => (Status::Refused, false),
            Reported::TimedOut => (Status::TimedOut, true),
            Reported::Cancelled => (Status::Cancelled, false),
        };
        Self {
            exit_code: report.exit_code,
            signal: report.signal,
            out_of_memory: report.out_of_memory,
            duration_seconds: Some(report.duration_seconds),
            cpu_seconds: Some(report.cpu_seconds),
            peak_memory_bytes: Some(report.peak_memory_bytes),
            outputs: report.outputs,
            log_tail: report.log_tail,
            ..Self::plain(report.call_id, report.function, status, report.message, retryable)
        }
    }
}

/// What the callback of a function behind our runner means: only a signed report is final.
pub fn of_runner(call_id: &CallId, function: &str, callback: &Callback<'_>, ring: &KeyRing) -> Verdict {
    if callback.truncated {
        return Verdict::Provisional("the answer was longer than the body limit, so its signature cannot be checked");
    }
    let (Some(status), Some(signature)) = (callback.status, callback.signature) else {
        return Verdict::Provisional("the answer is not signed by the function's runner");
    };
    let answer = Answer { function, call_id, status, question: "", body: callback.body };
    if !answer.verify(ring, signature) {
        return Verdict::Provisional("the answer's signature is not the runner's");
    }
    match serde_json::from_slice::<Report>(callback.body) {
        Ok(report) if report.call_id == *call_id && report.function == function && report.http_status() == status => {
            Verdict::Final(Box::new(Outcome::reported(report)))
        }
        _ => Verdict::Provisional("the runner is busy and has not run the call"),
    }
}

/// What the callback of any other function means: its own status is final, what a gateway says is not.
pub fn of_function(call_id: &CallId, function: &str, callback: &Callback<'_>) -> Verdict {
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
        Some(200..=299) => outcome(Status::Succeeded, String::new(), false),
        Some(404) => Verdict::UnknownFunction,
        Some(429) => Verdict::Provisional("the function is at its limit; OpenFaaS may try again"),
        Some(502..=504) => Verdict::Provisional("the gateway gave up; the function may still be running"),
        Some(500) if callback.body.is_empty() => Verdict::Provisional("an empty 500 may be the gateway's own"),
        Some(status) => {
            let advice = "see `result` and the function's log";
            outcome(Status::Failed, format!("{function} answered HTTP {status}; {advice}"), status >= 500)
        }
        None => Verdict::Provisional("the callback has no X-Function-Status"),
    }
}

/// JSON where it is JSON, else text; bytes that are not UTF-8 are replaced.
fn result(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned().into())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zeebe2faas_contract::random_key_line;

    fn report(outcome: zeebe2faas_contract::Outcome) -> Report {
        let text = format!(
            r#"{{"callId":"{}","function":"f","outcome":{}}}"#,
            CallId::new("c", 1, 1),
            serde_json::to_string(&outcome).unwrap()
        );
        serde_json::from_str(&text).unwrap()
    }

    fn signed(ring: &KeyRing, status: u16, body: &[u8]) -> String {
        Answer { function: "f", call_id: &CallId::new("c", 1, 1), status, question: "", body }.sign(ring)
    }

    #[test]
    fn a_signed_report_is_final_and_the_same_without_its_signature_is_not() {
        let ring = KeyRing::parse(&random_key_line("a")).unwrap();
        let id = CallId::new("c", 1, 1);
        let body = serde_json::to_vec(&report(zeebe2faas_contract::Outcome::Succeeded)).unwrap();
        let signature = signed(&ring, 200, &body);
        let callback = Callback {
            status: Some(200),
            signature: Some(&signature),
            duration_seconds: None,
            body: &body,
            truncated: false,
        };
        assert!(matches!(of_runner(&id, "f", &callback, &ring), Verdict::Final(o) if o.status == Status::Succeeded));
        for doubtful in [
            Callback { signature: None, ..callback },
            Callback { status: Some(500), ..callback },
            Callback { truncated: true, ..callback },
            Callback { body: b"{}", ..callback },
        ] {
            assert!(matches!(of_runner(&id, "f", &doubtful, &ring), Verdict::Provisional(_)));
        }
        assert!(matches!(of_runner(&CallId::new("c", 2, 1), "f", &callback, &ring), Verdict::Provisional(_)));
    }

    proptest! {
        #[test]
        fn nothing_but_a_2xx_of_its_own_makes_a_plain_function_succeed(status: Option<u16>, body: Vec<u8>, truncated: bool) {
            let callback = Callback { status, signature: None, duration_seconds: None, body: &body, truncated };
            let verdict = of_function(&CallId::new("c", 1, 1), "f", &callback);
            let succeeded = matches!(&verdict, Verdict::Final(outcome) if outcome.status == Status::Succeeded);
            prop_assert_eq!(succeeded, status.is_some_and(|status| (200..300).contains(&status)));
        }

        #[test]
        fn nothing_unsigned_ends_a_guarded_call(status: Option<u16>, signature: Option<String>, body: Vec<u8>) {
            let ring = KeyRing::parse(&random_key_line("a")).unwrap();
            let callback =
                Callback { status, signature: signature.as_deref(), duration_seconds: None, body: &body, truncated: false };
            prop_assert!(matches!(of_runner(&CallId::new("c", 1, 1), "f", &callback, &ring), Verdict::Provisional(_)));
        }
    }
}
