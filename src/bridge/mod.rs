//! A job's way to its function and back. Each step has a file and knows no other; `outbound` and `inbound` join them.
//!
//! [`activate`] → [`prepare`] (with [`task`] and [`render`]) → [`submit`] → … → [`callback`] → [`deliver`]; where no
//! callback tells, [`ask`] and [`deadline`].

pub mod activate;
pub mod ask;
pub mod callback;
pub mod deadline;
pub mod deliver;
pub mod in_flight;
mod inbound;
mod outbound;
pub mod outcome;
pub mod prepare;
pub mod render;
pub mod submit;
pub mod task;
pub mod token;
pub mod turns;

use crate::{
    config::Settings,
    ledger::{Ledger, LedgerError},
    metrics::Metrics,
    openfaas::Gateway,
    zeebe::{Client, Job},
};
use ask::{Insistence, Questions};
use deadline::Deadlines;
use deliver::{Deliveries, Publisher};
use in_flight::InFlight;
use render::Templates;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use turns::Turns;

/// Neither the ledger nor Zeebe can take an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotTaken;

/// The steps and what they share. Cheap to clone.
#[derive(Clone)]
pub struct Bridge(Arc<Parts>);

struct Parts {
    settings: Settings,
    templates: Templates,
    zeebe: Client,
    gateway: Gateway,
    ledger: Ledger,
    publisher: Publisher,
    deliveries: Deliveries,
    questions: Option<Questions>,
    deadlines: Deadlines,
    in_flight: InFlight,
    callback_room: Semaphore,
    turns: Turns,
    metrics: Metrics,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Bridge {
    /// Joins the parts. Nothing is begun before [`Bridge::resume`] and the loops of the application.
    pub fn new(
        settings: Settings,
        templates: Templates,
        zeebe: Client,
        gateway: Gateway,
        ledger: Ledger,
        metrics: Metrics,
        stop: CancellationToken,
    ) -> Self {
        let calls = &settings.calls;
        let questions = settings
            .keys
            .runner
            .clone()
            .map(|secret| Questions::new(gateway.clone(), ledger.clone(), secret, calls.ask_interval, calls.grace));
        Self(Arc::new(Parts {
            publisher: Publisher::new(zeebe.clone(), calls.message_ttl),
            deliveries: Deliveries::new(calls.max_deliveries),
            questions,
            deadlines: Deadlines::new(calls.grace),
            in_flight: InFlight::default(),
            callback_room: Semaphore::new(settings.callback.max_concurrent),
            turns: Turns::default(),
            tasks: TaskTracker::new(),
            settings,
            templates,
            zeebe,
            gateway,
            ledger,
            metrics,
            stop,
        }))
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The figures.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Room for callbacks that are worked at once.
    fn callback_room(&self) -> &Semaphore {
        &self.0.callback_room
    }

    /// Turns for callbacks of the same call.
    fn turns(&self) -> &Turns {
        &self.0.turns
    }

    /// How many calls are in flight.
    pub fn calls_in_flight(&self) -> usize {
        self.0.in_flight.len()
    }

    /// Waits until the steps under way have ended. New ones must not begin any more.
    pub async fn drained(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// Counts the calls that were in flight when the last process ended, against the limit of their job type.
    pub async fn resume(&self, job_type: &str, limit: &Arc<Semaphore>) -> Result<(), LedgerError> {
        for id in self.0.ledger.in_flight(job_type.to_owned()).await? {
            self.0.in_flight.resume(id, limit);
        }
        Ok(())
    }

    /// Asks the runners about everything that was submitted before this process began: a callback that came
    /// meanwhile is lost.
    pub async fn ask_about_the_past(&self) -> Result<(), LedgerError> {
        for (call, asking) in self.0.ledger.askable().await? {
            self.ask(call, if asking { Insistence::UntilEnded } else { Insistence::UntilAnswered });
        }
        Ok(())
    }

    /// Begins to work a job; the permit is kept until Zeebe has the call's outcome.
    pub fn work(&self, job: Job, permit: OwnedSemaphorePermit) {
        let bridge = self.clone();
        self.0.tasks.spawn(async move { bridge.begin(&job, permit).await });
    }
}

/// For facts that are found out again after a restart: losing one costs a repetition, never an outcome.
fn log_failure(result: Result<(), LedgerError>) {
    if let Err(error) = result {
        tracing::error!(%error, "a fact could not be written down");
    }
}
