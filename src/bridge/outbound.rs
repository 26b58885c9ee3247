//! The way out: a job is prepared, written down, submitted and completed.

use super::{
    Bridge, Parts, context,
    events::Change,
    jobs::{Order, Times},
    log_failure, pause,
    prepare::{self, Begun, CALL_VARIABLE, Prepared, TRY_VARIABLE},
    submit::{Ready, ReplyTo, Submitted},
    throw::{self, BpmnError},
    token::Claims,
};
use crate::{
    clock::{millis, now_ms},
    config::{BodyFormat, Settings},
    ledger::{Acceptance, BegunBy, Fixed, NewCall, Reply, State},
    reload::Reloaded,
    zeebe::{Error as ZeebeError, FailJob, Job, Retry},
};
use serde_json::{Map, Value, json};
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// How long one command to Zeebe is tried before the job's own lock takes over.
pub(super) const COMMAND_PATIENCE: Duration = Duration::from_secs(30);
/// When a job comes again whose last outcome was still on its way.
const SETTLING: Duration = Duration::from_secs(1);
/// The part of the lock after which no new submission is begun.
const FRESH_PART: f64 = 0.6;

/// A call that the ledger has, and how to submit it.
struct Plan {
    call: NewCall,
    command: Fixed,
    queued_before: bool,
    body: BodyFormat,
    resubmit: bool,
    order: Option<Order>,
}

impl Bridge {
    /// Boxed is what comes later or seldom: many jobs may wait here at once.
    pub(super) async fn begin(&self, job: &Job, permit: OwnedSemaphorePermit) {
        if let Some(left) = pause::left(job, now_ms()) {
            return Box::pin(self.pause(job, left)).await;
        }
        self.0.metrics.activated(&job.job_type);
        match throw::read(job) {
            Ok(None) => {}
            Ok(Some(error)) => return Box::pin(self.throw(job, &error)).await,
            Err(mistake) => return Box::pin(self.raise_incident(job, mistake)).await,
        }
        let prepared = match prepare::prepare(job, &self.templates(), &self.0.settings, now_ms()) {
            Ok(prepared) => prepared,
            Err(mistake) => return Box::pin(self.not_prepared(job, mistake)).await,
        };
        let _room = self.room_to_submit(&prepared.call).await;
        Box::pin(self.begin_prepared(job, prepared, permit)).await;
    }

    async fn begin_prepared(&self, job: &Job, prepared: Prepared, permit: OwnedSemaphorePermit) {
        let order = match self.order(&prepared) {
            Ok(order) => order,
            Err(mistake) => return self.not_prepared(job, mistake).await,
        };
        let call = prepared.call.clone();
        context::named(&call.id);
        // Held before the ledger is asked: the call may be known from before, and end at any moment.
        self.0.in_flight.hold(call.id.clone(), permit);
        match self.0.ledger.accept(prepared.call, prepared.begun_by).await {
            Ok(Acceptance::Submit { command, queued_before }) => {
                self.0.deadlines.add(command.deadline_ms);
                if !queued_before {
                    self.0.events.accepted(&call, command.deadline_ms);
                }
                let pending = (prepared.begun_by != BegunBy::Nobody).then(|| call.pending(command.deadline_ms));
                let (body, resubmit) = (prepared.body, prepared.resubmit);
                let plan = Plan { call, command, queued_before, body, resubmit, order };
                Box::pin(self.submit(job, plan)).await;
                if let Some(call) = pending {
                    self.take_up_kept(call).await;
                }
            }
            Ok(Acceptance::UnderWay { delivered }) => {
                if delivered {
                    self.0.in_flight.release(&call.id);
                }
                match call.reply {
                    Reply::Message(_) => self.complete(job, &call).await,
                    Reply::Job(_) => self.renew(call.id, job.key).await,
                }
            }
            Ok(Acceptance::Unsettled) => {
                self.0.in_flight.release(&call.id);
                self.give_back(job).await;
            }
            Ok(Acceptance::SetBack { attempt }) => {
                self.0.in_flight.release(&call.id);
                self.bring_forward(job, attempt).await;
            }
            Ok(Acceptance::Foreign) => {
                self.0.in_flight.release(&call.id);
                self.refuse_foreign(job).await;
            }
            // Not submitted and not failed: the lock ends, and Zeebe hands the job out again.
            Err(error) => {
                self.0.in_flight.release(&call.id);
                tracing::error!(job = job.key, %error, "the call could not be written down; not submitted");
            }
        }
    }

