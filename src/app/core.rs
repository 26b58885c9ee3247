//! The bridge without its sockets: its long-lived parts, begun, and ended in good order.

use super::{AppError, load_templates};
use crate::{
    admin::{self, Admin, Readiness},
    bridge::{
        Bridge, Peers,
        activate::{self, Activated, Activator},
        callback, progress,
    },
    config::{Settings, Worker},
    ledger::{Ledger, LedgerError},
    metrics::Metrics,
    traces::Traces,
    zeebe::{Client, JobQuery},
};
use axum::Router;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// The worker's name that Zeebe shows. The same for all replicas, so that Zeebe joins their streams.
const WORKER_NAME: &str = "zeebe2faas";
/// How long a poll waits in Zeebe for a job where nothing is streamed.
const LONG_POLL: Duration = Duration::from_secs(10);

/// How long a stop waits for traces that are not exported yet.
const LAST_EXPORT: Duration = Duration::from_secs(2);

/// How many calls in flight are named when the bridge stops.
const SHOWN_IN_FLIGHT: usize = 20;

/// A bridge that somebody else listens for.
pub struct Core {
    pub(super) bridge: Bridge,
    pub(super) parts: Parts,
    zeebe: Client,
    steps_stop: CancellationToken,
}

/// What is to be listened for.
pub struct Routes {
    /// What functions and other replicas call.
    pub callback: Router,
    /// What people and machines of the site call.
    pub admin: Router,
}

impl Core {
    /// Reads the templates and joins the parts. Must be called inside a Tokio runtime.
    pub fn new(settings: Settings, peers: Peers, ledger: Ledger) -> Result<Self, AppError> {
        let templates = load_templates(&settings)?;
        let (zeebe, steps_stop) = (peers.zeebe.clone(), CancellationToken::new());
        let metrics = Metrics::new(zeebe.retries(), ledger.commits());
        let mut parts = Parts::default();
        let traces = match &settings.traces {
            None => Traces::default(),
            Some(known) => {
                let (traces, exporter) = Traces::new(known, &settings.replica, ledger.clone(), metrics.clone())?;
                parts.add("the export of traces", exporter.run());
                traces
            }
        };
        let bridge = Bridge::new(settings, templates, peers, ledger, (metrics, traces), steps_stop.clone());
        Ok(Self { bridge, parts, zeebe, steps_stop })
    }

    /// The steps, and what they are doing.
    pub fn bridge(&self) -> &Bridge {
        &self.bridge
    }

    /// Cancelled, it ends what was begun beside the parts, as the end of the process does: for simulations of a crash.
    #[doc(hidden)]
    pub fn steps(&self) -> CancellationToken {
        self.steps_stop.clone()
    }

    pub(super) fn settings(&self) -> &Settings {
        self.bridge.settings()
    }

    /// Works until `stop`, then takes no new job, lets steps under way finish within the drain timeout, and says what
    /// is still in flight. `listen` takes requests until it is told to stop and has answered what it had taken.
    pub async fn run<L>(
        self,
        stop: CancellationToken,
        listen: impl FnOnce(Routes, CancellationToken) -> L,
    ) -> Result<(), AppError>
    where
        L: Future<Output = ()> + Send + 'static,
    {
        let Self { bridge, mut parts, zeebe, steps_stop } = self;
        let settings = bridge.settings();
        let mut readiness = Readiness::default();
        let permits = take_up(&bridge, &settings.workers).await?;
        for (worker, permits) in settings.workers.iter().zip(permits) {
            let (sender, jobs) = mpsc::channel(worker.max_in_flight);
            let activation = activation(worker, settings);
            let (activator, connection) = Activator::new(zeebe.clone(), activation, permits, sender, &stop);
            readiness.add_worker(worker.job_type.clone(), connection);
            parts.add("activation", activator.run());
            parts.add("the work on jobs", work(bridge.clone(), jobs));
        }
        let listeners_stop = CancellationToken::new();
        let shown = Admin {
            bridge: bridge.clone(),
            ledger_path: settings.ledger.clone(),
            readiness: readiness.clone(),
            stop: listeners_stop.clone(),
        };
        let routes = Routes {
            callback: callback::router(bridge.clone()).merge(progress::router(bridge.clone())),
            admin: admin::router(shown),
        };
        let listening = tokio::spawn(listen(routes, listeners_stop.clone()));
        parts.add("delivery", bridge.clone().deliver_backlog());
        parts.add("the delivery for other replicas", bridge.clone().deliver_kept());
        parts.add("the word to other replicas", bridge.clone().tell_owners());
        parts.add("the watch on silent calls", bridge.clone().watch_silence());
        parts.add("the hold on open jobs", bridge.clone().hold_jobs());
        parts.add("the watch on deadlines", bridge.clone().watch_deadlines());
        if bridge.has_cluster() {
            parts.add("the watch on Jobs", bridge.clone().watch_jobs());
        }
        parts.add("the removal of old calls", bridge.clone().forget_old_calls());

        let why = tokio::select! {
            biased;
            () = stop.cancelled() => Ok(()),
            name = parts.first_to_end() => if stop.is_cancelled() { Ok(()) } else { Err(AppError::Part(name)) },
        };
        stop.cancel();
        readiness.stopping();
        drain(&bridge, settings.drain_timeout).await;
        // A callback that is being answered is finished: it is never repeated.
        listeners_stop.cancel();
        if tokio::time::timeout(settings.callback.read_timeout, listening).await.is_err() {
            tracing::warn!("requests were still arriving; their calls are asked about at the next start");
        }
        bridge.traces().exported(LAST_EXPORT).await;
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
pub(super) struct Parts(JoinSet<&'static str>);

impl Parts {
    pub(super) fn add(&mut self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
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
