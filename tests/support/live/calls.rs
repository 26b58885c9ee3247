//! Calls of a live bridge, and what their runners say of them.

use super::{CALLBACKS, LOCK, LOOK_EVERY, Live};
use crate::{fake_gateway::job, http, soon};
use serde_json::{Value, json};
use zeebe2faas_contract::{CallId, Invocation, Outcome, Progress, Report, SIGNATURE_HEADER, signature::Answer};

/// A call that OpenFaaS took.
#[derive(Debug)]
pub struct Call {
    /// What its runner would get.
    pub invocation: Invocation,
    /// Where its callback goes.
    pub callback_url: String,
}

impl Call {
    /// The end of the callback URL.
    pub fn token(&self) -> &str {
        self.callback_url.rsplit('/').next().expect("a path")
    }
}

impl Live {
    /// A job with these headers and variables becomes a call; Zeebe has closed the job.
    pub async fn call(&mut self, key: i64, headers: &Value, variables: &Value) -> Call {
        let mut job = job(key, LOCK);
        (job.custom_headers, job.variables) = (headers.to_string(), variables.to_string());
        (job.bpmn_process_id, job.element_id) = ("process".to_owned(), "<script>task()</script>".to_owned());
        self.zeebe.add_to_backlog([job]);
        let taken = self.openfaas.invocation().await;
        let invocation = serde_json::from_slice(&taken.body).expect("what the runner understands");
        let call = Call { invocation, callback_url: taken.callback_url().to_owned() };
        self.until_shown(&call, |shown| shown["jobClosed"] == true).await;
        call
    }

    /// A call of a function, which runs `prog`.
    pub async fn call_of(&mut self, key: i64, function: &str) -> Call {
        self.call(key, &json!({ "function": function, "cmdline": "prog" }), &json!({})).await
    }

    /// A report as the call's runner would sign it.
    pub fn sign(&self, call: &Call, body: &[u8]) -> String {
        let Invocation { call_id, function, deadline_ms, .. } = &call.invocation;
        Progress::sign(call_id, function, body, &self.runner_secret().for_function(function), *deadline_ms)
    }

    /// Posts a body to the call's progress URL.
    pub async fn post(&self, call: &Call, body: Vec<u8>, signature: Option<&str>) -> u16 {
        let url = call.invocation.progress_url.as_deref().expect("a progress URL");
        self.post_to(url, body, signature).await
    }

    /// Posts a body to a URL of the callback listener, which in these tests has another address than it is told.
    pub async fn post_to(&self, url: &str, body: Vec<u8>, signature: Option<&str>) -> u16 {
        let url = url.replace(CALLBACKS, &self.callbacks);
        let mut request = http().post(url).body(body);
        if let Some(signature) = signature {
            request = request.header(SIGNATURE_HEADER, signature);
        }
        soon(request.send()).await.expect("the bridge answers").status().as_u16()
    }

    /// Posts a report, signed, and expects it to be heard.
    pub async fn report(&self, call: &Call, progress: &Progress) {
        let body = serde_json::to_vec(progress).expect("JSON");
        let signature = self.sign(call, &body);
        assert_eq!(self.post(call, body, Some(&signature)).await, 204);
    }

    /// A failure as the call's runner reports it, and its signature.
    pub fn failure(&self, call: &Call, log_tail: &str) -> (String, String) {
        let Invocation { call_id, function, .. } = &call.invocation;
        let report = Report {
            call_id: call_id.clone(),
            function: function.clone(),
            outcome: Outcome::Failed,
            message: log_tail.to_owned(),
            exit_code: Some(1),
            signal: None,
            out_of_memory: false,
            started_at_ms: Some(1),
            duration_seconds: 1.0,
            cpu_seconds: 1.0,
            peak_memory_bytes: 1,
            outputs: Vec::new(),
            log_tail: log_tail.to_owned(),
        };
        let body = serde_json::to_string(&report).expect("JSON");
        let answer = Answer { function, call_id, status: 500, question: "", body: body.as_bytes() };
        let signature = answer.sign(&self.runner_secret().for_function(function));
        (body, signature)
    }

    /// Ends a guarded call, by its callback.
    pub async fn end(&self, call: &Call, log_tail: &str) {
        let (body, signature) = self.failure(call, log_tail);
        let url = call.callback_url.replace(CALLBACKS, &self.callbacks);
        let request = http().post(url).header("x-function-status", "500");
        let request = request.header(SIGNATURE_HEADER, signature).body(body);
        assert_eq!(soon(request.send()).await.expect("the bridge answers").status(), 200);
    }

    /// What it says of a call.
    pub async fn shown(&self, call: &Call) -> Value {
        let answer = self.get(&format!("/api/calls/{}", call.invocation.call_id)).await;
        serde_json::from_str(&answer.text().await.expect("a text")).expect("JSON")
    }

    /// Waits until this can be said of a call.
    pub async fn until_shown(&self, call: &Call, wanted: impl Fn(&Value) -> bool) {
        soon(async {
            while !wanted(&self.shown(call).await) {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        })
        .await;
    }
}

/// A report of a run that began at `started_at_ms`.
pub fn progress(call: &Call, started_at_ms: u64, sequence: u64, percent: f64, step: &str) -> Progress {
    Progress {
        call_id: call.invocation.call_id.clone(),
        function: call.invocation.function.clone(),
        sequence,
        started_at_ms,
        elapsed_seconds: 2.0,
        percent: Some(percent),
        step: Some(step.to_owned()),
        cpu_seconds: 7.5,
        memory_bytes: 3 << 30,
        peak_memory_bytes: 4 << 30,
    }
}

/// The id that the bridge gives the call of a job.
pub fn call_id(key: i64) -> CallId {
    CallId::new("mock", key, 1)
}
