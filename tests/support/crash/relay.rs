//! A cable that can be cut: relays TCP connections to one peer, and while it is cut every connection is broken and new
//! ones are refused, as when the peer's machine is gone.

use std::{
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::{
    net::{TcpSocket, TcpStream},
    task::{JoinHandle, JoinSet},
};

const BACKLOG: u32 = 1024;

/// The cable. Dropped, it is cut for good.
pub struct Relay {
    address: SocketAddr,
    peer: SocketAddr,
    /// Bound and never listening: while the cable is cut nobody else gets the port.
    _place: TcpSocket,
    server: Mutex<Option<JoinHandle<()>>>,
}

impl Relay {
    /// To the peer at `http://HOST:PORT`.
    pub fn to(peer: &str) -> Self {
        let peer = peer.trim_start_matches("http://").parse().expect("http://IP:PORT");
        let place = socket(([127, 0, 0, 1], 0).into());
        let address = place.local_addr().expect("an address");
        let relay = Self { address, peer, _place: place, server: Mutex::default() };
        relay.mend();
        relay
    }

    /// `http://HOST:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Breaks every connection, and refuses new ones from now on…
    pub async fn cut(&self) {
        let server = self.server().take();
        if let Some(server) = server {
            server.abort();
            // It was aborted: that is how it ends.
            let _ = server.await;
        }
    }

    /// …until now.
    pub fn mend(&self) {
        let (listener, peer) = (socket(self.address).listen(BACKLOG).expect("the port is ours"), self.peer);
        *self.server() = Some(tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let Ok((mut near, _)) = listener.accept().await else { continue };
                while connections.try_join_next().is_some() {}
                connections.spawn(async move {
                    // A peer that is gone breaks the connection, which is all that there is to say.
                    let Ok(mut far) = TcpStream::connect(peer).await else { return };
                    let _ = (near.set_nodelay(true), far.set_nodelay(true));
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
            }
        }));
    }

    fn server(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(server) = self.server().take() {
            server.abort();
        }
    }
}

fn socket(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseport(true).expect("a socket of Linux");
    socket.bind(address).expect("a free port");
    socket
}