    async fn submit(&self, job: &Job, plan: Plan) {
        let Parts { gateway, ledger, .. } = &*self.0;
        let Plan { call, command, queued_before, body, resubmit, order } = plan;
        let once = call.run_once || call.as_job;
        // A changed template may have another executor now.
        if queued_before && (!resubmit || command.as_job != call.as_job) {
            tracing::warn!("may have been submitted before a crash; waiting for callback or deadline");
            return self.submitted(job, &call, command.deadline_ms).await;
        }
        let ready = match self.ready(&call, &command, body) {
            Ok(ready) => ready,
            Err(mistake) => return self.give_up(job, &call, command.deadline_ms, queued_before, mistake).await,
        };
        if !queued_before && order.is_none() && gateway.lacks(&call.function).await {
            let mistake = format!("OpenFaaS has no function `{}`; deploy it (stack.yml), then retry", call.function);
            return self.give_up(job, &call, command.deadline_ms, queued_before, mistake).await;
        }
        if call.reply.holds_job() && !self.tell_begun(job, &call, command.deadline_ms, "submitting").await {
            // The job comes again when its lock ends, unless the task is gone.
            if !queued_before {
                log_failure(ledger.nothing_queued(call.id.clone()).await);
            }
            self.0.in_flight.release(&call.id);
            return;
        }
        let lock_ms = millis(self.lock(&call.job_type).mul_f64(1.0 - FRESH_PART));
        let fresh_until_ms = u64::try_from(job.deadline_ms).unwrap_or(0).saturating_sub(lock_ms);
        let sent = match order {
            None => ready.send(gateway, resubmit, queued_before, fresh_until_ms).await,
            Some(order) => {
                let times = Times { deadline_ms: command.deadline_ms, fresh_until_ms };
                self.send_job(order, &call, &ready, times, queued_before).await
            }
        };
        match sent {
            Submitted::Queued => self.submitted(job, &call, command.deadline_ms).await,
            Submitted::Never(reason) => {
                // Whether there is a Job its cluster knows.
                let queued_before = queued_before && !call.as_job;
                self.give_up(job, &call, command.deadline_ms, queued_before, reason).await;
            }
            // Without a guard each further submission may be another run.
            Submitted::Unsure(reason) if !once => {
                tracing::warn!(reason, "may be queued; waiting for callback or deadline");
                self.submitted(job, &call, command.deadline_ms).await;
            }
            // Not completed and not failed: the job comes again when its lock ends, and the guard lets it run once.
            Submitted::Unsure(reason) => {
                self.0.metrics.submission(&call.function, "unknown");
                tracing::warn!(job = job.key, reason, "may be queued; submitted again with the job");
                self.0.in_flight.release(&call.id);
            }
            Submitted::NotNow(reason) => self.refused_now(job, &call, &reason).await,
        }
    }

    /// Certainly nothing is queued: one try less, and the same call again after a pause.
    async fn refused_now(&self, job: &Job, call: &NewCall, reason: &str) {
        self.0.metrics.submission(&call.function, "refused");
        log_failure(self.0.ledger.nothing_queued(call.id.clone()).await);
        let retries = job.retries.saturating_sub(1);
        tracing::warn!(job = job.key, retries, reason, "OpenFaaS did not take the call");
        let mut variables = Map::new();
        if call.reply.holds_job() {
            // Whoever is handed the job next must not take the call for one that is under way.
            variables.insert(CALL_VARIABLE.to_owned(), Value::Null);
        }
        pause::note(&mut variables, now_ms(), self.0.settings.calls.retry_backoff);
        let message = format!("{}: {reason}", call.function);
        let fail = FailJob { key: job.key, retries, message, variables: variables.into(), ..FailJob::default() };
        self.fail(&fail).await;
        self.0.in_flight.release(&call.id);
    }

