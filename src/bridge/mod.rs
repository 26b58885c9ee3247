//! A job's way to its function and back. Each step has a file; only this one joins them.
//!
//! [`activate`] → [`prepare`] (with [`task`] and [`render`]) → [`submit`] → … → [`callback`] → [`deliver`]; where no
//! callback tells, [`ask`] and [`deadline`].

pub mod activate;
pub mod ask;
pub mod callback;
pub mod deadline;
pub mod deliver;
pub mod in_flight;
pub mod outcome;
pub mod prepare;
pub mod render;
pub mod submit;
pub mod task;
pub mod token;

use crate::{
    clock::{millis, now_ms},
    config::Settings,
    ledger::{Acceptance, Closing, Fixed, Ledger, LedgerError, NewCall, Pending},
    metrics::Metrics,
    openfaas::Gateway,
    zeebe::{Client, Error as ZeebeError, FailJob, Job, Retry},
};
use ask::{Insistence, Questions};
use deadline::Deadlines;
use deliver::{Deliveries, Publisher, Slot};
use in_flight::InFlight;
use outcome::{Callback, Outcome, Status, Verdict};
use prepare::{TOKEN_GRACE, TRY_VARIABLE};
use render::Templates;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use submit::{Ready, Submitted};
use token::Claims;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long one command to Zeebe is tried before the job's own lock takes over.
const COMMAND_PATIENCE: Duration = Duration::from_secs(30);
/// How long a callback waits for Zeebe when the ledger cannot take it.
const DIRECT_PATIENCE: Duration = Duration::from_secs(10);
/// Pause before an outcome that Zeebe refused for good is offered again: a person may have mended the cause.
const REFUSED_PAUSE: Duration = Duration::from_secs(60);
/// The part of the lock after which no new submission is begun.
const FRESH_PART: f64 = 0.6;
/// Pause after a failure of the ledger.
const LEDGER_PAUSE: Duration = Duration::from_secs(1);
/// Rows forgotten at once, and how often.
const FORGET_BATCH: usize = 1000;
const FORGET_INTERVAL: Duration = Duration::from_secs(600);

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
            self.ask(call, if asking { Insistence::UntilEnded } else { Insistence::Once });
        }
        Ok(())
    }

    /// Begins to work a job; the permit is kept until Zeebe has the call's outcome.
    pub fn work(&self, job: Job, permit: OwnedSemaphorePermit) {
        let bridge = self.clone();
        self.0.tasks.spawn(async move { bridge.begin(&job, permit).await });
    }

    async fn begin(&self, job: &Job, permit: OwnedSemaphorePermit) {
        let Parts { settings, templates, ledger, .. } = &*self.0;
        self.0.metrics.activated(&job.job_type);
        let prepared = match prepare::prepare(job, templates, settings, now_ms()) {
            Ok(prepared) => prepared,
            Err(mistake) => return self.raise_incident(job, mistake).await,
        };
        let call = prepared.call.clone();
        match ledger.accept(prepared.call).await {
            Ok(Acceptance::Submit { command, queued_before }) => {
                self.0.in_flight.hold(call.id.clone(), permit);
                self.0.deadlines.add(command.deadline_ms);
                let plan = Plan { call, command, queued_before, body: prepared.body, resubmit: prepared.resubmit };
                self.submit(job, plan).await;
            }
            Ok(Acceptance::OnlyComplete) => self.complete(job, &call).await,
            Ok(Acceptance::Foreign) => self.refuse_foreign(job).await,
            // Not submitted and not failed: the lock ends, and Zeebe hands the job out again.
            Err(error) => tracing::error!(job = job.key, %error, "the call could not be written down; not submitted"),
        }
    }

    async fn submit(&self, job: &Job, plan: Plan) {
        let Parts { settings, gateway, ledger, .. } = &*self.0;
        let Plan { call, command, queued_before, body, resubmit } = plan;
        if queued_before && !resubmit {
            tracing::warn!(call = %call.id, "may have been submitted before a crash; waiting for callback or deadline");
            return self.submitted(job, &call).await;
        }
        let ready = match self.ready(&call, &command, body) {
            Ok(ready) => ready,
            Err(mistake) => return self.give_up(job, &call, queued_before, mistake).await,
        };
        if !queued_before && gateway.functions(&call.function).await.lacks(&call.function) {
            let mistake = format!("OpenFaaS has no function `{}`; deploy it (stack.yml), then retry", call.function);
            return self.give_up(job, &call, queued_before, mistake).await;
        }
        let lock_ms = millis(self.lock(&call.job_type).mul_f64(1.0 - FRESH_PART));
        let fresh_until_ms = u64::try_from(job.deadline_ms).unwrap_or(0).saturating_sub(lock_ms);
        match ready.send(gateway, resubmit, queued_before, fresh_until_ms).await {
            Submitted::Queued => self.submitted(job, &call).await,
            Submitted::Never(reason) => self.give_up(job, &call, queued_before, reason).await,
            Submitted::NotNow(reason) => {
                self.0.metrics.submission(&call.function, "refused");
                log_failure(ledger.nothing_queued(call.id.clone()).await);
                let retries = job.retries.saturating_sub(1);
                tracing::warn!(call = %call.id, job = job.key, retries, reason, "OpenFaaS did not take the call");
                let fail = FailJob {
                    key: job.key,
                    retries,
                    back_off: settings.calls.retry_backoff,
                    message: format!("{}: {reason}", call.function),
                    variables: Value::Null,
                };
                self.fail(&fail).await;
                self.0.in_flight.release(&call.id);
            }
        }
    }

    fn ready<'a>(
        &self,
        call: &'a NewCall,
        command: &Fixed,
        body: crate::config::BodyFormat,
    ) -> Result<Ready<'a>, String> {
        let Settings { keys, callback, replica, openfaas, .. } = &self.0.settings;
        let claims = Claims::new(
            Pending {
                id: call.id.clone(),
                function: call.function.clone(),
                run_once: call.run_once,
                message: call.message.clone(),
                result: call.result.clone(),
                tenant: call.tenant.clone(),
                deadline_ms: command.deadline_ms,
            },
            call.job_key,
            replica.clone(),
            command.deadline_ms.saturating_add(millis(TOKEN_GRACE)),
        );
        let token = claims.seal(&keys.token).map_err(|error| error.to_string())?;
        let url = format!("{}/callback/{token}", callback.url);
        Ready::new(&call.function, &call.id, command, body, keys.runner.as_ref(), openfaas.body_limit_bytes, url)
    }

    /// OpenFaaS has the call: the service task is done, and the receive task waits.
    async fn submitted(&self, job: &Job, call: &NewCall) {
        self.0.metrics.submission(&call.function, "queued");
        tracing::info!(
            call = %call.id, function = call.function, job = job.key, instance = job.process_instance_key,
            element = job.element_id, "submitted"
        );
        let written = self.0.ledger.submitted(call.id.clone(), now_ms());
        let ((), written) = tokio::join!(self.complete(job, call), written);
        log_failure(written);
    }

    async fn complete(&self, job: &Job, call: &NewCall) {
        let variables = json!({ call.result.as_str(): { "callId": call.id, "status": "submitted" } });
        match self.0.zeebe.complete_job(job.key, &variables, Retry::within(COMMAND_PATIENCE)).await {
            Ok(()) => log_failure(self.0.ledger.job_closed(call.id.clone()).await),
            // Completed already, or cancelled: the call goes on and its outcome is published all the same.
            Err(ZeebeError::NotFound { .. }) => log_failure(self.0.ledger.job_closed(call.id.clone()).await),
            Err(error) => tracing::warn!(call = %call.id, %error, "the job is still open; its lock ends it"),
        }
    }

    /// A request that will never be taken as it is: an incident, and a new call once somebody has mended it.
    async fn give_up(&self, job: &Job, call: &NewCall, queued_before: bool, mistake: String) {
        self.0.metrics.submission(&call.function, "refused");
        if queued_before {
            tracing::warn!(call = %call.id, mistake, "cannot be submitted again, but may be queued since before a crash");
            return self.submitted(job, call).await;
        }
        log_failure(self.0.ledger.nothing_queued(call.id.clone()).await);
        tracing::error!(call = %call.id, job = job.key, element = job.element_id, mistake, "not submitted");
        let fail = FailJob {
            key: job.key,
            retries: 0,
            back_off: Duration::ZERO,
            message: mistake,
            variables: json!({ TRY_VARIABLE: call.attempt + 1 }),
        };
        self.fail(&fail).await;
        self.0.in_flight.release(&call.id);
    }

    async fn raise_incident(&self, job: &Job, mistake: String) {
        tracing::error!(
            job = job.key,
            element = job.element_id,
            instance = job.process_instance_key,
            mistake,
            "not submitted"
        );
        let back_off = Duration::ZERO;
        let fail = FailJob { key: job.key, retries: 0, back_off, message: mistake, variables: Value::Null };
        self.fail(&fail).await;
    }

    async fn refuse_foreign(&self, job: &Job) {
        let mistake = format!(
            "the ledger knows job {} from another process instance, or as done: this is another Zeebe than before. \
             Set `cluster` to a new name, or give the bridge a ledger of its own",
            job.key
        );
        self.raise_incident(job, mistake).await;
    }

    async fn fail(&self, fail: &FailJob) {
        match self.0.zeebe.fail_job(fail, Retry::within(COMMAND_PATIENCE)).await {
            Ok(()) | Err(ZeebeError::NotFound { .. }) => {}
            Err(error) => tracing::warn!(job = fail.key, %error, "the job is still open; its lock ends it"),
        }
    }

    fn lock(&self, job_type: &str) -> Duration {
        let workers = &self.0.settings.workers;
        workers.iter().find(|worker| worker.job_type == job_type).map_or(Duration::ZERO, |worker| worker.lock)
    }

    /// A genuine callback: decides what it means and keeps it. The answer may be sent when this returns.
    pub async fn receive(&self, call: Pending, callback: &Callback<'_>) -> Result<(), NotTaken> {
        let verdict = match (&self.0.settings.keys.runner, call.run_once) {
            (Some(secret), true) => {
                outcome::of_runner(&call.id, &call.function, callback, &secret.for_function(&call.function))
            }
            (None, true) => Verdict::Provisional("keys.runner_file is not set, so no report can be checked"),
            (_, false) => outcome::of_function(&call.id, &call.function, callback),
        };
        match verdict {
            Verdict::Final(outcome) => {
                self.0.metrics.callback("final");
                self.conclude(call, &outcome).await
            }
            Verdict::Provisional(why) => {
                self.0.metrics.callback("provisional");
                self.doubt(call, why).await
            }
            Verdict::UnknownFunction => {
                self.0.metrics.callback("provisional");
                if !self.0.gateway.functions(&call.function).await.lacks(&call.function) {
                    return self.doubt(call, "404, but the gateway does not say that there is no such function").await;
                }
                let message = format!("OpenFaaS has no function `{}`; deploy it (stack.yml)", call.function);
                let Pending { id, function, .. } = call.clone();
                self.conclude(call, &Outcome::plain(id, function, Status::Refused, message, false)).await
            }
        }
    }

    /// Nothing is certain: a guarded call is asked about until it is; any other waits for its deadline.
    async fn doubt(&self, call: Pending, why: &str) -> Result<(), NotTaken> {
        tracing::info!(call = %call.id, function = call.function, why, "a callback that settles nothing");
        if call.run_once {
            log_failure(self.0.ledger.asking(call.id.clone()).await);
            self.ask(call, Insistence::UntilEnded);
        }
        Ok(())
    }

    fn ask(&self, call: Pending, insistence: Insistence) {
        let Some(questions) = self.0.questions.clone() else { return };
        let bridge = self.clone();
        // Not counted among the steps that a stop waits for: the next start asks again.
        tokio::spawn(self.0.stop.clone().run_until_cancelled_owned(async move {
            if let Some(outcome) = questions.ask(&call, insistence).await
                && bridge.conclude(call, &outcome).await.is_err()
            {
                tracing::error!("an outcome could be kept nowhere; the runner is asked again at the deadline");
            }
        }));
    }

    /// Keeps the outcome of a call and sees to its delivery.
    async fn conclude(&self, call: Pending, outcome: &Outcome) -> Result<(), NotTaken> {
        let Ok(json) = serde_json::to_string(outcome) else { return Err(NotTaken) };
        match self.0.ledger.end(call.id.clone(), json.clone(), now_ms()).await {
            Ok(Closing::First) => {
                self.0.metrics.outcome(&call.function, outcome);
                tracing::info!(
                    call = %call.id, function = call.function, status = outcome.status.as_str(),
                    message = outcome.message, "ended"
                );
                if let Some(slot) = self.0.deliveries.try_begin(&call.id) {
                    self.deliver(slot, call, json);
                }
                Ok(())
            }
            Ok(Closing::Late) => Ok(()),
            Ok(Closing::NoRow) => self.deliver_now(&call, &json).await,
            Err(error) => {
                tracing::error!(call = %call.id, %error, "the ledger cannot take the outcome; delivering it first");
                self.deliver_now(&call, &json).await
            }
        }
    }

    /// Without the ledger an outcome is safe only once Zeebe has it.
    async fn deliver_now(&self, call: &Pending, json: &str) -> Result<(), NotTaken> {
        self.0.publisher.publish(call, json, Retry::within(DIRECT_PATIENCE)).await.map_err(|error| {
            tracing::error!(call = %call.id, %error, "an outcome could not be delivered");
            NotTaken
        })?;
        self.0.in_flight.release(&call.id);
        Ok(())
    }

    fn deliver(&self, slot: Slot, call: Pending, json: String) {
        let bridge = self.clone();
        tokio::spawn(self.0.stop.clone().run_until_cancelled_owned(async move {
            match bridge.0.publisher.publish(&call, &json, Retry::Forever).await {
                Ok(()) => bridge.delivered(slot, &call).await,
                Err(error) => {
                    tracing::error!(call = %call.id, %error, again_in = ?REFUSED_PAUSE, "Zeebe refuses the outcome");
                    slot.rest(REFUSED_PAUSE).await;
                }
            }
        }));
    }

    async fn delivered(&self, slot: Slot, call: &Pending) {
        let now_ms = now_ms();
        let keep_until_ms = now_ms + millis(self.0.settings.calls.message_ttl);
        // Should this be lost, the outcome is published again under the same message id.
        log_failure(self.0.ledger.delivered(call.id.clone(), now_ms, keep_until_ms).await);
        self.0.in_flight.release(&call.id);
        drop(slot);
    }

    /// Delivers what the ledger holds for Zeebe and nobody has begun to deliver, until stopped.
    pub async fn deliver_backlog(self) {
        let Parts { ledger, deliveries, settings, .. } = &*self.0;
        loop {
            match ledger.undelivered(settings.calls.max_deliveries + deliveries.under_way()).await {
                Ok(waiting) => {
                    for (call, json) in waiting {
                        if let Some(slot) = deliveries.try_begin(&call.id) {
                            self.deliver(slot, call, json);
                        }
                    }
                    deliveries.wanted().await;
                }
                Err(error) => {
                    tracing::error!(%error, "the ledger does not tell what is to be delivered");
                    tokio::time::sleep(LEDGER_PAUSE).await;
                }
            }
        }
    }

    /// Ends calls whose time is up, until stopped.
    pub async fn watch_deadlines(self) {
        loop {
            let overdue = match self.0.deadlines.overdue(&self.0.ledger).await {
                Ok(overdue) => overdue,
                Err(error) => {
                    tracing::error!(%error, "the ledger does not tell which calls are overdue");
                    tokio::time::sleep(LEDGER_PAUSE).await;
                    continue;
                }
            };
            let concluded = overdue.into_iter().map(|call| self.time_out(call));
            futures_util::future::join_all(concluded).await;
        }
    }

    /// The runner has the last word, if it can be had.
    async fn time_out(&self, call: Pending) {
        let reported = match &self.0.questions {
            Some(questions) if call.run_once => questions.ask(&call, Insistence::Once).await,
            _ => None,
        };
        let outcome = reported.unwrap_or_else(|| deadline::timed_out(&call));
        if self.conclude(call, &outcome).await.is_err() {
            tokio::time::sleep(LEDGER_PAUSE).await;
        }
    }

    /// Removes rows that nothing can ask for any more, until stopped.
    pub async fn forget_old_calls(self) {
        loop {
            match self.0.ledger.forget(now_ms(), FORGET_BATCH).await {
                Ok(FORGET_BATCH) => continue,
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "old calls cannot be removed from the ledger"),
            }
            tokio::time::sleep(FORGET_INTERVAL).await;
        }
    }
}

/// A call that the ledger has, and how to submit it.
struct Plan {
    call: NewCall,
    command: Fixed,
    queued_before: bool,
    body: crate::config::BodyFormat,
    resubmit: bool,
}

/// For facts that are found out again after a restart: losing one costs a repetition, never an outcome.
fn log_failure(result: Result<(), LedgerError>) {
    if let Err(error) = result {
        tracing::error!(%error, "a fact could not be written down");
    }
}
