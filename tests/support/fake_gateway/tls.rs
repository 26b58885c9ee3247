use super::PATIENCE;
use rustls::ServerConfig;
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_stream::{Stream, wrappers::UnboundedReceiverStream};
use tonic::transport::server::Connected;

/// A connection as tonic takes it: its own TLS is a feature that the product must do without.
pub(super) struct Encrypted(TlsStream<TcpStream>);

/// Connections whose handshake was good; the others are dropped.
pub(super) fn accept(listener: TcpListener, config: Arc<ServerConfig>) -> impl Stream<Item = io::Result<Encrypted>> {
    let (send, receive) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, send) = (TlsAcceptor::from(config.clone()), send.clone());
            tokio::spawn(async move {
                if let Ok(Ok(stream)) = timeout(PATIENCE, acceptor.accept(stream)).await {
                    // Nobody takes it any more when the fake has ended meanwhile.
                    let _ = send.send(Ok(Encrypted(stream)));
                }
            });
        }
    });
    UnboundedReceiverStream::new(receive)
}

impl Connected for Encrypted {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Encrypted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
