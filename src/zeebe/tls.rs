//! Connections over TLS. Each one is made with the certificates as the files hold them then.

use super::Error;
use crate::reload::Reloaded;
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use rustls::{ClientConfig, pki_types::ServerName};
use std::{io, sync::Arc, time::Duration};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};
use tower::{ServiceExt, service_fn};

/// A channel to the endpoint that connects when first used.
pub(super) fn connect_lazy(
    endpoint: &Endpoint,
    connect_timeout: Duration,
    keep_alive: Duration,
    tls: Reloaded<Arc<ClientConfig>>,
) -> Result<Channel, Error> {
    let host = endpoint.uri().host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| Error::Address { address: host.to_owned(), reason: error.to_string() })?;
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(keep_alive));
    let connector = service_fn(move |uri| {
        let (tcp, tls, name) = (tcp.clone(), TlsConnector::from(tls.current()), name.clone());
        let connect = async move {
            let stream = tcp.oneshot(uri).await.map_err(io::Error::other)?;
            tls.connect(name, stream.into_inner()).await.map(TokioIo::new)
        };
        // tonic's own limit would hide that nothing has been sent yet.
        async move { timeout(connect_timeout, connect).await.map_err(|_| io::ErrorKind::TimedOut)? }
    });
    Ok(endpoint.connect_with_connector_lazy(connector))
}
