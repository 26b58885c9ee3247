//! Builds the bridge (binding its sockets), runs it until it is stopped, and says why it stopped.

use crate::{
    admin::{self, Admin, Readiness},
    bridge::{
        Bridge,
        activate::{self, Activated, Activator},
        callback, progress,
        render::Templates,
    },
    config::{self, Settings, Worker},
    ledger::{Ledger, LedgerError},
    listener::{self, serve},
    metrics::Metrics,
    openfaas::Gateway,
    reload,
    zeebe::{self, Client, JobQuery},
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, mpsc},
    task::JoinSet,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The worker's name that Zeebe shows. The same for all replicas, so that Zeebe joins their streams.
const WORKER_NAME: &str = "zeebe2faas";
/// How long a poll waits in Zeebe for a job where nothing is streamed.
const LONG_POLL: Duration = Duration::from_secs(10);

/// How many calls in flight are named when the bridge stops.
const SHOWN_IN_FLIGHT: usize = 20;

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
    bridge: Bridge,
    settings: Settings,
    zeebe: Client,
    ledger: Ledger,
    callback: TcpListener,
    admin: TcpListener,
    steps_stop: CancellationToken,
}

/// Reads the templates of the settings.
pub fn load_templates(settings: &Settings) -> Result<Templates, AppError> {
    Templates::load(&settings.templates)
        .map_err(|errors| AppError::Templates(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  ")))
}

impl App {
    /// Opens the ledger, reads the templates and binds the sockets. Zeebe and OpenFaaS may still be away.
    pub async fn build(settings: Settings) -> Result<Self, AppError> {
        let templates = load_templates(&settings)?;
        let ledger = Ledger::open(&settings.ledger)?;
        let callback = bind("callback.listen", settings.callback.listen).await?;
        let admin = bind("admin.listen", settings.admin).await?;
        let zeebe = Client::new(&zeebe_settings(&settings.zeebe))?;
        let gateway = Gateway::new(&settings.openfaas)?;
        let steps_stop = CancellationToken::new();
        let bridge = Bridge::new(
            settings.clone(),
            templates,
            zeebe.clone(),
            gateway,
            ledger.clone(),
            Metrics::default(),
            steps_stop.clone(),
        )?;
        Ok(Self { bridge, settings, zeebe, ledger, callback, admin, steps_stop })
    }

    /// The steps, which go on to be reached while it runs.
    pub const fn bridge(&self) -> &Bridge {
        &self.bridge
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
        let Self { bridge, settings, zeebe, ledger, callback, admin, steps_stop } = self;
        log_start(&settings, &callback, &admin);
        let mut parts = Parts::default();
        let mut readiness = Readiness::default();
        let permits = take_up(&bridge, &settings.workers).await?;
        for (worker, permits) in settings.workers.iter().zip(permits) {
            let (sender, jobs) = mpsc::channel(worker.max_in_flight);
            let activation = activation(worker, &settings);
            let (activator, connection) = Activator::new(zeebe.clone(), activation, permits, sender, &stop);
            readiness.add_worker(worker.job_type.clone(), connection);
            parts.add("activation", activator.run());
            parts.add("the work on jobs", work(bridge.clone(), jobs));
        }
        let ledger_path = settings.ledger.clone();
        let listeners_stop = CancellationToken::new();
        let stop_listeners = listeners_stop.clone();
        let shown =
            Admin { bridge: bridge.clone(), ledger, ledger_path, readiness: readiness.clone(), stop: stop_listeners };
        let listeners = TaskTracker::new();
        let options = |name, tls| listener::Options {
            name,
            limits: settings.limits.clone(),
            tls,
            metrics: bridge.metrics().clone(),
        };
        listeners.spawn(serve(admin, admin::router(shown), options("admin", None), listeners_stop.clone()));
        let functions = callback::router(bridge.clone()).merge(progress::router(bridge.clone()));
        let tls = settings.callback.tls.clone();
        listeners.spawn(serve(callback, functions, options("callback", tls), listeners_stop.clone()));
        parts.add("the watch on files", reload::watch(settings.reloaded()));
        parts.add("delivery", bridge.clone().deliver_backlog());
        parts.add("the delivery for other replicas", bridge.clone().deliver_kept());
        parts.add("the word to other replicas", bridge.clone().tell_owners());
        parts.add("the watch on silent calls", bridge.clone().watch_silence());
        parts.add("the hold on open jobs", bridge.clone().hold_jobs());
        parts.add("the watch on deadlines", bridge.clone().watch_deadlines());
        parts.add("the removal of old calls", bridge.clone().forget_old_calls());

        let why = tokio::select! {
            () = stop.cancelled() => Ok(()),
            name = parts.first_to_end() => if stop.is_cancelled() { Ok(()) } else { Err(AppError::Part(name)) },
        };
        stop.cancel();
        readiness.stopping();
        drain(&bridge, settings.drain_timeout).await;
        // A callback that is being answered is finished: it is never repeated.
        listeners_stop.cancel();
        listeners.close();
        if tokio::time::timeout(settings.callback.read_timeout, listeners.wait()).await.is_err() {
            tracing::warn!("requests were still arriving; their calls are asked about at the next start");
        }
        steps_stop.cancel();
        parts.0.shutdown().await;
        why
    }
}

/// What was under way when the last process ended, and each worker's permits. Before the first job: what only reads would
/// fail beside a change that a full disk ends.
async fn take_up(bridge: &Bridge, workers: &[Worker]) -> Result<Vec<Arc<Semaphore>>, LedgerError> {
    let mut all = Vec::with_capacity(workers.len());
    for worker in workers {
        let permits = Arc::new(Semaphore::new(worker.max_in_flight));
        bridge.resume(&worker.job_type, &permits).await?;
        all.push(permits);
    }
    bridge.ask_about_the_past().await?;
    bridge.hold_again().await?;
    Ok(all)
}

/// The long-lived parts; none may end before it is told to.
#[derive(Default)]
struct Parts(JoinSet<&'static str>);

impl Parts {
    fn add(&mut self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(async move {
            work.await;
            name
        });
    }

    async fn first_to_end(&mut self) -> &'static str {
        match self.0.join_next().await {
            Some(Ok(name)) => name,
            Some(Err(error)) => {
                tracing::error!(%error, "a part broke off");
                "a part"
            }
            None => "everything",
        }
    }
}

/// Begins the work on each job; the permits bound how much there is.
async fn work(bridge: Bridge, mut jobs: mpsc::Receiver<Activated>) {
    while let Some(Activated { job, permit }) = jobs.recv().await {
        bridge.work(job, permit);
    }
}

fn activation(worker: &Worker, settings: &Settings) -> activate::Settings {
    activate::Settings {
        query: JobQuery {
            job_type: worker.job_type.clone(),
            worker: WORKER_NAME.to_owned(),
            lock: worker.lock,
            variables: Vec::new(),
            tenants: settings.zeebe.tenants.clone(),
        },
        stream: worker.stream,
        poll_interval: worker.poll_interval,
        long_poll: LONG_POLL.min(settings.zeebe.request_timeout),
    }
}

async fn bind(key: &'static str, address: SocketAddr) -> Result<TcpListener, AppError> {
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

async fn drain(bridge: &Bridge, timeout: Duration) {
    if tokio::time::timeout(timeout, bridge.drained()).await.is_err() {
        tracing::warn!(?timeout, "steps were still under way; the next start takes them up");
    }
    let some: Vec<_> = bridge.some_in_flight(SHOWN_IN_FLIGHT).iter().map(ToString::to_string).collect();
    tracing::info!(
        in_flight = bridge.calls_in_flight(),
        calls = some.join(" "),
        "stopped; calls in flight go on and are taken up at the next start"
    );
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
