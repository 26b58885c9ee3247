//! Starts what the demo plays on: Zeebe or the engine, function host and bridge, each unless one is there already.

use super::DemoError;
use crate::{
    broker::{Broker, BrokerOptions},
    engine::serve::{Clock, Engine},
    host::Host,
    site::{self, ANY_PORT, Site, keep_secret, temporary_folder, with_port},
};
use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::{Path, PathBuf},
};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zeebe2faas::{
    app::{App, AppError},
    config::{self, Environment},
    zeebe::{Client, Retry, Settings},
};
use zeebe2faas_contract::{KeyRing, random_key_line};

/// `phr-products` and what it calls.
const PROCESSES: [(&str, &str); 2] = [
    ("phr-pair.bpmn", include_str!("../../../bpmn/phr-pair.bpmn")),
    ("phr-products.bpmn", include_str!("../../../bpmn/phr-products.bpmn")),
];
/// How long a broker may take to accept the deployment.
const DEPLOY_WITHIN: std::time::Duration = std::time::Duration::from_secs(60);

/// What is there already, and how much to run at once.
pub struct StageOptions {
    /// What executes the processes.
    pub zeebe: Zeebe,
    /// A running gateway, and the file of the runner secret that its functions' keys are made of.
    pub gateway: Option<(String, PathBuf)>,
    /// Where the callback listener binds; functions must reach it there.
    pub callback: SocketAddr,
    /// Functions that run at the same time.
    pub parallel: usize,
    /// Where commands may read and write.
    pub folders: BTreeSet<PathBuf>,
}

/// What executes the processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Zeebe {
    /// The engine in this process.
    Engine,
    /// A real broker, which is started.
    Broker,
    /// A real one that runs already, as `http://HOST:PORT`.
    At(String),
}

/// What was started for it.
enum Started {
    Engine(Engine),
    Broker(Box<Broker>),
    Nothing,
}

/// Everything, running. Dropped, it ends too, but hastily.
pub struct Stage {
    zeebe: Client,
    admin: SocketAddr,
    bridge: JoinHandle<Result<(), AppError>>,
    stop: CancellationToken,
    host: Option<Host>,
    started: Started,
    _folder: TempDir,
}

impl Stage {
    /// Starts what is missing and deploys the processes.
    pub async fn start(options: StageOptions) -> Result<Self, DemoError> {
        let folder = temporary_folder()?;
        let (started, zeebe_address) = options.zeebe.start().await?;
        let secret = match &options.gateway {
            Some((_, file)) => read(file)?,
            None => random_key_line("demo"),
        };
        let ring = keep_secret(folder.path(), &secret)?;
        let host = match options.gateway {
            Some(_) => None,
            None => Some(start_host(folder.path(), ring, options.parallel, &options.folders).await?),
        };
        let gateway = options.gateway.map(|(url, _)| url).or_else(|| host.as_ref().map(|host| host.url().to_owned()));
        let (callback, gateway) = (with_port(options.callback)?, gateway.unwrap_or_default());
        let text = configure(folder.path(), &zeebe_address, &gateway, callback, ANY_PORT)?;
        let settings = config::parse(&folder.path().join(config::DEFAULT_FILE), &text, &Environment::new())?;
        let zeebe = Client::new(&Settings::new(zeebe_address))?;
        let stop = CancellationToken::new();
        let app = App::build(settings).await?;
        let admin = app.admin_address().map_err(|source| DemoError::Io { path: "admin.listen".into(), source })?;
        let bridge = tokio::spawn(app.run(stop.clone()));
        deploy(&zeebe).await?;
        Ok(Self { zeebe, admin, bridge, stop, host, started, _folder: folder })
    }

    /// A client of the broker.
    pub const fn zeebe(&self) -> &Client {
        &self.zeebe
    }

    /// Where the bridge tells of its calls.
    pub fn admin_url(&self) -> String {
        format!("http://{}", self.admin)
    }

    /// Ends everything that was started.
    pub async fn stop(self) {
        self.stop.cancel();
        match self.bridge.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => eprintln!("the bridge: {error}"),
            Err(error) => eprintln!("the bridge broke off: {error}"),
        }
        if let Some(host) = self.host {
            host.shutdown().await;
        }
        match self.started {
            Started::Engine(engine) => engine.stop().await,
            Started::Broker(mut broker) => broker.stop().await,
            Started::Nothing => {}
        }
    }
}

impl Zeebe {
    async fn start(self) -> Result<(Started, String), DemoError> {
        Ok(match self {
            Self::Engine => {
                let engine = Engine::start(ANY_PORT, Clock::system()).await?;
                let address = engine.grpc_address();
                (Started::Engine(engine), address)
            }
            Self::Broker => {
                eprintln!("starting Zeebe {}", crate::broker::VERSION);
                let broker = Broker::start(BrokerOptions::default()).await?;
                let address = broker.grpc_address();
                (Started::Broker(Box::new(broker)), address)
            }
            Self::At(address) => (Started::Nothing, address),
        })
    }
}

/// Deploys `phr-products` and what it calls.
pub(crate) async fn deploy(zeebe: &Client) -> Result<(), DemoError> {
    let files = PROCESSES.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
    zeebe.deploy_resource(files.into(), "", Retry::within(DEPLOY_WITHIN)).await?;
    Ok(())
}

/// Starts the function host with the functions of `stack.yml`, their state in the folder; commands may name paths in
/// the folders of data.
pub(crate) async fn start_host(
    folder: &Path,
    ring: KeyRing,
    parallel: usize,
    data: &BTreeSet<PathBuf>,
) -> Result<Host, DemoError> {
    Ok(Host::start(site::host_options(folder, site::own_stack()?, ring, parallel, Some(data))).await?)
}

/// Writes the bridge's configuration for these addresses. Gives its text.
pub(crate) fn configure(
    folder: &Path,
    zeebe: &str,
    gateway: &str,
    callback: SocketAddr,
    admin: SocketAddr,
) -> Result<String, DemoError> {
    let run_once = site::run_once(&site::own_stack()?);
    Ok(Site { folder, zeebe, gateway, callback, admin, templates: None, run_once }.write()?)
}

fn read(path: &Path) -> Result<String, DemoError> {
    std::fs::read_to_string(path).map_err(|source| DemoError::Io { path: path.to_owned(), source })
}
