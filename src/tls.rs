//! TLS 1.2 and 1.3, for what the bridge connects to and for what connects to it.

use crate::reload::Reloaded;
use rustls::{
    ALL_VERSIONS, ClientConfig, ConfigBuilder, RootCertStore, ServerConfig, WantsVerifier,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use std::{path::PathBuf, sync::Arc};

/// Application protocols that are offered.
pub const HTTP_1: &[u8] = b"http/1.1";
/// What gRPC needs.
pub const HTTP_2: &[u8] = b"h2";

/// How a peer is trusted, and what is shown to it.
#[derive(Debug, Clone, Default)]
pub struct ClientFiles {
    /// PEM certificates of the authorities that are trusted; those of the system where absent.
    pub ca: Option<PathBuf>,
    /// PEM files of the own certificate (with its chain) and key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// The files of a listener.
#[derive(Debug, Clone)]
pub struct ServerFiles {
    /// PEM certificate with its chain.
    pub certificate: PathBuf,
    /// PEM key.
    pub key: PathBuf,
    /// PEM certificates of the authorities whose clients are let in; everybody is where absent.
    pub client_ca: Option<PathBuf>,
}

/// The client's side, for one protocol; read again when a file changes.
///
/// # Errors
/// A sentence that says which file is wrong, and how.
pub fn client(files: ClientFiles, protocol: &'static [u8]) -> Result<Reloaded<Arc<ClientConfig>>, String> {
    let ClientFiles { ca, identity } = files;
    let (has_ca, has_identity) = (ca.is_some(), identity.is_some());
    let paths = ca.into_iter().chain(identity.into_iter().flat_map(|(certificate, key)| [certificate, key])).collect();
    Reloaded::read(paths, move |texts| {
        let (ca, identity) = texts.split_at(usize::from(has_ca));
        let roots = if has_ca { roots(&ca[0], "ca_file")? } else { system_roots()? };
        let identity = if has_identity { Some((identity[0].as_str(), identity[1].as_str())) } else { None };
        client_config(roots, identity, protocol).map(Arc::new)
    })
}

/// The client's side that trusts nobody, for plain `http://`: it costs no look at the system's certificates.
pub fn trusts_nobody() -> ClientConfig {
    let mut config = client_builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    config.alpn_protocols = vec![HTTP_1.to_vec()];
    config
}

/// A builder of HTTP clients for plain `http://` addresses. reqwest's own panics: it has no cryptography built in.
pub fn plain_http() -> reqwest::ClientBuilder {
    reqwest::Client::builder().tls_backend_preconfigured(trusts_nobody()).no_proxy()
}

/// The listener's side; read again when a file changes.
///
/// # Errors
/// A sentence that says which file is wrong, and how.
pub fn server(files: ServerFiles) -> Result<Reloaded<Arc<ServerConfig>>, String> {
    let ServerFiles { certificate, key, client_ca } = files;
    let paths = [certificate, key].into_iter().chain(client_ca).collect();
    Reloaded::read(paths, |texts| {
        let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(ALL_VERSIONS);
        let builder = builder.map_err(|error| error.to_string())?;
        let builder = match texts.get(2) {
            None => builder.with_no_client_auth(),
            Some(ca) => {
                let roots = Arc::new(roots(ca, "client_ca_file")?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider()).build();
                builder.with_client_cert_verifier(verifier.map_err(|error| format!("client_ca_file: {error}"))?)
            }
        };
        let mut config = builder
            .with_single_cert(certificates(&texts[0], "cert_file")?, private_key(&texts[1])?)
            .map_err(mismatch)?;
        config.alpn_protocols = vec![HTTP_1.to_vec()];
        Ok(Arc::new(config))
    })
}

fn client_config(
    roots: RootCertStore,
    identity: Option<(&str, &str)>,
    protocol: &[u8],
) -> Result<ClientConfig, String> {
    let builder = client_builder().with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => builder
            .with_client_auth_cert(certificates(certificate, "cert_file")?, private_key(key)?)
            .map_err(mismatch)?,
    };
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(config)
}

#[expect(clippy::expect_used, reason = "ring speaks both versions")]
fn client_builder() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    ClientConfig::builder_with_provider(provider()).with_protocol_versions(ALL_VERSIONS).expect("TLS 1.2 and 1.3")
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn system_roots() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
        return Err(format!(
            "this system has no certificates of authorities{why}: install ca-certificates, or set ca_file"
        ));
    }
    Ok(roots)
}

fn roots(pem: &str, key: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem, key)? {
        roots.add(certificate).map_err(|error| format!("{key}: {error}"))?;
    }
    Ok(roots)
}

fn certificates(pem: &str, key: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match found {
        Ok(found) if found.is_empty() => Err(format!("{key} holds no certificate in PEM (BEGIN CERTIFICATE)")),
        Ok(found) => Ok(found),
        Err(error) => Err(format!("{key} is not PEM: {error}")),
    }
}

/// The parser's words could quote the key, so they are not passed on.
fn private_key(pem: &str) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| "key_file holds no private key in PEM that is not encrypted (BEGIN PRIVATE KEY)".to_owned())
}

#[expect(clippy::needless_pass_by_value, reason = "an error's own place")]
fn mismatch(error: rustls::Error) -> String {
    format!("cert_file and key_file: {error}; do they belong together?")
}
