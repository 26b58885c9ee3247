//! A job's way to its function and back. Each step has a file and knows no other; `outbound` and `inbound` join them.
//!
//! [`activate`] → [`prepare`] (with [`task`] and [`render`]) → [`submit`] → … → [`callback`] → [`deliver`] (with
//! [`reply`]), or to the replica that owns the call (`hand_over`); what a callback means says `judge`. [`hold`] keeps a
//! job that stays open; where no callback tells, [`ask`] and [`deadline`]. Meanwhile [`progress`] comes in, and [`events`]
//! go out to whoever watches. A task with the header `throw` makes no call: [`throw`]. What a person does with a call:
//! [`recovery`]. Callbacks without a ledger: [`relay`].

pub mod activate;
pub mod ask;
mod body;
pub mod callback;
mod cancel;
pub mod classify;
mod context;
pub mod deadline;
pub mod deliver;
pub mod events;
mod hand_over;
mod handed_on;
pub mod hold;
pub mod in_flight;
mod inbound;
mod job_watch;
mod jobs;
mod judge;
mod outbound;
pub mod outcome;
mod pause;
pub mod prepare;
pub mod probe;
pub mod progress;
pub mod recovery;
pub mod relay;
pub mod render;
pub(crate) mod replicas;
pub mod reply;
pub mod running;
pub mod submit;
pub mod task;
pub mod throw;
pub mod token;
pub mod turns;

use crate::{
    clock::{millis, now_ms},
    config::Settings,
    kubernetes::Cluster,
    ledger::{Ledger, LedgerError},
    metrics::Metrics,
    openfaas::Gateway,
    traces::Traces,
    transport::Transport,
    zeebe::{Client, Job},
};
use ask::{Insistence, Questions};
use deadline::Deadlines;
use deliver::{Deliveries, Messenger};
use events::{Change, Events};
use hold::Holds;
use in_flight::{Counts, InFlight, Load, Taken};
use judge::Judge;
use render::Templates;
use replicas::Replicas;
use running::Running;
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument, Span};
use turns::Turns;
use zeebe2faas_contract::{CallId, Progress};

/// A call counts as running this long after its last report of progress.
const HEARTBEAT_LASTS: Duration = Duration::from_secs(60);

/// Neither the ledger nor Zeebe can take an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotTaken;

/// Whom a bridge speaks to.
pub struct Peers {
    /// Zeebe's gateway.
    pub zeebe: Client,
    /// OpenFaaS's gateway.
    pub gateway: Gateway,
    /// The way to the other replicas.
    pub replicas: Transport,
    /// Where calls run as Kubernetes Jobs, if they may.
    pub cluster: Option<Cluster>,
}

/// The steps and what they share. Cheap to clone.
#[derive(Clone)]
pub struct Bridge(Arc<Parts>);