    pub(super) fn ready<'a>(&self, call: &'a NewCall, command: &Fixed, body: BodyFormat) -> Result<Ready<'a>, String> {
        let Settings { keys, callback, calls, replica, openfaas, .. } = &self.0.settings;
        let claims = Claims::new(
            call.pending(command.deadline_ms),
            call.job_key,
            replica.clone(),
            command.deadline_ms.saturating_add(millis(calls.token_grace)),
        );
        let token = claims.seal(&keys.token.current()).map_err(|error| error.to_string())?;
        let reply_to = ReplyTo {
            callback_url: format!("{}/callback/{token}", callback.url),
            progress_url: Some(format!("{}/progress/{token}", callback.url)),
        };
        let secret = keys.runner.as_ref().map(Reloaded::current);
        Ready::new(&call.function, &call.id, command, body, secret.as_ref(), openfaas.body_limit_bytes, reply_to)
    }

    /// OpenFaaS has the call: the service task is done and the receive task waits, or the service task itself waits.
    async fn submitted(&self, job: &Job, call: &NewCall, deadline_ms: u64) {
        self.0.metrics.submission(&call.function, "queued");
        tracing::info!(function = call.function, job = job.key, "submitted");
        if call.run_once && !call.as_job {
            self.0.in_flight.listen(&call.id, now_ms());
        }
        let written = async {
            let written = self.0.ledger.submitted(call.id.clone(), now_ms()).await;
            self.0.in_flight.while_open(&call.id, || {
                self.0.events.tell(&call.id, &call.function, || Change::Submitted { state: State::Submitted });
            });
            written
        };
        let answered = async {
            match call.reply {
                Reply::Message(_) => self.complete(job, call).await,
                Reply::Job(_) => {
                    self.renew(call.id.clone(), job.key).await;
                    self.tell_begun(job, call, deadline_ms, "submitted").await;
                }
            }
        };
        let ((), written) = tokio::join!(answered, written);
        log_failure(written);
    }

    /// Keeps the call in Zeebe, beside its job; says whether that is so. It is not when the task is gone, or Zeebe is:
    /// then nothing is submitted, and the job comes again or not.
    async fn tell_begun(&self, job: &Job, call: &NewCall, deadline_ms: u64, state: &str) -> bool {
        let begun = Begun {
            call_id: call.id.clone(),
            attempt: call.attempt,
            owner: self.0.settings.replica.clone(),
            function: call.function.clone(),
            deadline_ms,
            state: state.to_owned(),
        };
        let variables = json!({ CALL_VARIABLE: begun });
        let patience = Retry::within(COMMAND_PATIENCE.min(self.lock(&job.job_type)));
        match self.0.zeebe.set_variables(job.element_instance_key, &variables, true, patience).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(job = job.key, state, %error, "Zeebe does not keep the call's state");
                false
            }
        }
    }

    async fn complete(&self, job: &Job, call: &NewCall) {
        match self.0.zeebe.complete_job(job.key, &prepare::submitted(call), Retry::within(COMMAND_PATIENCE)).await {
            Ok(()) => log_failure(self.0.ledger.job_closed(call.id.clone()).await),
            // Completed already, or cancelled: the call goes on and its outcome is published all the same.
            Err(ZeebeError::NotFound { .. }) => log_failure(self.0.ledger.job_closed(call.id.clone()).await),
            Err(error) => tracing::warn!(%error, "the job is still open; its lock ends it"),
        }
    }

    /// A request that will never be taken as it is: an incident, and a new call once somebody has mended it.
    async fn give_up(&self, job: &Job, call: &NewCall, deadline_ms: u64, queued_before: bool, mistake: String) {
        self.0.metrics.submission(&call.function, "refused");
        if queued_before {
            tracing::warn!(mistake, "cannot be submitted again, but may be queued since before a crash");
            return self.submitted(job, call, deadline_ms).await;
        }
        log_failure(self.0.ledger.nothing_queued(call.id.clone()).await);
        tracing::error!(job = job.key, mistake, "not submitted");
        let fail = FailJob {
            key: job.key,
            message: mistake,
            variables: json!({ TRY_VARIABLE: call.attempt + 1 }),
            ..FailJob::default()
        };
        self.fail(&fail).await;
        self.0.in_flight.release(&call.id);
    }

    /// An incident, unless the job's call is under way already: whatever has become of variables and templates since, its
    /// outcome still comes.
    async fn not_prepared(&self, job: &Job, mistake: String) {
        if let Some(id) = prepare::kept(job)
            && let Ok(Some(standing)) = self.0.ledger.standing(id.clone()).await
            && standing.waits_for(job.key)
        {
            context::named(&id);
            tracing::warn!(job = job.key, mistake, "could not be begun today; going on with its call");
            return self.renew(id, job.key).await;
        }
        self.raise_incident(job, mistake).await;
    }

    async fn raise_incident(&self, job: &Job, mistake: String) {
        tracing::error!(job = job.key, mistake, "not submitted");
        self.fail(&FailJob { key: job.key, message: mistake, ..FailJob::default() }).await;
    }

    async fn throw(&self, job: &Job, error: &BpmnError) {
        let BpmnError { code, message, variables } = error;
        tracing::info!(job = job.key, code, reason = message, "thrown");
        let patience = Retry::within(COMMAND_PATIENCE);
        match self.0.zeebe.throw_error(job.key, code, message, variables, patience).await {
            Ok(()) | Err(ZeebeError::NotFound { .. }) => {}
            Err(error) => tracing::warn!(job = job.key, %error, "the job is still open; its lock ends it"),
        }
    }

    async fn refuse_foreign(&self, job: &Job) {
        let mistake = format!(
            "the ledger knows job {} from another process instance, or as done: this is another Zeebe than before. \
             Set `cluster` to a new name, or give the bridge a ledger of its own",
            job.key
        );
        self.raise_incident(job, mistake).await;
    }

    /// Zeebe hands it out again in a moment.
    async fn give_back(&self, job: &Job) {
        tracing::info!(job = job.key, "given back: the outcome of its last try is on its way to Zeebe");
        self.pause(job, SETTLING).await;
    }

    /// Zeebe hands it out again at once, with all its retries, as the try that it had come to.
    async fn bring_forward(&self, job: &Job, attempt: u32) {
        tracing::warn!(job = job.key, attempt, "set back by an outcome of long ago; going on where it was");
        let message = format!("given back untouched: it had come to try {attempt} before");
        let (key, retries, variables) = (job.key, job.retries, json!({ TRY_VARIABLE: attempt }));
        self.fail(&FailJob { key, retries, message, variables, ..FailJob::default() }).await;
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
}
