//! Requests over HTTP: to OpenFaaS, and to the other replicas.

use reqwest::{Client, Method, Request, RequestBuilder, Response};
use std::{pin::Pin, sync::Arc};

/// A pooled client or, in a simulation, what answers in its place. Cheap to clone.
#[derive(Clone)]
pub struct Transport {
    client: Client,
    stand_in: Option<StandIn>,
}

/// Answers requests in memory.
pub type StandIn =
    Arc<dyn Fn(Request) -> Pin<Box<dyn Future<Output = Result<Response, Failure>> + Send>> + Send + Sync>;

/// Why there is no answer, without the URL, which may hold a token.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Failure {
    /// How far the request came.
    pub sent: Sent,
    /// The innermost reason.
    pub reason: String,
}

/// How far a request came that was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It is none that could be sent.
    Never,
    /// No connection stood.
    Not,
    /// It may have arrived.
    Maybe,
}

impl Transport {
    /// Over this client's connections.
    pub const fn new(client: Client) -> Self {
        Self { client, stand_in: None }
    }

    /// Over none: for simulations.
    #[doc(hidden)]
    pub const fn in_memory(client: Client, stand_in: StandIn) -> Self {
        Self { client, stand_in: Some(stand_in) }
    }

    /// A request to be completed and sent.
    pub(crate) fn request(&self, method: Method, url: &str) -> RequestBuilder {
        self.client.request(method, url)
    }

    /// Sends it, once.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        match &self.stand_in {
            None => Ok(request.send().await?),
            Some(stand_in) => stand_in(request.build()?).await,
        }
    }
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        let sent = match error {
            // Until the connection stands nothing was sent.
            _ if error.is_connect() => Sent::Not,
            _ if error.is_builder() => Sent::Never,
            _ => Sent::Maybe,
        };
        Self { sent, reason: cause(&error) }
    }
}

/// reqwest's own text repeats the URL and hides the cause.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut source: &dyn std::error::Error = error;
    while let Some(inner) = source.source() {
        source = inner;
    }
    source.to_string()
}