struct Parts {
    settings: Settings,
    templates: RwLock<Arc<Templates>>,
    zeebe: Client,
    gateway: Gateway,
    cluster: Option<Arc<Cluster>>,
    ledger: Ledger,
    judge: Judge,
    messenger: Messenger,
    deliveries: Deliveries,
    holds: Holds,
    questions: Option<Questions>,
    deadlines: Deadlines,
    in_flight: InFlight,
    replicas: Replicas,
    kept: Notify,
    callback_room: Semaphore,
    turns: Turns,
    handed_on_room: Semaphore,
    progress_room: Semaphore,
    events: Events,
    unwritten: Arc<Semaphore>,
    metrics: Metrics,
    traces: Traces,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Bridge {
    /// Joins the parts. Nothing is begun before [`Bridge::resume`] and the loops of the application.
    pub fn new(
        settings: Settings,
        templates: Templates,
        peers: Peers,
        ledger: Ledger,
        (metrics, traces): (Metrics, Traces),
        stop: CancellationToken,
    ) -> Self {
        let Peers { zeebe, gateway, replicas, cluster } = peers;
        let calls = &settings.calls;
        let questions = settings
            .keys
            .runner
            .clone()
            .map(|secret| Questions::new(gateway.clone(), ledger.clone(), secret, calls.ask_interval, calls.grace));
        Self(Arc::new(Parts {
            judge: Judge::new(gateway.clone(), settings.keys.runner.clone(), metrics.clone()),
            messenger: Messenger::new(zeebe.clone(), calls.message_ttl, calls.retry_backoff),
            holds: Holds::default(),
            deliveries: Deliveries::new(calls.max_deliveries),
            questions,
            deadlines: Deadlines::new(calls.grace),
            in_flight: InFlight::default(),
            replicas: Replicas::new(replicas, Some(&settings.replica), &settings.replicas, &settings.keys.token),
            kept: Notify::new(),
            callback_room: Semaphore::new(settings.callback.max_concurrent),
            turns: Turns::default(),
            handed_on_room: Semaphore::new(settings.callback.max_concurrent),
            progress_room: Semaphore::new(progress::MAX_AT_ONCE),
            events: Events::default(),
            unwritten: Arc::new(Semaphore::new(inbound::MAX_UNWRITTEN)),
            tasks: TaskTracker::new(),
            settings,
            templates: RwLock::new(Arc::new(templates)),
            zeebe,
            gateway,
            cluster: cluster.map(Arc::new),
            ledger,
            metrics,
            traces,
            stop,
        }))
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The templates that jobs are prepared with.
    fn templates(&self) -> Arc<Templates> {
        Arc::clone(&self.0.templates.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Prepares jobs with these from now on; a call that began keeps its command.
    pub fn use_templates(&self, templates: Templates) {
        *self.0.templates.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(templates);
    }

    /// The figures.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// The traces.
    pub fn traces(&self) -> &Traces {
        &self.0.traces
    }

    /// Room for callbacks that are worked at once.
    fn callback_room(&self) -> &Semaphore {
        &self.0.callback_room
    }

    /// Turns for callbacks of the same call.
    fn turns(&self) -> &Turns {
        &self.0.turns
    }

    /// Room for callbacks that other replicas hand on.
    fn handed_on_room(&self) -> &Semaphore {
        &self.0.handed_on_room
    }

    /// Room for reports of progress that are read at once.
    fn progress_room(&self) -> &Semaphore {
        &self.0.progress_room
    }

    /// Takes a genuine report of progress: keeps it in memory and tells it to whoever listens.
    fn report(&self, progress: Progress) -> Taken {
        let (call_id, function) = (progress.call_id.clone(), progress.function.clone());
        let running = Running::new(progress, now_ms());
        self.0.in_flight.report(&call_id, &function, &running, || {
            self.0.events.tell(&call_id, &function, || Change::Progress { progress: &running });
        })
    }

    /// How a call is doing; nothing where it does not run here, or its runner does not tell.
    pub fn running(&self, id: &CallId) -> Option<Running> {
        self.0.in_flight.running(id)
    }

    /// What the running calls need, by function.
    pub fn load(&self) -> BTreeMap<Box<str>, Load> {
        self.0.in_flight.load(now_ms().saturating_sub(millis(HEARTBEAT_LASTS)))
    }

    /// What changes of the calls.
    pub fn events(&self) -> &Events {
        &self.0.events
    }

    /// Whether calls may run as Kubernetes Jobs.
    pub fn has_cluster(&self) -> bool {
        self.0.cluster.is_some()
    }

    /// How many calls are in flight, and how they stand.
    pub fn counts(&self) -> Counts {
        self.0.in_flight.counts()
    }

    /// How many calls are in flight.
    pub fn calls_in_flight(&self) -> usize {
        self.0.in_flight.len()
    }

    /// Some of the calls in flight.
    pub fn some_in_flight(&self, limit: usize) -> Vec<CallId> {
        self.0.in_flight.some(limit)
    }

    /// Waits until the steps under way have ended. New ones must not begin any more.
    pub async fn drained(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// Counts the calls that were in flight when the last process ended, against the limit of their job type.
    pub async fn resume(&self, job_type: &str, limit: &Arc<Semaphore>) -> Result<(), LedgerError> {
        for (id, state) in self.0.ledger.in_flight(job_type.to_owned()).await? {
            self.0.in_flight.resume(id, state, limit);
        }
        Ok(())
    }

    /// Asks the runners about everything that was submitted before this process began: a callback that came
    /// meanwhile is lost. What is in flight must have been counted before.
    pub async fn ask_about_the_past(&self) -> Result<(), LedgerError> {
        for (call, asking) in self.0.ledger.askable().await? {
            self.0.in_flight.listen(&call.id, now_ms());
            self.ask(call, if asking { Insistence::UntilEnded } else { Insistence::UntilAnswered });
        }
        Ok(())
    }

    /// Goes on beside the steps until the bridge stops: the next start takes it up again.
    fn beside(&self, span: Span, work: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(self.0.stop.clone().run_until_cancelled_owned(work).instrument(span));
    }

    /// Begins to work a job; the permit is kept until Zeebe has the call's outcome.
    pub fn work(&self, job: Job, permit: OwnedSemaphorePermit) {
        let bridge = self.clone();
        let span = context::of_job(&job);
        self.0.tasks.spawn(async move { bridge.begin(&job, permit).await }.instrument(span));
    }
}

/// For facts that are found out again after a restart: losing one costs a repetition, never an outcome.
fn log_failure(result: Result<(), LedgerError>) {
    if let Err(error) = result {
        tracing::error!(%error, "a fact could not be written down");
    }
}
