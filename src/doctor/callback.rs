//! Whether the functions' side reaches the callback listener: a harmless invocation whose callback is a probe.
//!
//! The invocation is empty and not signed, so a runner refuses it before anything else: nothing runs, and its state
//! directory stays as it is. It goes only to a function whose runner has just proved that it holds its key. The
//! callback carries a probe's token to the running bridge, or to a listener of our own where none runs.

use super::{Finding, http};
use crate::{
    bridge::probe,
    clock::{millis, now_ms},
    config::Settings,
    openfaas::{Gateway, Invocation, Submission},
};
use std::{
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::{Duration, Instant},
};
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use zeebe2faas_contract::CallId;

const CHECK: &str = "callback URL";
/// How long a probe's token outlives our patience.
const TOKEN_SLACK: Duration = Duration::from_secs(60);
/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a look at the URL that functions are told may take: it need not be reachable from here.
const LOOK_THERE: Duration = Duration::from_secs(1);

/// Ends with its listener.
struct Receiver {
    address: SocketAddr,
    own: Option<JoinHandle<()>>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(server) = &self.own {
            server.abort();
        }
    }
}

pub(super) async fn check(
    gateway: &Gateway,
    settings: &Settings,
    function: Option<&str>,
    patience: Duration,
) -> Finding {
    let Some(function) = function else {
        let why = "there is no run_once function whose runner holds its right key, so nothing harmless can be invoked";
        return Finding::skipped(CHECK, why);
    };
    match probe(gateway, settings, function, patience).await {
        Ok(message) => Finding::ok(CHECK, message),
        Err((message, advice)) => Finding::failed(CHECK, message, advice),
    }
}

async fn probe(
    gateway: &Gateway,
    settings: &Settings,
    function: &str,
    patience: Duration,
) -> Result<String, (String, String)> {
    let receiver = receiver(settings).await?;
    let token = probe::token(&settings.keys.token.current(), now_ms() + millis(patience + TOKEN_SLACK));
    let path = probe::path(&token);
    let look = format!("http://{}{path}", receiver.address);
    let client = http().map_err(|error| (format!("no HTTP client: {error}"), String::new()))?;
    let status = async |url: &str| client.get(url).send().await.map(|answer| answer.status().as_u16());
    match status(&look).await {
        Ok(404) => {}
        Ok(other) => {
            let words = format!("what listens at {} answers a probe's question with HTTP {other}", receiver.address);
            return Err((words, "is it a bridge of this version, with the same keys.token_file?".to_owned()));
        }
        Err(error) => return Err((format!("{}: {error}", receiver.address), "see the bridge's log".to_owned())),
    }
    let told = format!("{}{path}", settings.callback.url);
    submit(gateway, function, &told).await?;
    let here = async || matches!(status(&look).await, Ok(200));
    let there = async || matches!(timeout(LOOK_THERE, status(&told)).await, Ok(Ok(200)));
    let begun = Instant::now();
    while begun.elapsed() < patience {
        let (first, there) = if here().await { (true, false) } else { (false, there().await) };
        // Both may be one listener, where it arrived between the two looks.
        let whose = match (first || there && here().await, &receiver.own) {
            (true, Some(_)) => Some("here, where no bridge runs"),
            (true, None) => Some("at the bridge"),
            (false, _) => there.then_some("there"),
        };
        if let Some(whose) = whose {
            return Ok(format!("a callback of `{function}` to {} arrived {whose}", settings.callback.url));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Err(lost(settings, function, patience).await)
}

/// The running bridge's listener, or our own in its place.
async fn receiver(settings: &Settings) -> Result<Receiver, (String, String)> {
    let listen = settings.callback.listen;
    let failed = |error: std::io::Error| {
        (
            format!("cannot listen on callback.listen = {listen}: {error}"),
            "is it an address of this machine?".to_owned(),
        )
    };
    match TcpListener::bind(listen).await {
        Ok(listener) => {
            let address = reachable(listener.local_addr().map_err(failed)?);
            let routes = probe::router(settings.keys.token.clone());
            let own = tokio::spawn(async move {
                if let Err(error) = axum::serve(listener, routes).await {
                    tracing::error!(%error, "the listener for the probe failed");
                }
            });
            Ok(Receiver { address, own: Some(own) })
        }
        Err(error) if error.kind() == ErrorKind::AddrInUse => Ok(Receiver { address: reachable(listen), own: None }),
        Err(error) => Err(failed(error)),
    }
}

/// Where a listener on all addresses is reached from here.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

async fn submit(gateway: &Gateway, function: &str, callback_url: &str) -> Result<(), (String, String)> {
    let call_id = CallId::new("doctor", rand::random(), 1);
    let traceparent = format!("00-{:032x}-{:016x}-00", rand::random::<u128>(), rand::random::<u64>());
    let invocation = Invocation {
        function,
        call_id: call_id.as_str(),
        callback_url,
        traceparent: &traceparent,
        signature: None,
        content_type: "application/json",
        body: Vec::new(),
    };
    match gateway.submit(&invocation).await {
        Submission::Queued => Ok(()),
        Submission::NotNow(reason) | Submission::Never(reason) | Submission::Unknown(reason) => {
            Err((format!("the probe was not taken: {reason}"), "see the gateway's log".to_owned()))
        }
    }
}

async fn lost(settings: &Settings, function: &str, patience: Duration) -> (String, String) {
    let url = &settings.callback.url;
    let message = format!("no callback of `{function}` to {url} within {patience:?}");
    let from_here = match http() {
        Ok(client) => client
            .get(format!("{url}/healthz"))
            .send()
            .await
            .is_ok_and(|answer| answer.status() == 404 || answer.status().is_success()),
        Err(_) => false,
    };
    let seen = if from_here { "it answers from here" } else { "nor does it answer from here" };
    let advice = format!(
        "{seen}; from the queue worker's side callback.url must lead to callback.listen = {} (name, port, network \
         policy). Is the queue worker running, and not busy? With replicas the probe may have reached another one",
        settings.callback.listen
    );
    (message, advice)
}
