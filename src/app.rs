//! Builds the bridge (binding its sockets), runs it until it is stopped, and says why it stopped.

mod core;

pub use self::core::{Core, Routes};

use crate::{
    bridge::{Bridge, Peers, render::Templates, replicas},
    config::{self, Settings},
    kubernetes::{self, Cluster},
    ledger::{Ledger, LedgerError},
    listener::{self, serve},
    openfaas::Gateway,
    reload,
    zeebe::{self, Client},
};
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Why the bridge could not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A template's fault; one line for each mistake.
    #[error("templates:\n  {0}")]
    Templates(String),
    /// The ledger's.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Zeebe's address.
    #[error(transparent)]
    Zeebe(#[from] zeebe::Error),
    /// The cluster's.
    #[error(transparent)]
    Kubernetes(#[from] kubernetes::Error),
    /// The HTTP client's.
    #[error("no HTTP client: {0}")]
    Http(#[from] reqwest::Error),
    /// A port in use, or an address that is not this machine's.
    #[error("{key} = {address}: {source}; is another bridge running?")]
    Listen {
        /// The setting.
        key: &'static str,
        /// Its value.
        address: SocketAddr,
        /// The system's word.
        source: std::io::Error,
    },
    /// A part ended that never should.
    #[error("{0} ended unexpectedly; see the log")]
    Part(&'static str),
}

/// A bridge with its sockets bound, not yet working.
pub struct App {
    core: Core,
    callback: TcpListener,
    admin: TcpListener,
}

/// Reads the templates of the settings.
pub fn load_templates(settings: &Settings) -> Result<Templates, AppError> {
    Templates::load(&settings.templates)
        .map_err(|errors| AppError::Templates(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  ")))
}

impl App {
    /// Opens the ledger, reads the templates and binds the sockets. Zeebe and OpenFaaS may still be away.
    pub async fn build(settings: Settings) -> Result<Self, AppError> {
        let peers = Peers {
            zeebe: Client::new(&zeebe_settings(&settings.zeebe))?,
            gateway: Gateway::new(&settings.openfaas)?,
            replicas: replicas::transport(&settings.replicas)?,
            cluster: match &settings.kubernetes {
                Some(kubernetes) => Some(Cluster::new(kubernetes, &settings.cluster, &settings.replica).await?),
                None => None,
            },
        };
        let ledger = Ledger::open(&settings.ledger)?;
        let callback = bind("callback.listen", settings.callback.listen).await?;
        let admin = bind("admin.listen", settings.admin).await?;
        Ok(Self { core: Core::new(settings, peers, ledger)?, callback, admin })
    }

    /// The steps, which go on to be reached while it runs.
    pub fn bridge(&self) -> &Bridge {
        self.core.bridge()
    }

    /// Where callbacks arrive.
    pub fn callback_address(&self) -> std::io::Result<SocketAddr> {
        self.callback.local_addr()
    }

    /// Where health, metrics and the calls are.
    pub fn admin_address(&self) -> std::io::Result<SocketAddr> {
        self.admin.local_addr()
    }

    /// Works until `stop`, then takes no new job, lets steps under way finish within the drain timeout, and says what
    /// is still in flight.
    pub async fn run(self, stop: CancellationToken) -> Result<(), AppError> {
        let Self { mut core, callback, admin } = self;
        let settings = core.settings().clone();
        log_start(&settings, &callback, &admin);
        core.parts.add("the watch on files", reload::watch(settings.reloaded()));
        let metrics = core.bridge.metrics().clone();
        let options = move |name, tls| {
            let (limits, metrics) = (settings.limits.clone(), metrics.clone());
            listener::Options { name, limits, tls, metrics }
        };
        let tls = core.settings().callback.tls.clone();
        let listen = async move |routes: Routes, stop: CancellationToken| {
            tokio::join!(
                serve(admin, routes.admin, options("admin", None), stop.clone()),
                serve(callback, routes.callback, options("callback", tls), stop),
            );
        };
        core.run(stop, listen).await
    }
}

/// Binds the address of a setting.
pub(crate) async fn bind(key: &'static str, address: SocketAddr) -> Result<TcpListener, AppError> {
    TcpListener::bind(address).await.map_err(|source| AppError::Listen { key, address, source })
}

/// The client's settings; the rest has defaults.
pub(crate) fn zeebe_settings(settings: &config::Zeebe) -> zeebe::Settings {
    zeebe::Settings {
        tls: settings.tls.clone(),
        auth: settings.auth.clone(),
        request_timeout: settings.request_timeout,
        ..zeebe::Settings::new(settings.address.clone())
    }
}

fn log_start(settings: &Settings, callback: &TcpListener, admin: &TcpListener) {
    let address = |listener: &TcpListener| listener.local_addr().map(|a| a.to_string()).unwrap_or_default();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        cluster = settings.cluster,
        zeebe = settings.zeebe.address,
        gateway = settings.openfaas.gateway,
        callback = address(callback),
        admin = address(admin),
        ledger = %settings.ledger.display(),
        "started"
    );
}
