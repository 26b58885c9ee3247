//! An OpenFaaS-compatible function host, for trying out and for tests: the functions of a `stack.yml` as processes of
//! this machine, behind OpenFaaS's gateway API on one port.
//!
//! [`Stack`] is the file; `function` (with `fork` and `container`) is of-watchdog's part, `queue` the queue worker's,
//! `gateway` the HTTP API; [`Faults`] makes it misbehave as the real one does. The queue is in memory: what waits when
//! the host ends is lost, as with the memory store of NATS Streaming.

mod container;
mod faults;
mod fork;
mod function;
mod gateway;
mod listener;
mod queue;
mod stack;

pub use faults::{CE_UPSTREAM_TIMEOUT, FaultControl, Faults, SubmissionFault};
pub use function::FunctionError;
pub use gateway::ASYNC_BODY_BYTES;
pub use stack::{FunctionSpec, Mode, Stack, StackError};

use container::Containers;
use function::{CALLBACK_LISTEN, Context, Function};
use gateway::Gateway;
use queue::Queue;
use std::{
    collections::BTreeMap,
    env,
    ffi::{OsStr, OsString},
    fmt,
    fs::{self, OpenOptions},
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use zeebe2faas_contract::KeyRing;

/// How long processes may take to end when asked to, a runner's own grace for its programs included.
const STOP_GRACE: Duration = Duration::from_secs(15);
/// How long answers may take to be sent when the processes have ended.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// An idle connection to a function is closed after this, as of-watchdog does it.
const IDLE_CONNECTION: Duration = Duration::from_millis(500);

/// How to start a [`Host`].
#[derive(Debug)]
pub struct HostOptions {
    /// Where the gateway listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The functions.
    pub stack: Stack,
    /// Environment for every function; it wins over the stack's and over the host's own `RUNNER_*`.
    pub env: BTreeMap<String, String>,
    /// The runner secret, from which each function's `RUNNER_KEY_FILE` is made.
    pub key_ring: Option<KeyRing>,
    /// Searched for programs before `PATH`.
    pub path_dirs: Vec<PathBuf>,
    /// Each function's `RUNNER_STATE_DIR` is a folder of its name in here; made where it is missing.
    pub state_dir: PathBuf,
    /// Asynchronous calls worked on at once; at least 1, which is what CE has.
    pub workers: usize,
    /// Asynchronous calls that wait; above it 429.
    pub queue_capacity: usize,
    /// What goes wrong from the start.
    pub faults: Faults,
    /// Demanded for `/system/*` where given.
    pub credentials: Option<Credentials>,
}

/// User and password for `/system/*`.
#[derive(Clone)]
pub struct Credentials {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

/// A running host. Dropping it kills its processes; [`Host::shutdown`] lets them end.
pub struct Host {
    url: String,
    faults: FaultControl,
    queue: Queue,
    context: Context,
    server: JoinHandle<()>,
    _keys: TempDir,
}

/// Why a host did not start.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// There must be a worker.
    #[error("workers is 0: at least one works on asynchronous calls")]
    NoWorker,
    /// The address is taken, or not this machine's.
    #[error("cannot listen on {address}: {source}; choose another port, or 0 for a free one")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A folder or key file cannot be made.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A folder's name cannot be part of `PATH`.
    #[error("path_dirs: {0}; choose folders without a colon in their names")]
    Path(#[from] env::JoinPathsError),
    /// The HTTP client is not to be had.
    #[error("HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    /// A function's process is not there.
    #[error("function {function}: {source}")]
    Function {
        /// Which.
        function: String,
        /// Why.
        source: FunctionError,
    },
}

impl HostOptions {
    /// On a free port of 127.0.0.1, with four workers, a queue of 10,000 calls, and nothing that goes wrong.
    pub fn new(stack: Stack, state_dir: impl Into<PathBuf>) -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            stack,
            env: BTreeMap::new(),
            key_ring: None,
            path_dirs: Vec::new(),
            state_dir: state_dir.into(),
            workers: 4,
            queue_capacity: 10_000,
            faults: Faults::default(),
            credentials: None,
        }
    }

    /// What a function's process finds in its environment, besides the host's own.
    fn environment(&self, function: &str, spec: &FunctionSpec, keys: &Path) -> Result<Environment, HostError> {
        let state_dir = self.state_dir.join(function);
        fs::create_dir_all(&state_dir).map_err(|source| HostError::Write { path: state_dir.clone(), source })?;
        let mut environment: BTreeMap<OsString, OsString> = BTreeMap::new();
        let texts = |map: &BTreeMap<String, String>| -> Vec<(OsString, OsString)> {
            map.iter().map(|(key, value)| (key.into(), value.into())).collect()
        };
        environment.extend(texts(&spec.environment));
        environment.insert("RUNNER_LISTEN".into(), "127.0.0.1:0".into());
        if let Some(listen) = environment.get_mut::<OsStr>(CALLBACK_LISTEN.as_ref()) {
            *listen = "127.0.0.1:0".into();
        }
        environment.insert("RUNNER_STATE_DIR".into(), state_dir.into());
        if let Some(ring) = &self.key_ring {
            let path = keys.join(function);
            write_secret(&path, &ring.for_function(function).to_file_text())
                .map_err(|source| HostError::Write { path: path.clone(), source })?;
            environment.insert("RUNNER_KEY_FILE".into(), path.into());
        }
        environment.extend(texts(&self.env));
        let path = environment.get("PATH".as_ref() as &OsStr).cloned().or_else(|| env::var_os("PATH"));
        let path: Vec<PathBuf> = path.iter().flat_map(env::split_paths).collect();
        environment.insert("PATH".into(), env::join_paths(self.path_dirs.iter().chain(&path))?);
        Ok(environment.into_iter().collect())
    }
}

