//! Posts a call to OpenFaaS until it is known what became of it, or the job's lock runs out.

use crate::{
    chance::fraction,
    clock::{now_ms, until},
    config::BodyFormat,
    ledger::Fixed,
    openfaas::{Gateway, Invocation, Submission},
};
use std::{borrow::Cow, time::Duration};
use zeebe2faas_contract::{CallId, Invocation as RunnerInvocation, KeyRing, Step, TraceParent, signature::Request};

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A request, complete but for the sending.
pub struct Ready<'a> {
    /// The function.
    pub function: &'a str,
    /// The call.
    pub call_id: &'a CallId,
    /// Where the function's answer goes.
    pub callback_url: String,
    content_type: &'static str,
    body: Vec<u8>,
    signature: Option<String>,
    traceparent: String,
}

/// How a submission ended, after all tries within the lock.
#[derive(Debug, PartialEq, Eq)]
pub enum Submitted {
    /// OpenFaaS has the call, or may have it: nothing else can be found out.
    Queued,
    /// OpenFaaS may have it, and whoever is handed the job next may submit it again.
    Unsure(String),
    /// No try of this round can have been queued; a later one may be.
    NotNow(String),
    /// No try of this round can have been queued, and none will be before somebody changes something.
    Never(String),
}

/// Where a function's answer goes, and its runner's reports of progress.
pub struct ReplyTo {
    /// For the callback.
    pub callback_url: String,
    /// For progress, where anybody listens.
    pub progress_url: Option<String>,
}

impl<'a> Ready<'a> {
    /// Builds and signs the request of a call.
    ///
    /// # Errors
    /// A sentence for the incident when the body is longer than OpenFaaS takes.
    pub fn new(
        function: &'a str,
        call_id: &'a CallId,
        command: &Fixed,
        format: BodyFormat,
        ring: Option<&KeyRing>,
        limit_bytes: usize,
        reply_to: ReplyTo,
    ) -> Result<Self, String> {
        let run = TraceParent::of(call_id, Step::Run, command.parent.as_ref());
        let (content_type, body) = match format {
            BodyFormat::Text => ("text/plain; charset=utf-8", command_line(&command.args).into_bytes()),
            BodyFormat::Json => {
                let Fixed { args, outputs, resources, deadline_ms, .. } = command.clone();
                let (call_id, function) = (call_id.clone(), function.to_owned());
                let invocation = RunnerInvocation {
                    resources,
                    progress_url: reply_to.progress_url,
                    traceparent: Some(run),
                    ..RunnerInvocation::new(call_id, function, args, outputs, deadline_ms)
                };
                let body = serde_json::to_vec(&invocation).map_err(|error| error.to_string())?;
                ("application/json", body)
            }
        };
        if body.len() > limit_bytes {
            return Err(format!(
                "the command makes a request of {} bytes, more than openfaas.body_limit_bytes = {limit_bytes}; \
                 hand long lists over in a file",
                body.len()
            ));
        }
        let signature = ring.map(|ring| {
            let request = Request { method: "POST", path: "/", function, call_id, body: &body };
            request.sign(&ring.for_function(function), command.deadline_ms)
        });
        let traceparent = run.to_string();
        let callback_url = reply_to.callback_url;
        Ok(Self { function, call_id, callback_url, content_type, body, signature, traceparent })
    }

    /// What is sent.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Sends until something is known. `resubmit` allows another try after one that may have been queued.
    pub async fn send(&self, gateway: &Gateway, resubmit: bool, queued_before: bool, fresh_until_ms: u64) -> Submitted {
        let mut maybe_queued = queued_before;
        let mut pause = FIRST_PAUSE;
        loop {
            let left = until(now_ms(), fresh_until_ms);
            let reason = match self.once(gateway).await {
                Submission::Queued => return Submitted::Queued,
                Submission::Never(reason) if maybe_queued => {
                    tracing::warn!(reason, "refused now, but an earlier submission may be queued");
                    return Submitted::Queued;
                }
                Submission::Never(reason) => return Submitted::Never(reason),
                Submission::NotNow(reason) => reason,
                Submission::Unknown(reason) => {
                    maybe_queued = true;
                    if !resubmit {
                        tracing::warn!(reason, "may be queued; waiting for callback or deadline");
                        return Submitted::Queued;
                    }
                    reason
                }
            };
            if left <= pause {
                return if maybe_queued { Submitted::Unsure(reason) } else { Submitted::NotNow(reason) };
            }
            tracing::debug!(reason, ?pause, "submitting again");
            tokio::time::sleep(pause.mul_f64(0.5 + fraction() / 2.0)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn once(&self, gateway: &Gateway) -> Submission {
        let invocation = Invocation {
            function: self.function,
            call_id: self.call_id.as_str(),
            callback_url: &self.callback_url,
            traceparent: &self.traceparent,
            signature: self.signature.as_deref(),
            content_type: self.content_type,
            body: self.body.clone(),
        };
        gateway.submit(&invocation).await
    }
}

/// The argument vector as a command line that a POSIX shell splits back into the same arguments.
pub fn command_line(args: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,+@%?&".contains(c);
    let quoted = |arg: &String| -> Cow<'_, str> {
        // `?` and `&` are left bare for functions that split on blanks only, as the proof of concept's did.
        if !arg.is_empty() && arg.chars().all(plain) {
            Cow::Owned(arg.clone())
        } else {
            Cow::Owned(format!("'{}'", arg.replace('\'', r"'\''")))
        }
    };
    args.iter().map(quoted).collect::<Vec<_>>().join(" ")
}
