//! The gateway client: one pooled connection set, redirects off, credentials to `/system/*` only.

mod runner;
mod system;

pub use runner::AskError;
pub use system::Info;

use crate::{
    config::{Credentials, OpenFaas},
    transport::{Failure, Sent, Transport},
};
use reqwest::{Client, Method, StatusCode, redirect};
use std::{sync::Arc, time::Duration};
use zeebe2faas_contract::CallId;

/// Largest answer that is read of a gateway, in bytes: an error's reason, or a runner's report.
const ANSWER_LIMIT_BYTES: usize = 1 << 20;
/// How much of an error's text is shown.
const REASON_LIMIT_CHARS: usize = 300;

/// A handle on one gateway; cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
}

struct Inner {
    http: Transport,
    url: String,
    credentials: Option<Credentials>,
    functions: system::Cache,
}

/// One asynchronous invocation, ready to be sent any number of times.
pub struct Invocation<'a> {
    /// The function.
    pub function: &'a str,
    /// `X-Call-Id`.
    pub call_id: &'a str,
    /// `X-Callback-Url`, with the token.
    pub callback_url: &'a str,
    /// `traceparent`, as W3C Trace Context has it.
    pub traceparent: &'a str,
    /// The bridge's signature for the runner, where there is one.
    pub signature: Option<&'a str>,
    /// `application/json` or `text/plain`.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

/// What a submission came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submission {
    /// 202: OpenFaaS has it.
    Queued,
    /// Nothing was queued, and the same request may be taken later; why.
    NotNow(String),
    /// Nothing was queued, and the same request will never be taken; why.
    Never(String),
    /// It may be queued or not; why.
    Unknown(String),
}

impl Gateway {
    /// A client for the gateway of the settings.
    ///
    /// # Errors
    /// When the HTTP client cannot be made, which would be a fault of the machine.
    pub fn new(settings: &OpenFaas) -> reqwest::Result<Self> {
        let http = Client::builder()
            .tls_backend_preconfigured((*settings.tls.current()).clone())
            .redirect(redirect::Policy::none())
            .connect_timeout(settings.request_timeout.min(Duration::from_secs(5)))
            .timeout(settings.request_timeout)
            .pool_idle_timeout(Duration::from_secs(30))
            .no_proxy()
            .build()?;
        Ok(Self::over(Transport::new(http), settings))
    }

    /// The same over another client.
    #[doc(hidden)]
    pub fn over(http: Transport, settings: &OpenFaas) -> Self {
        let inner = Inner {
            http,
            url: settings.gateway.clone(),
            credentials: settings.credentials.clone(),
            functions: system::Cache::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Posts an asynchronous invocation, once.
    pub async fn submit(&self, invocation: &Invocation<'_>) -> Submission {
        let url = format!("{}/async-function/{}", self.inner.url, invocation.function);
        let mut request = self
            .inner
            .http
            .request(Method::POST, &url)
            .header("x-call-id", invocation.call_id)
            .header("x-callback-url", invocation.callback_url)
            .header(zeebe2faas_contract::TRACEPARENT_HEADER, invocation.traceparent)
            .header("content-type", invocation.content_type)
            .body(invocation.body.clone());
        if let Some(signature) = invocation.signature {
            request = request.header(zeebe2faas_contract::SIGNATURE_HEADER, signature);
        }
        match self.inner.http.send(request).await {
            Ok(response) => {
                let status = response.status();
                if status == StatusCode::ACCEPTED {
                    return Submission::Queued;
                }
                let reason = reason(response).await;
                classify(status, &format!("{url} answered HTTP {}{reason}", status.as_u16()))
            }
            Err(Failure { sent: Sent::Not, reason }) => Submission::NotNow(format!("cannot reach {url}: {reason}")),
            Err(Failure { sent: Sent::Never, reason }) => Submission::Never(format!("{url}: {reason}")),
            Err(Failure { sent: Sent::Maybe, reason }) => Submission::Unknown(format!("{url}: {reason}")),
        }
    }
}

impl Gateway {
    /// Takes an invocation out of the queue, or ends its run, where the edition can: OpenFaaS Pro.
    ///
    /// # Errors
    /// What the gateway answered.
    pub async fn cancel_queued(&self, call_id: &CallId) -> Result<(), String> {
        let url = format!("{}/async-function/{call_id}", self.inner.url);
        let http = &self.inner.http;
        let response = http.send(http.request(Method::DELETE, &url)).await.map_err(|failure| failure.reason)?;
        // Not found: it has ended, or never came.
        match response.status() {
            status if status.is_success() || status == StatusCode::NOT_FOUND => Ok(()),
            status => Err(format!("{url} answered HTTP {}{}", status.as_u16(), reason(response).await)),
        }
    }
}

fn classify(status: StatusCode, reason: &str) -> Submission {
    match status.as_u16() {
        429 => Submission::NotNow(reason.to_owned()),
        300..=399 => {
            Submission::NotNow(format!("{reason}, a redirection, which is not followed; is openfaas.gateway right?"))
        }
        400..=499 => Submission::Never(reason.to_owned()),
        200..=299 => Submission::Unknown(format!("{reason} instead of 202; is openfaas.gateway an OpenFaaS gateway?")),
        _ => Submission::Unknown(reason.to_owned()),
    }
}

/// The beginning of an error's text, for people.
async fn reason(response: reqwest::Response) -> String {
    match bounded(response).await {
        Ok(body) if !body.is_empty() => {
            let text = String::from_utf8_lossy(&body);
            format!(": {}", text.trim().chars().take(REASON_LIMIT_CHARS).collect::<String>())
        }
        _ => String::new(),
    }
}

/// A whole body up to the limit.
async fn bounded(mut response: reqwest::Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| Failure::from(error).reason)? {
        if body.len() + chunk.len() > ANSWER_LIMIT_BYTES {
            return Err(format!("the answer is longer than {ANSWER_LIMIT_BYTES} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_proof_that_nothing_was_queued_counts_as_such() {
        for (status, expected) in [
            (429, "now"),
            (302, "now"),
            (400, "never"),
            (404, "never"),
            (500, "unknown"),
            (503, "unknown"),
            (200, "unknown"),
        ] {
            let found = match classify(StatusCode::from_u16(status).unwrap_or_default(), "x") {
                Submission::NotNow(_) => "now",
                Submission::Never(_) => "never",
                Submission::Unknown(_) => "unknown",
                Submission::Queued => "queued",
            };
            assert_eq!(found, expected, "{status}");
        }
    }
}
