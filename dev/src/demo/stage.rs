//! Starts what the demo plays on: broker, function host and bridge, each unless one is there already.

use super::DemoError;
use crate::{
    broker::{Broker, BrokerOptions},
    host::{Host, HostOptions, Stack},
};
use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, SocketAddr},
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

const STACK: &str = include_str!("../../../stack.yml");
/// `phr-products` and what it calls.
const PROCESSES: [(&str, &str); 2] = [
    ("phr-pair.bpmn", include_str!("../../../bpmn/phr-pair.bpmn")),
    ("phr-products.bpmn", include_str!("../../../bpmn/phr-products.bpmn")),
];
const TEMPLATES: [(&str, &str); 3] = [
    ("bundle-to-perfect-sensor.toml", include_str!("../../../templates/bundle-to-perfect-sensor.toml")),
    ("ortho-rectification.toml", include_str!("../../../templates/ortho-rectification.toml")),
    ("normalize-product.toml", include_str!("../../../templates/normalize-product.toml")),
];
/// How long a broker may take to accept the deployment.
const DEPLOY_WITHIN: std::time::Duration = std::time::Duration::from_secs(60);

const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// What is there already, and how much to run at once.
pub struct StageOptions {
    /// A running Zeebe.
    pub zeebe: Option<String>,
    /// A running gateway, and the file of the runner secret that its functions' keys are made of.
    pub gateway: Option<(String, PathBuf)>,
    /// Where the callback listener binds; functions must reach it there.
    pub callback: SocketAddr,
    /// Functions that run at the same time.
    pub parallel: usize,
    /// Where commands may read and write.
    pub folders: BTreeSet<PathBuf>,
}

/// Everything, running. Dropped, it ends too, but hastily.
pub struct Stage {
    zeebe: Client,
    admin: SocketAddr,
    bridge: JoinHandle<Result<(), AppError>>,
    stop: CancellationToken,
    host: Option<Host>,
    broker: Option<Broker>,
    _folder: TempDir,
}

impl Stage {
    /// Starts what is missing and deploys the processes.
    pub async fn start(options: StageOptions) -> Result<Self, DemoError> {
        let folder = TempDir::new().map_err(|source| DemoError::Io { path: std::env::temp_dir(), source })?;
        let broker = match options.zeebe {
            Some(_) => None,
            None => {
                eprintln!("starting Zeebe {}", crate::broker::VERSION);
                Some(Broker::start(BrokerOptions::default()).await?)
            }
        };
        let zeebe_address = options.zeebe.or_else(|| broker.as_ref().map(Broker::grpc_address)).unwrap_or_default();
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
        // The URL must be known before the listener is bound.
        let callback = if options.callback.port() == 0 { free_port(options.callback)? } else { options.callback };
        let gateway = gateway.unwrap_or_default();
        let text = configure(folder.path(), &zeebe_address, &gateway, callback, ANY_PORT)?;
        let settings = config::parse(&folder.path().join(config::DEFAULT_FILE), &text, &Environment::new())?;
        let zeebe = Client::new(&Settings::new(zeebe_address))?;
        let stop = CancellationToken::new();
        let app = App::build(settings).await?;
        let admin = app.admin_address().map_err(|source| DemoError::Io { path: "admin.listen".into(), source })?;
        let bridge = tokio::spawn(app.run(stop.clone()));
        deploy(&zeebe).await?;
        Ok(Self { zeebe, admin, bridge, stop, host, broker, _folder: folder })
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
        if let Some(mut broker) = self.broker {
            broker.stop().await;
        }
    }
}

/// Deploys `phr-products` and what it calls.
pub(crate) async fn deploy(zeebe: &Client) -> Result<(), DemoError> {
    let files = PROCESSES.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
    zeebe.deploy_resource(files.into(), "", Retry::within(DEPLOY_WITHIN)).await?;
    Ok(())
}

/// Writes `runner.key`.
pub(crate) fn keep_secret(folder: &Path, secret: &str) -> Result<KeyRing, DemoError> {
    let path = write(folder, "runner.key", secret)?;
    KeyRing::parse(secret).map_err(|source| DemoError::Key { path, source })
}

/// Starts the function host with the functions of `stack.yml`, their state in the folder; commands may name paths in
/// the folders of data.
pub(crate) async fn start_host(
    folder: &Path,
    ring: KeyRing,
    parallel: usize,
    data: &BTreeSet<PathBuf>,
) -> Result<Host, DemoError> {
    let mut stack = Stack::parse("stack.yml", STACK)?;
    // Functions reach this bridge's own listener.
    stack.functions.remove("callback-ack");
    let mut options = HostOptions::new(stack, folder.join("state"));
    options.key_ring = Some(ring);
    options.workers = parallel;
    options.env.insert("RUNNER_MAX_RUNS".to_owned(), parallel.to_string());
    let data: Vec<_> = data.iter().map(|folder| folder.to_string_lossy()).collect();
    options.env.insert("RUNNER_ALLOW_DIRS".to_owned(), data.join(":"));
    // Beside this program; a test's own program lies one folder deeper.
    let exe = std::env::current_exe().unwrap_or_default();
    options.path_dirs.extend(exe.ancestors().skip(1).take(2).map(Path::to_owned));
    Ok(Host::start(options).await?)
}

/// Writes the bridge's configuration, as a user would, with templates and keys; `runner.key` is there already. Gives
/// the configuration's text.
pub(crate) fn configure(
    folder: &Path,
    zeebe: &str,
    gateway: &str,
    callback: SocketAddr,
    admin: SocketAddr,
) -> Result<String, DemoError> {
    for (name, text) in TEMPLATES {
        std::fs::create_dir_all(folder.join("templates"))
            .map_err(|source| DemoError::Io { path: folder.into(), source })?;
        write(&folder.join("templates"), name, text)?;
    }
    write(folder, "token.key", &random_key_line("demo"))?;
    // A broker that was wiped hands out the same job keys again.
    let cluster = format!("demo-{:08x}", rand::random::<u32>());
    let text = format!(
        r#"cluster = "{cluster}"
[zeebe]
address = "{zeebe}"
[openfaas]
gateway = "{gateway}"
[callback]
listen = "{callback}"
url = "http://{callback}"
[admin]
listen = "{admin}"
[keys]
token_file = "token.key"
runner_file = "runner.key"
[functions.otbcli]
run_once = true
[functions.normalize-product]
run_once = true
"#
    );
    write(folder, config::DEFAULT_FILE, &text)?;
    Ok(text)
}

fn free_port(wanted: SocketAddr) -> Result<SocketAddr, DemoError> {
    let io = |source| DemoError::Io { path: wanted.to_string().into(), source };
    std::net::TcpListener::bind(wanted).and_then(|listener| listener.local_addr()).map_err(io)
}

fn read(path: &Path) -> Result<String, DemoError> {
    std::fs::read_to_string(path).map_err(|source| DemoError::Io { path: path.to_owned(), source })
}

fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf, DemoError> {
    let path = folder.join(name);
    std::fs::write(&path, text).map_err(|source| DemoError::Io { path: path.clone(), source })?;
    Ok(path)
}
