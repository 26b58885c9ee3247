//! Zeebe's gateway around the [`machine`](super::machine): gRPC over a socket or any pipe.
//!
//! One task owns the machine; all that comes in goes through its queue, and jobs and results go from it to who waits.
//! Nothing here runs on a thread of its own, and time is Tokio's, so that all of it runs under a paused clock too.

mod ask;
mod clock;
mod names;
mod service;
#[cfg(test)]
mod tests;
mod waiting;
mod writer;

pub use clock::Clock;

use super::machine::Event;
use ask::Ask;
use futures_util::Stream;
use service::Service;
use std::{io, net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tokio_stream::{StreamExt, wrappers::TcpListenerStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{
    service::Routes,
    transport::{self, Server, server::Connected},
};
use writer::Writer;

/// Requests that wait for the machine; above it RESOURCE_EXHAUSTED, as from a broker under pressure.
pub const QUEUE: usize = 4096;
/// Job streams that are open at once.
pub const MAX_STREAMS: usize = 1000;
/// `ActivateJobs` requests that wait for jobs at once.
pub const MAX_LONG_POLLS: usize = 10_000;
/// `CreateProcessInstanceWithResult` requests that wait at once.
pub const MAX_AWAITED_RESULTS: usize = 10_000;
/// Requests at once on one connection.
pub const MAX_REQUESTS_PER_CONNECTION: u32 = 20_000;
/// The largest message, in bytes: a broker's own default.
pub const MAX_MESSAGE_BYTES: usize = 4 << 20;
/// How long clients may take to let go of their connections when it stops.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Why an engine does not serve.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The address is taken, or not this machine's.
    #[error("cannot listen on {address}: {source}; choose another port, or 0 for a free one")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// A running engine. Dropping it ends it hastily: connections break.
pub struct Engine {
    address: Option<SocketAddr>,
    service: Service,
    server: Option<JoinHandle<Result<(), transport::Error>>>,
    stop: CancellationToken,
    _stopped_when_dropped: DropGuard,
}

impl Engine {
    /// An engine with nothing deployed that listens there; port 0 takes a free one.
    pub async fn start(address: SocketAddr, clock: Clock) -> Result<Self, EngineError> {
        let error = |source| EngineError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(error)?;
        let mut engine = Self::in_process(clock);
        engine.address = Some(listener.local_addr().map_err(error)?);
        let connections = TcpListenerStream::new(listener).map(|connection| {
            // Small messages go back and forth: waiting to fill a packet costs 40 ms each.
            connection.and_then(|connection| connection.set_nodelay(true).map(|()| connection))
        });
        engine.server = Some(tokio::spawn(engine.serve(connections)));
        Ok(engine)
    }

    /// One that does not listen: [`serve`](Self::serve) gives it connections.
    pub fn in_process(clock: Clock) -> Self {
        let stop = CancellationToken::new();
        let (sender, asks) = mpsc::channel(QUEUE);
        tokio::spawn(Writer::new(clock, asks, sender.downgrade()).run(stop.clone()));
        let service = Service::new(sender);
        Self { address: None, service, server: None, _stopped_when_dropped: stop.clone().drop_guard(), stop }
    }

    /// The gateway's methods, for whoever serves them himself.
    pub fn routes(&self) -> Routes {
        names::routes(self.service.clone())
    }

    /// Serves these connections, such as one end of [`tokio::io::duplex`], until the engine stops.
    pub fn serve<IO>(
        &self,
        connections: impl Stream<Item = io::Result<IO>> + Send + 'static,
    ) -> impl Future<Output = Result<(), transport::Error>> + Send + 'static
    where
        IO: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
    {
        Server::builder()
            .max_concurrent_streams(MAX_REQUESTS_PER_CONNECTION)
            .add_routes(self.routes())
            // The end of connections would be taken for a wish to stop.
            .serve_with_incoming_shutdown(
                connections.chain(tokio_stream::pending()),
                self.stop.clone().cancelled_owned(),
            )
    }

    /// Where it listens; none when it does not.
    pub const fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// `http://HOST:PORT`; empty when it does not listen.
    pub fn grpc_address(&self) -> String {
        self.address.map(|address| format!("http://{address}")).unwrap_or_default()
    }

    /// Moves its clock, and has done what is due then when it returns.
    pub async fn advance(&self, by: Duration) {
        let (answer, done) = oneshot::channel();
        if self.service.send(Ask::Advance(by, answer)).await {
            // It stops: nothing is due any more.
            let _stopped = done.await;
        }
    }

    /// Has `watcher` hear of all that happens from now on, in order. It must be quick: the machine waits for it.
    pub async fn watch(&self, watcher: impl FnMut(&Event) + Send + 'static) {
        // Where it stops nothing happens any more.
        let _stopped = self.service.send(Ask::Watch(Box::new(watcher))).await;
    }

    /// Ends streams and waits, and closes every connection.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let Some(mut server) = self.server.take() else { return };
        match tokio::time::timeout(STOP_WITHIN, &mut server).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::warn!(%error, "the engine's server ended"),
            Ok(Err(error)) => tracing::warn!(%error, "the engine's server broke off"),
            Err(_) => server.abort(),
        }
    }
}