type Environment = Vec<(OsString, OsString)>;

impl Host {
    /// Starts the functions, then serves. When a function cannot be started, those before it are ended again.
    pub async fn start(options: HostOptions) -> Result<Self, HostError> {
        if options.workers == 0 {
            return Err(HostError::NoWorker);
        }
        let address = options.listen;
        let listener = TcpListener::bind(address).await.map_err(|source| HostError::Listen { address, source })?;
        let local = listener.local_addr().map_err(|source| HostError::Listen { address, source })?;
        let url = format!("http://{local}");
        let keys = TempDir::new().map_err(|source| HostError::Write { path: env::temp_dir(), source })?;
        let client = zeebe2faas::tls::plain_http()
            .redirect(reqwest::redirect::Policy::none())
            .pool_idle_timeout(IDLE_CONNECTION)
            .build()?;
        let (containers, tasks, stop) = (Containers::default(), TaskTracker::new(), CancellationToken::new());
        let context = Context { containers, client, tasks, stop };
        let functions = match start_functions(&options, keys.path(), &context).await {
            Ok(functions) => Arc::new(functions),
            Err(error) => {
                context.end().await;
                return Err(error);
            }
        };
        let faults = FaultControl::new(options.faults);
        let Context { tasks, stop, .. } = context.clone();
        let queue = Queue::start(url.clone(), options.workers, options.queue_capacity, faults.clone(), tasks, stop)?;
        let credentials = options.credentials.map(Arc::new);
        let gateway = Gateway { functions, queue: queue.clone(), faults: faults.clone(), credentials };
        let service = gateway::routes(gateway).into_make_service_with_connect_info::<listener::Connection>();
        let server = axum::serve(listener::Listener(listener), service)
            .with_graceful_shutdown(context.stop.clone().cancelled_owned());
        let server = tokio::spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the gateway ended");
            }
        });
        Ok(Self { url, faults, queue, context, server, _keys: keys })
    }

    /// Where the gateway is, without a trailing slash.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Changes what goes wrong.
    pub fn faults(&self) -> &FaultControl {
        &self.faults
    }

    /// Asynchronous calls that no worker has taken yet.
    pub fn waiting_calls(&self) -> usize {
        self.queue.len()
    }

    /// How often the queue has delivered this call to its function.
    pub fn deliveries(&self, call_id: impl AsRef<str>) -> u32 {
        self.queue.deliveries().borrow().get(call_id.as_ref()).copied().unwrap_or_default()
    }

    /// Waits until the queue has delivered this call at least so often. The caller sets the deadline.
    pub async fn delivered(&self, call_id: impl AsRef<str>, times: u32) {
        let enough =
            |counts: &std::collections::HashMap<String, u32>| counts.get(call_id.as_ref()).is_some_and(|n| *n >= times);
        // The sender is here, so waiting cannot fail.
        let _ = self.queue.deliveries().wait_for(enough).await;
    }

    /// Stops serving, gives every process 15 s to end, kills what is left, and waits for it.
    pub async fn shutdown(mut self) {
        self.context.end().await;
        if timeout(LAST_ANSWERS, &mut self.server).await.is_err() {
            tracing::warn!("some clients did not take their answers in time");
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.context.stop.cancel();
        self.context.containers.kill_all();
    }
}

impl Context {
    async fn end(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.containers.terminate_leaders();
        if timeout(STOP_GRACE, self.tasks.wait()).await.is_err() {
            self.containers.kill_all();
            self.tasks.wait().await;
        }
        self.containers.kill_all();
    }
}

async fn start_functions(
    options: &HostOptions,
    keys: &Path,
    context: &Context,
) -> Result<BTreeMap<String, Arc<Function>>, HostError> {
    let mut functions = BTreeMap::new();
    for (name, spec) in &options.stack.functions {
        let environment = options.environment(name, spec, keys)?;
        let function = Function::start(name, spec.clone(), environment, context.clone())
            .await
            .map_err(|source| HostError::Function { function: name.clone(), source })?;
        functions.insert(name.clone(), function);
    }
    Ok(functions)
}

fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(text.as_bytes())
}

/// Without the password.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}
