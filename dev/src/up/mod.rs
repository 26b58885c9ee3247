//! `zeebe2faas-dev up`: engine, function host and bridge in this process, and BPMN files and templates as they change.

mod watch;

use crate::{
    engine::serve::{Clock, Engine, EngineError},
    host::{Host, HostError, Stack, StackError},
    site::{self, Site, SiteError, keep_secret, reachable, temporary_folder, with_port},
    stop::Stop,
};
use clap::Args;
use std::{
    collections::BTreeSet,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use watch::Watch;
use zeebe2faas::{
    app::{App, AppError},
    bridge::{Bridge, render::Templates},
    config::{self, Environment},
    zeebe::{Client, Retry, Settings},
};
use zeebe2faas_contract::random_key_line;

/// How long the own engine may take to answer a deployment.
const DEPLOY_WITHIN: Duration = Duration::from_secs(10);
/// The folder of templates that is taken where it is there.
const TEMPLATES: &str = "templates";

/// Where to listen, and what to run.
#[derive(Args, Debug)]
pub struct UpArgs {
    /// Where the Zeebe-compatible engine listens; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:26500")]
    pub grpc: SocketAddr,
    /// Where the OpenFaaS-compatible function host listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub gateway: SocketAddr,
    /// Where the bridge's callbacks arrive
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8090")]
    pub callback: SocketAddr,
    /// Where the bridge's status page, API and metrics are
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8091")]
    pub admin: SocketAddr,
    /// The functions, as OpenFaaS's stack.yml [default: otbcli and normalize-product]
    #[arg(long, value_name = "FILE")]
    pub stack: Option<PathBuf>,
    /// The folder of command templates, read again when they change [default: templates, or those of the Pleiades chain
    /// where there is no such folder]
    #[arg(long, value_name = "DIR")]
    pub templates: Option<PathBuf>,
    /// A folder where commands may read and write, as often as needed [default: this folder; with --stack, what that
    /// file says]
    #[arg(long, value_name = "DIR")]
    pub data: Vec<PathBuf>,
    /// Functions that run at the same time
    #[arg(long, default_value_t = 2)]
    pub parallel: usize,
    /// Processes that are deployed, and again when their files change
    #[arg(value_name = "BPMN")]
    pub files: Vec<PathBuf>,
}

/// Why it did not come up, or ended.
#[derive(Debug, thiserror::Error)]
pub enum UpError {
    /// A folder that is not there.
    #[error("{}: {source}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Signals cannot be waited for.
    #[error("no signals: {0}")]
    Signals(io::Error),
    /// The engine.
    #[error("--grpc: {0}")]
    Engine(#[from] EngineError),
    /// The functions' file.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// The function host.
    #[error("--gateway: {0}")]
    Host(#[from] HostError),
    /// The bridge's folder.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// The bridge's settings.
    #[error(transparent)]
    Config(#[from] config::ConfigError),
    /// The bridge.
    #[error(transparent)]
    App(#[from] AppError),
    /// The client.
    #[error(transparent)]
    Zeebe(#[from] zeebe2faas::zeebe::Error),
    /// The bridge ended without being asked to.
    #[error("the bridge ended; its log above says why")]
    Ended,
}

/// Runs all of it until Ctrl-C or SIGTERM. True: it ended as it was asked to.
pub async fn run(args: &UpArgs) -> Result<bool, UpError> {
    let mut stop = Stop::new().map_err(UpError::Signals)?;
    // Before anything else, so that clients are answered at once.
    let engine = Engine::start(args.grpc, Clock::system()).await?;
    println!("zeebe2faas-dev up is for trying out and for tests: all of it is gone when it ends (Ctrl-C).");
    println!("Zeebe (gRPC)  {}", engine.grpc_address());
    let up = tokio::select! {
        up = Up::start(args, &engine) => up,
        () = stop.asked() => return Ok(true),
    };
    let mut up = up?;
    let bridge_ended = up.stop.clone();
    let ended = tokio::select! {
        () = up.keep_deployed() => false,
        () = bridge_ended.cancelled() => true,
        () = stop.asked() => false,
    };
    println!("stopping; Ctrl-C again ends it at once");
    tokio::select! {
        () = up.end(engine) => {}
        () = stop.asked() => {}
    }
    if ended { Err(UpError::Ended) } else { Ok(true) }
}

/// Everything but the engine, running.
struct Up {
    host: Host,
    bridge: Bridge,
    app: JoinHandle<()>,
    stop: CancellationToken,
    zeebe: Client,
    files: Vec<PathBuf>,
    templates: PathBuf,
    watch: Watch,
    _folder: TempDir,
}

impl Up {
    async fn start(args: &UpArgs, engine: &Engine) -> Result<Self, UpError> {
        let folder = temporary_folder()?;
        let zeebe_address = format!("http://{}", reachable(engine.address().unwrap_or(args.grpc)));
        let stack = match &args.stack {
            Some(file) => Stack::read(file)?,
            None => site::own_stack()?,
        };
        let run_once = site::run_once(&stack);
        let functions: Vec<String> = stack.functions.keys().cloned().collect();
        let ring = keep_secret(folder.path(), &random_key_line("dev"))?;
        let data = data_folders(args)?;
        let mut options = site::host_options(folder.path(), stack, ring, args.parallel, data.as_ref());
        options.listen = args.gateway;
        let host = Host::start(options).await?;
        println!("OpenFaaS      {}  {}", host.url(), functions.join(", "));

        let given =
            args.templates.clone().or_else(|| Some(TEMPLATES.into()).filter(|folder: &PathBuf| folder.is_dir()));
        let given = given.map(|folder| absolute(&folder)).transpose()?;
        let callback = with_port(args.callback)?;
        let site = Site {
            folder: folder.path(),
            zeebe: &zeebe_address,
            gateway: host.url(),
            callback,
            admin: args.admin,
            templates: given.as_deref(),
            run_once,
        };
        let text = site.write()?;
        let settings = config::parse(&folder.path().join(config::DEFAULT_FILE), &text, &Environment::new())?;
        let templates = settings.templates.clone();
        let app = App::build(settings).await?;
        let admin = app.admin_address().map_err(|source| SiteError::Io { path: "--admin".into(), source })?;
        println!("callbacks     http://{}", reachable(callback));
        println!("status page   http://{}/", reachable(admin));
        println!("templates     {}", given.as_deref().map_or("the Pleiades chain's".into(), Path::to_string_lossy));
        let (bridge, stop) = (app.bridge().clone(), CancellationToken::new());
        let app = tokio::spawn(run_app(app, stop.clone()));
        let zeebe = Client::new(&Settings::new(zeebe_address))?;
        let watch = Watch::new(args.files.clone(), templates.clone());
        let up = Self { host, bridge, app, stop, zeebe, files: args.files.clone(), templates, watch, _folder: folder };
        for file in &up.files {
            up.deploy(file).await;
        }
        println!("ready");
        Ok(up)
    }

    /// Deploys files and reads templates again when they change, without end.
    async fn keep_deployed(&mut self) {
        loop {
            let changed = self.watch.changed().await;
            let (files, templates): (Vec<_>, Vec<_>) = changed.into_iter().partition(|path| self.files.contains(path));
            if !templates.is_empty() {
                self.load_templates();
            }
            for file in files {
                self.deploy(&file).await;
            }
        }
    }

    /// What cannot be deployed is told; the next change is another chance.
    async fn deploy(&self, file: &Path) {
        let shown = file.display();
        let content = match self.watch.content(file) {
            Some(Ok(content)) => content.clone(),
            Some(Err(reason)) => return eprintln!("{shown} {reason}"),
            None => return,
        };
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        match self.zeebe.deploy_resource(vec![(name, content)], "", Retry::within(DEPLOY_WITHIN)).await {
            Ok(deployed) => {
                for process in deployed.processes {
                    println!("deployed      {} version {} from {shown}", process.bpmn_process_id, process.version);
                }
            }
            Err(error) => eprintln!("{shown} is not deployed: {error}"),
        }
    }

    /// Templates with mistakes leave those from before.
    fn load_templates(&self) {
        match Templates::load(&self.templates) {
            Ok(templates) => {
                let names = templates.names().collect::<Vec<_>>().join(", ");
                self.bridge.use_templates(templates);
                // Whoever reads it may rely on them.
                println!("templates     {names}");
            }
            Err(mistakes) => {
                eprintln!("the templates from before stay:");
                mistakes.iter().for_each(|mistake| eprintln!("  {mistake}"));
            }
        }
    }

    /// The bridge first: what it began needs the others.
    async fn end(self, engine: Engine) {
        self.stop.cancel();
        if let Err(error) = self.app.await {
            eprintln!("the bridge broke off: {error}");
        }
        self.host.shutdown().await;
        engine.stop().await;
    }
}

/// Runs the bridge, and says why it ended.
async fn run_app(app: App, stop: CancellationToken) {
    let _told = stop.clone().drop_guard();
    if let Err(error) = app.run(stop).await {
        eprintln!("the bridge: {error}");
    }
}

fn data_folders(args: &UpArgs) -> Result<Option<BTreeSet<PathBuf>>, UpError> {
    let here = [PathBuf::from(".")];
    let folders = match (args.data.as_slice(), &args.stack) {
        ([], Some(_)) => return Ok(None),
        ([], None) => here.as_slice(),
        (given, _) => given,
    };
    folders.iter().map(|folder| absolute(folder)).collect::<Result<_, _>>().map(Some)
}

fn absolute(path: &Path) -> Result<PathBuf, UpError> {
    path.canonicalize().map_err(|source| UpError::Folder { path: path.to_owned(), source })
}
