//! The way out: prepare, submit, complete.

use crate::{Steps, zeebe};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use zeebe_rs::{ActivatedJob, Client, SharedState};
use zeebe2faas::{
    bridge::{
        prepare::{Prepared, TRY_VARIABLE, prepare, submitted},
        submit::{Ready, ReplyTo, Submitted},
        token::Claims,
    },
    clock::{millis, now_ms},
    ledger::Reply,
    zeebe::{FailJob, Job},
};

/// The last part of the lock is for the commands to Zeebe: nothing is submitted in it.
const COMMANDS_PART: f64 = 0.4;

/// The handler of each worker. It says itself what becomes of the job, and retries that: zeebe-rs would do it once.
pub async fn work(_: Client, job: ActivatedJob, steps: Arc<SharedState<Arc<Steps>>>) {
    match zeebe::job(&job) {
        Ok(job) => steps.call(&job).await,
        // Zeebe hands it out again when its lock ends.
        Err(error) => tracing::error!(job = job.key(), %error, "its headers are not an object of strings"),
    }
}

impl Steps {
    async fn call(&self, job: &Job) {
        let prepared = match prepare(job, &self.templates, &self.settings, now_ms()) {
            Ok(prepared) => prepared,
            Err(mistake) => return self.fail(job, 0, mistake, json!({})).await,
        };
        if let Reply::Job(_) = prepared.call.reply {
            let mistake = "header `reply`: `job` needs the ledger of `zeebe2faas run`; this worker has none";
            return self.fail(job, 0, mistake.to_owned(), json!({})).await;
        }
        let ready = match self.ready(&prepared) {
            Ok(ready) => ready,
            Err(mistake) => return self.refuse(job, &prepared, mistake).await,
        };
        let commands_ms = millis(self.lock(job).mul_f64(COMMANDS_PART));
        let fresh_until_ms = u64::try_from(job.deadline_ms).unwrap_or(0).saturating_sub(commands_ms);
        // Without a ledger nobody knows of an earlier submission: the runner's guard is all there is.
        match ready.send(&self.gateway, prepared.resubmit, false, fresh_until_ms).await {
            Submitted::Queued => self.complete(job, &prepared).await,
            Submitted::Never(reason) => self.refuse(job, &prepared, reason).await,
            // Zeebe hands the job out again when its lock ends, and the runner's guard covers what may be queued.
            Submitted::Unsure(reason) => {
                tracing::warn!(call = %prepared.call.id, reason, "submitted again with its job");
            }
            Submitted::NotNow(reason) => self.fail(job, job.retries.saturating_sub(1), reason, json!({})).await,
        }
    }

    fn ready<'a>(&self, prepared: &'a Prepared) -> Result<Ready<'a>, String> {
        let (settings, call) = (&self.settings, &prepared.call);
        let expires_ms = call.deadline_ms.saturating_add(millis(settings.calls.token_grace));
        let claims = Claims::new(call.pending(call.deadline_ms), call.job_key, settings.replica.clone(), expires_ms);
        let token = claims.seal(&settings.keys.token.current()).map_err(|error| error.to_string())?;
        let callback_url = format!("{}/callback/{token}", settings.callback.url);
        let reply_to = ReplyTo { callback_url, progress_url: None };
        let runner = settings.keys.runner.as_ref().map(|secret| secret.current());
        let limit = settings.openfaas.body_limit_bytes;
        Ready::new(&call.function, &call.id, &call.fixed(), prepared.body, runner.as_ref(), limit, reply_to)
    }

    /// OpenFaaS has the call: the service task is done, and the receive task waits.
    async fn complete(&self, job: &Job, prepared: &Prepared) {
        let call = &prepared.call;
        tracing::info!(call = %call.id, function = call.function, job = job.key, element = job.element_id, "submitted");
        if let Err(error) = self.zeebe.complete(job.key, &submitted(call), self.patience(job)).await {
            tracing::warn!(call = %call.id, %error, "the job is still open; its lock ends it");
        }
    }

    /// The same request would be refused again: an incident, and a new call once somebody has mended it.
    async fn refuse(&self, job: &Job, prepared: &Prepared, mistake: String) {
        self.fail(job, 0, mistake, json!({ TRY_VARIABLE: prepared.call.attempt + 1 })).await;
    }

    async fn fail(&self, job: &Job, retries: i32, message: String, variables: Value) {
        tracing::error!(job = job.key, element = job.element_id, retries, message, "not submitted");
        let back_off = self.settings.calls.retry_backoff;
        let fail = FailJob { key: job.key, retries, back_off, message, variables };
        if let Err(error) = self.zeebe.fail(&fail, self.patience(job)).await {
            tracing::warn!(job = job.key, %error, "the job is still open; its lock ends it");
        }
    }

    fn lock(&self, job: &Job) -> Duration {
        let worker = self.settings.workers.iter().find(|worker| worker.job_type == job.job_type);
        worker.map_or(Duration::ZERO, |worker| worker.lock)
    }

    /// A command that comes after the lock's end may find the job in other hands.
    fn patience(&self, job: &Job) -> Duration {
        self.lock(job).mul_f64(COMMANDS_PART)
    }
}
