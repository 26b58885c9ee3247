use super::{
    Error, Retry, Settings, auth::Authority, proto::gateway_client::GatewayClient, retry::Pauses, tls::connect_lazy,
};
use crate::metrics::Retries;
use std::{sync::Arc, time::Duration};
use tonic::{
    Request, Response, Status,
    transport::{Channel, Endpoint, Uri},
};

/// How often a TCP connection without traffic is checked by the kernel.
const TCP_KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How many requests may wait for one connection before their senders wait.
const QUEUED_REQUESTS: usize = 1024;

pub(super) type Stub = GatewayClient<Channel>;

/// A client of one Zeebe gateway. Cheap to clone; connects when first used, and again whenever the connection breaks.
///
/// Activation and everything else have a connection each: a stream of jobs that nobody reads, or a poll that waits, can
/// never hold up a completion.
#[derive(Debug, Clone)]
pub struct Client(Arc<Connections>);

#[derive(Debug)]
struct Connections {
    settings: Settings,
    address: String,
    authority: Authority,
    retries: Retries,
    commands: Stub,
    activation: Stub,
}

/// What [`Client::command`] has to know of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Command {
    pub(super) rpc: &'static str,
    /// Whether doing it twice does no harm.
    pub(super) repeatable: bool,
    /// The longest wait for an answer, where it is not [`Settings::request_timeout`].
    pub(super) longest: Option<Duration>,
}

impl Command {
    pub(super) const fn repeatable(rpc: &'static str) -> Self {
        Self { rpc, repeatable: true, longest: None }
    }

    /// Is sent again only when the last attempt certainly did nothing.
    pub(super) const fn once(rpc: &'static str) -> Self {
        Self { rpc, repeatable: false, longest: None }
    }

    pub(super) const fn waiting(self, longest: Duration) -> Self {
        Self { longest: Some(longest), ..self }
    }
}

impl Client {
    /// A client that connects when it is first used. Fails only on an address that can never work.
    ///
    /// Must be called inside a Tokio runtime.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let address = settings.url()?;
        let limit = settings.max_answer_bytes;
        let stub = || Ok(Stub::new(channel(&address, settings)?).max_decoding_message_size(limit));
        let (commands, activation) = (stub()?, stub()?);
        let authority = Authority::new(settings)?;
        if address.starts_with("http:") && !matches!(authority, Authority::None) {
            tracing::warn!(
                address,
                "credentials go to Zeebe in the clear; use https:// unless something else encrypts"
            );
        }
        Ok(Self(Arc::new(Connections {
            settings: settings.clone(),
            address,
            authority,
            retries: Retries::default(),
            commands,
            activation,
        })))
    }

    /// The gateway's address as a URL.
    pub fn address(&self) -> &str {
        &self.0.address
    }

    /// The settings that it was made with.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// How often requests were made again.
    pub fn retries(&self) -> &Retries {
        &self.0.retries
    }

    pub(super) fn authority(&self) -> &Authority {
        &self.0.authority
    }

    pub(super) fn activation(&self) -> Stub {
        self.0.activation.clone()
    }

    /// Sends a request until it succeeds, fails for good, or `retry` has run out; then with the last error.
    pub(super) async fn command<Q, A, F>(
        &self,
        command: Command,
        retry: Retry,
        request: Q,
        send: impl Fn(Stub, Request<Q>) -> F,
    ) -> Result<A, Error>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let Command { rpc, repeatable, longest } = command;
        let longest = longest.unwrap_or(self.0.settings.request_timeout);
        let mut pauses = Pauses::new(&self.0.settings);
        let mut last_error = None;
        while let Some(after) = retry.attempt_timeout(longest) {
            let stub = self.0.commands.clone();
            let sent = self.authority().send(with_deadline(request.clone(), after), |request| send(stub, request));
            let error = match self.answer(rpc, after, sent).await {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(error) => error,
            };
            let again = if repeatable { error.is_passing() } else { error.nothing_done() };
            let pause = pauses.next();
            if !again || !retry.allows(pause) {
                return Err(error);
            }
            self.0.retries.count(rpc);
            tracing::debug!(rpc, %error, ?pause, "trying again");
            last_error = Some(error);
            tokio::time::sleep(pause).await;
        }
        Err(last_error.unwrap_or_else(|| Error::timeout(&self.0.address, rpc, Duration::ZERO)))
    }

    /// Waits for the answer to one attempt.
    pub(super) async fn answer<A>(
        &self,
        rpc: &'static str,
        after: Duration,
        sent: impl Future<Output = Result<A, Status>>,
    ) -> Result<A, Error> {
        match tokio::time::timeout(after, sent).await {
            Ok(answer) => answer.map_err(|status| Error::from_status(&self.0.address, rpc, after, &status)),
            Err(_) => Err(Error::timeout(&self.0.address, rpc, after)),
        }
    }
}

/// The request, with a deadline that the gateway hears of.
pub(super) fn with_deadline<Q>(request: Q, after: Duration) -> Request<Q> {
    let mut request = Request::new(request);
    request.set_timeout(after);
    request
}

fn channel(address: &str, settings: &Settings) -> Result<Channel, Error> {
    let wrong = |reason: String| Error::Address { address: address.to_owned(), reason };
    // As `https:` tonic would want a TLS of its own, were that feature switched on anywhere in the build.
    let origin = Uri::try_from(address).map_err(|error| wrong(error.to_string()))?;
    let endpoint = Endpoint::from_shared(address.replacen("https:", "http:", 1))
        .and_then(|endpoint| endpoint.user_agent(concat!("zeebe2faas/", env!("CARGO_PKG_VERSION"))))
        .map_err(|error| wrong(error.to_string()))?
        .origin(origin);
    let endpoint = endpoint
        .tcp_nodelay(true)
        .tcp_keepalive(Some(TCP_KEEP_ALIVE))
        // Only while a request is open: Zeebe closes connections that ping without one.
        .http2_keep_alive_interval(settings.keep_alive)
        .keep_alive_timeout(settings.keep_alive_timeout)
        .keep_alive_while_idle(false)
        .buffer_size(QUEUED_REQUESTS);
    if let Some(connect) = &settings.connect {
        return Ok(endpoint.connect_with_connector_lazy(connect.clone()));
    }
    match &settings.tls {
        Some(tls) if address.starts_with("https:") => {
            connect_lazy(&endpoint, settings.connect_timeout, TCP_KEEP_ALIVE, tls.clone())
        }
        _ => Ok(endpoint.connect_timeout(settings.connect_timeout).connect_lazy()),
    }
}

/// Whole milliseconds as Zeebe counts them; more than it can count becomes the most that it can.
pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// JSON as Zeebe takes it: `null` becomes no variables at all.
pub(super) fn json(variables: &serde_json::Value) -> String {
    if variables.is_null() { String::new() } else { variables.to_string() }
}
