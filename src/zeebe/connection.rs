//! Connections in memory: for simulations.

use hyper_util::rt::TokioIo;
use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::io::DuplexStream;
use tonic::transport::Uri;
use tower::Service;

type Connecting<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

/// Makes a connection to a gateway that is in this process.
#[derive(Clone)]
pub struct Connect(Arc<dyn Fn() -> Connecting<TokioIo<DuplexStream>> + Send + Sync>);

impl Connect {
    /// `connect` gives the client's end.
    pub fn new<F>(connect: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<DuplexStream>> + Send + 'static,
    {
        Self(Arc::new(move || {
            let connecting = connect();
            Box::pin(async move { connecting.await.map(TokioIo::new) })
        }))
    }
}

impl Service<Uri> for Connect {
    type Response = TokioIo<DuplexStream>;
    type Error = io::Error;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        (self.0)()
    }
}

impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connect")
    }
}
