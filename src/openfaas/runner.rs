//! Questions to a function's runner, through the gateway. An answer counts only with the runner's signature.

use super::{Gateway, bounded};
use crate::clock::{millis, now_ms};
use reqwest::Method;
use std::time::Duration;
use zeebe2faas_contract::{
    CallId, CallState, KeyRing, ONLY_UNKNOWN, SIGNATURE_HEADER, call_path,
    signature::{Answer, Request},
};

/// How long a question's signature is valid.
const QUESTION_VALID_FOR: Duration = Duration::from_secs(60);

/// Why a runner's state of a call is not known.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No answer.
    #[error("the runner of `{function}` cannot be reached: {reason}")]
    Unreachable {
        /// The function.
        function: String,
        /// What happened.
        reason: String,
    },
    /// Something answered, but not the runner, or one with another key.
    #[error(
        "`{function}` answered a question with HTTP {status} and no valid signature; does its runner hold the key \
             that `zeebe2faas key function {function}` prints, and do the clocks agree?"
    )]
    NotGenuine {
        /// The function.
        function: String,
        /// The answer's status.
        status: u16,
    },
}

impl Gateway {
    /// Asks what the runner knows of a call.
    pub async fn ask(&self, function: &str, call_id: &CallId, ring: &KeyRing) -> Result<CallState, AskError> {
        self.question(Method::GET, call_path(call_id), function, call_id, ring).await
    }

    /// Makes sure that a call which no runner has heard of never starts; says what holds afterwards.
    pub async fn forbid(&self, function: &str, call_id: &CallId, ring: &KeyRing) -> Result<CallState, AskError> {
        let path = format!("{}?{ONLY_UNKNOWN}", call_path(call_id));
        self.question(Method::DELETE, path, function, call_id, ring).await
    }

    /// Ends a call, and makes sure that it never starts; says what holds afterwards.
    pub async fn cancel(&self, function: &str, call_id: &CallId, ring: &KeyRing) -> Result<CallState, AskError> {
        self.question(Method::DELETE, call_path(call_id), function, call_id, ring).await
    }

    async fn question(
        &self,
        method: Method,
        path: String,
        function: &str,
        call_id: &CallId,
        ring: &KeyRing,
    ) -> Result<CallState, AskError> {
        let unreachable = |reason: String| AskError::Unreachable { function: function.to_owned(), reason };
        let expires_ms = now_ms() + millis(QUESTION_VALID_FOR);
        let request = Request { method: method.as_str(), path: &path, function, call_id, body: b"" };
        let question = request.sign(ring, expires_ms);
        let http = &self.inner.http;
        let asked = http
            .request(method.clone(), &format!("{}/function/{function}{path}", self.inner.url))
            .header(SIGNATURE_HEADER, &question)
            .header("x-call-id", call_id.as_str());
        let response = http.send(asked).await.map_err(|failure| unreachable(failure.reason))?;
        let status = response.status().as_u16();
        let signature = response.headers().get(SIGNATURE_HEADER).and_then(|value| value.to_str().ok());
        let Some(signature) = signature.map(str::to_owned) else {
            return Err(match status {
                401 | 403 | 200..=299 => AskError::NotGenuine { function: function.to_owned(), status },
                _ => unreachable(format!("HTTP {status}")),
            });
        };
        let body = bounded(response).await.map_err(unreachable)?;
        let answer = Answer { function, call_id, status, question: &question, body: &body };
        let genuine = status == 200 && answer.verify(ring, &signature);
        genuine
            .then(|| serde_json::from_slice(&body).ok())
            .flatten()
            .ok_or_else(|| AskError::NotGenuine { function: function.to_owned(), status })
    }
}
