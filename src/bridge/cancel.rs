//! Keeps the jobs of running calls locked, and gives up a call whose task is gone.

use super::{
    Bridge, Parts, context,
    outcome::{Outcome, Status},
};
use crate::{
    ledger::{LedgerError, Pending},
    zeebe::{Error as ZeebeError, Retry},
};
use futures_util::{StreamExt, stream};
use tokio::time::Instant;
use tracing::Instrument;
use zeebe2faas_contract::CallId;

/// Locks that are renewed at the same time.
const MAX_RENEWALS: usize = 16;
/// A lock is renewed when this part of it is over, so that two failures do not yet lose the job.
const RENEWED_AFTER: u32 = 3;

impl Bridge {
    /// Takes up the jobs that a former process held. Their locks may be over: Zeebe takes a renewal all the same, and
    /// whoever was handed the job meanwhile goes on with the same call.
    pub async fn hold_again(&self) -> Result<(), LedgerError> {
        for (id, key) in self.0.ledger.held().await? {
            self.0.holds.hold(&id, key, Instant::now());
        }
        Ok(())
    }

    /// Renews the locks of held jobs, until stopped.
    pub async fn hold_jobs(self) {
        loop {
            let due = self.0.holds.due().await;
            stream::iter(due).for_each_concurrent(MAX_RENEWALS, |(id, key)| self.renew(id, key)).await;
        }
    }

    /// Locks the job for the next while, and comes back in time.
    pub(super) async fn renew(&self, id: CallId, key: i64) {
        let lock = self.0.settings.calls.job_lock;
        let next = Instant::now() + lock / RENEWED_AFTER;
        let renewed = self.0.zeebe.update_job_timeout(key, lock, Retry::Until(next)).await;
        if matches!(renewed, Err(ZeebeError::NotFound { .. })) {
            return self.abandon(id);
        }
        self.0.holds.hold(&id, key, next);
        let call = self.0.ledger.open_call(id.clone()).await;
        if let Err(error) = renewed {
            let span = call.iter().flatten().next().map_or_else(|| context::of_action(&id), context::of);
            span.in_scope(|| tracing::warn!(job = key, %error, "the job's lock is not renewed; trying on"));
        }
        // One that ended meanwhile was released before it was held.
        if matches!(call, Ok(None)) {
            self.0.holds.release(&id);
        }
    }

    /// The task was cancelled, or left by a boundary event: nobody waits for the outcome any more.
    pub(super) fn abandon(&self, id: CallId) {
        let bridge = self.clone();
        // Not counted among the steps that a stop waits for: the next start finds the task gone again.
        self.beside(context::of_action(&id), async move {
            match bridge.0.ledger.open_call(id).await {
                Ok(Some(call)) => {
                    let span = context::of(&call);
                    bridge.give_up_call(call).instrument(span).await;
                }
                // It has just ended; its delivery finds the task gone, too.
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(%error, "the call stays open until its deadline, though its task is gone");
                }
            }
        });
    }

    async fn give_up_call(&self, call: Pending) {
        tracing::info!(function = call.function, "its task is gone: ending the call");
        self.cancel_queued(&call).await;
        let told = match &self.0.questions {
            _ if call.as_job => self.cancel_job_for_long(&call).await,
            Some(questions) if call.run_once => questions.cancel(&call).await,
            _ => None,
        };
        let outcome = told.unwrap_or_else(|| abandoned(&call));
        // Its delivery finds the task gone, which counts as delivered.
        if self.conclude(call, &outcome).await.is_err() {
            tracing::error!("the end of a cancelled call could be kept nowhere; it stays open until its deadline");
        }
    }

    /// Where OpenFaaS can; where it does not, the runner's word and the deadline are left.
    pub(super) async fn cancel_queued(&self, call: &Pending) {
        let Parts { gateway, settings, .. } = &*self.0;
        if settings.openfaas.cancels
            && !call.as_job
            && let Err(reason) = gateway.cancel_queued(&call.id).await
        {
            tracing::warn!(reason, "OpenFaaS did not cancel the invocation");
        }
    }
}

fn abandoned(call: &Pending) -> Outcome {
    let rest = if call.as_job {
        "its Job is deleted".to_owned()
    } else {
        format!("`{}` may run on to its end", call.function)
    };
    let message = format!("the task of this call was cancelled; {rest}");
    Outcome::plain(call.id.clone(), call.function.clone(), Status::Cancelled, message, false)
}
