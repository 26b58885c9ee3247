//! An HTTP/1.1 listener on which nobody takes the place of others: every connection has limits of time and size, and
//! where there are too many, the one that has waited longest, of the address that has most, makes room.
//!
//! A new connection is never refused, and one with a request under way is never cut: OpenFaaS does not repeat a callback.

mod connection;
mod crowd;
mod failures;

pub use crowd::Address;

use crate::{metrics::Metrics, reload::Reloaded};
use axum::Router;
use crowd::Crowd;
use failures::Failures;
use rustls::ServerConfig;
use std::{io, sync::Arc, time::Duration};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Pause after the system had no room for another connection.
const NO_ROOM_PAUSE: Duration = Duration::from_millis(50);

/// What one listener bears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once.
    pub max_connections: usize,
    /// For the TLS handshake, and for a request's head from its first byte.
    pub header_timeout: Duration,
    /// Without a request.
    pub idle_timeout: Duration,
    /// Answers 401 that one address gets in a second; then 429, and the connection is closed.
    pub max_rejected_per_second: usize,
}

/// A listener's nature.
pub struct Options {
    /// Its name in figures and logs.
    pub name: &'static str,
    /// What it bears.
    pub limits: Limits,
    /// HTTPS with this, where there is one.
    pub tls: Option<Reloaded<Arc<ServerConfig>>>,
    /// Where it counts.
    pub metrics: Metrics,
}

/// What the connections of a listener share.
struct Shared {
    router: Router,
    options: Options,
    crowd: Arc<Crowd>,
    failures: Failures,
    stop: CancellationToken,
}

/// Why a connection was cut or an answer withheld, for the figures.
#[derive(Debug, Clone, Copy)]
enum Refusal {
    /// No TLS, or without a certificate that is asked for.
    Handshake,
    /// Too slow with handshake or head.
    Slow,
    /// It waited longest when another one came.
    Crowded,
    /// Too many 401.
    Rejected,
}

/// Serves until `stop`, then until the requests under way are answered.
pub async fn serve(listener: TcpListener, router: Router, options: Options, stop: CancellationToken) {
    let shared = Arc::new(Shared {
        crowd: Arc::new(Crowd::new(options.limits.max_connections)),
        failures: Failures::new(options.limits.max_rejected_per_second),
        router,
        options,
        stop: stop.clone(),
    });
    let connections = TaskTracker::new();
    tokio::select! {
        () = stop.cancelled() => {}
        () = accept(&listener, &shared, &connections) => {}
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn accept(listener: &TcpListener, shared: &Arc<Shared>, connections: &TaskTracker) {
    let name = shared.options.name;
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) if is_of_one_connection(&error) => continue,
            Err(error) => {
                tracing::error!(listener = name, %error, "no room for a connection; is `ulimit -n` large enough?");
                shared.make_room();
                tokio::time::sleep(NO_ROOM_PAUSE).await;
                continue;
            }
        };
        let address = Address::of(peer.ip());
        let member = loop {
            match shared.crowd.enter(address) {
                Some(member) => break member,
                None if shared.make_room() => {}
                // Every connection has a genuine request under way; this one waits for the first that ends.
                None => shared.crowd.changed().await,
            }
        };
        connections.spawn(connection::run(Arc::clone(shared), nodelay(stream), member));
    }
}

impl Shared {
    fn make_room(&self) -> bool {
        let made = self.crowd.cut_longest_waiting();
        if made {
            self.count(Refusal::Crowded);
        }
        made
    }

    fn count(&self, refusal: Refusal) {
        let reason = match refusal {
            Refusal::Handshake => "handshake",
            Refusal::Slow => "slow",
            Refusal::Crowded => "crowded",
            Refusal::Rejected => "rejected",
        };
        self.options.metrics.refusal(self.options.name, reason);
    }
}

/// An answer is one small packet; it shall not wait for another.
fn nodelay(stream: TcpStream) -> TcpStream {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    stream
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
