//! Calls that run as Kubernetes Jobs: submitted, ended and cleared away. [`job_watch`](super::job_watch) sees how they end.
//!
//! The cluster itself remembers them: each Job has its call's name, and a label that says whose it is.

use super::{
    Bridge,
    outcome::{Outcome, Status},
    prepare::Prepared,
    submit::{Ready, Submitted},
};
use crate::{
    clock::{now_ms, until},
    kubernetes::{
        Cluster, Error,
        end::{self, End, Trouble},
        order::{self, CALLBACK_URL, INVOCATION},
    },
    ledger::{NewCall, Pending},
};
use k8s_openapi::api::batch::v1::Job as ClusterJob;
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::sync::OwnedSemaphorePermit;
use tracing::Span;
use zeebe2faas_contract::CallId;

pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(250);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Between two submissions, whose job has a short lock.
const LONGEST_SUBMISSION_PAUSE: Duration = Duration::from_secs(5);

/// A Job that waits for its submission.
pub(super) struct Order {
    cluster: Arc<Cluster>,
    manifest: Value,
}

/// When a submission's time is up, in milliseconds since 1970.
pub(super) struct Times {
    /// The call's.
    pub(super) deadline_ms: u64,
    /// That of the job's lock, with some to spare.
    pub(super) fresh_until_ms: u64,
}

/// What becomes of a Job that nobody waits for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Chore {
    /// It goes some time after its end.
    Expire,
    /// It goes now, with its pods.
    Delete,
}

impl Bridge {
    /// Room for making a call's Job, until it is dropped; none is needed where OpenFaaS runs it.
    pub(super) async fn room_to_submit(&self, call: &NewCall) -> Option<OwnedSemaphorePermit> {
        let cluster = self.0.cluster.as_ref().filter(|_| call.as_job)?;
        cluster.room_to_submit().await
    }

    /// Renders the Job of a call; nothing where OpenFaaS runs it.
    pub(super) fn order(&self, prepared: &Prepared) -> Result<Option<Order>, String> {
        let Prepared { call, variables, .. } = prepared;
        if !call.as_job {
            return Ok(None);
        }
        let function = &call.function;
        if !call.run_once && !call.outputs.is_empty() {
            return Err(format!("`outputs` needs the runner: set `functions.{function}.run_once = true`"));
        }
        let cluster =
            self.0.cluster.clone().ok_or("a Kubernetes Job is asked for, but kubernetes.namespace is not set")?;
        let settings = &self.0.settings;
        let limit = settings.calls.command_limit_bytes;
        let manifest = cluster.manifests.of(function)?.render(variables, &settings.vars, limit)?;
        Ok(Some(Order { cluster, manifest }))
    }

    /// Creates the Job until it is there, or the job's lock runs out. `queued_before`: it may be there already.
    pub(super) async fn send_job(
        &self,
        order: Order,
        call: &NewCall,
        ready: &Ready<'_>,
        times: Times,
        queued_before: bool,
    ) -> Submitted {
        let Order { cluster, manifest } = order;
        let time = until(now_ms(), times.deadline_ms) + self.0.settings.calls.grace;
        let made = order::job(
            manifest,
            &order::Call {
                id: &call.id,
                function: &call.function,
                owner: cluster.owner(),
                command: (!call.run_once).then_some(&call.args),
                resources: call.resources,
                deadline_seconds: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
            },
        );
        let job = match made {
            Ok(job) => job,
            Err(mistake) => return Submitted::Never(mistake),
        };
        let secret = BTreeMap::from([
            (CALLBACK_URL.to_owned(), ready.callback_url.clone().into_bytes()),
            (INVOCATION.to_owned(), ready.body().to_vec()),
        ]);
        let (mut pause, mut unknown) = (FIRST_PAUSE, queued_before);
        loop {
            let error = match cluster.create(&call.id, &job, secret.clone()).await {
                Ok(job) => {
                    // It may have ended before this replica knew of it, or its call meanwhile.
                    self.look(&cluster, call.id.clone(), Some(job)).await;
                    return Submitted::Queued;
                }
                Err(error) => error,
            };
            let fresh = until(now_ms(), times.fresh_until_ms) > pause;
            match &error {
                Error::NotNow(_) if fresh => unknown = true,
                Error::NotNow(_) => return Submitted::Unsure(error.to_string()),
                Error::Forbidden(_) if fresh => {}
                Error::Forbidden(_) | Error::Refused(_) | Error::Settings(_) => {
                    return self.refused(&cluster, &call.id, unknown, error.to_string()).await;
                }
            }
            tracing::debug!(%error, ?pause, "creating the Job again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_SUBMISSION_PAUSE);
        }
    }

    /// The Job, or its Secret, is refused. `unknown`: an earlier attempt may have made it.
    async fn refused(&self, cluster: &Cluster, id: &CallId, unknown: bool, reason: String) -> Submitted {
        match cluster.job(id).await {
            Ok(None) => {
                cluster.forget(id);
                return Submitted::Never(reason);
            }
            Ok(Some(_)) if unknown => return Submitted::Queued,
            Err(_) if unknown => return Submitted::Unsure(reason),
            Ok(Some(_)) | Err(_) => {}
        }
        // Without its Secret it is of no use.
        self.end_job(id);
        Submitted::Never(reason)
    }

    /// Deletes the Job of a call with its pods; how it had ended before, if it had.
    pub(super) async fn cancel_job(&self, call: &Pending) -> Result<Option<Outcome>, Error> {
        let Some(cluster) = &self.0.cluster else {
            return Err(Error::Settings("kubernetes.namespace is not set any more".to_owned()));
        };
        if let Some(job) = cluster.job(&call.id).await?.filter(|job| end::is_finished(job)) {
            return self.outcome(cluster, &job, call).await;
        }
        // Its deletion is no news.
        cluster.forget(&call.id);
        cluster.delete(&call.id).await?;
        Ok(None)
    }

    /// The same until it is done, or the deadline has passed, which deletes it too.
    pub(super) async fn cancel_job_for_long(&self, call: &Pending) -> Option<Outcome> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.cancel_job(call).await {
                Ok(told) => return told,
                Err(error) if now_ms() > call.deadline_ms => {
                    tracing::error!(%error, "its Job could not be deleted");
                    return None;
                }
                Err(error) => tracing::warn!(%error, "its Job is not deleted yet; trying on"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// How a Job had ended whose time is up; one that had not is deleted.
    pub(super) async fn end_of_late_job(&self, call: &Pending) -> Outcome {
        let known = self.why_not_run(&call.id);
        match self.cancel_job(call).await {
            Ok(Some(told)) => return told,
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "its time is up, and its Job not deleted yet"),
        }
        told(call, End::TimedOut, known)
    }

    /// The scheduler's words, or others' about its pod.
    fn why_not_run(&self, id: &CallId) -> Option<String> {
        match self.0.cluster.as_ref()?.noted(id)? {
            Trouble::Waits(why) => Some(format!("its pod waited: {why}")),
            Trouble::Stuck(why) | Trouble::Taken(why) => Some(why),
        }
    }

    /// The ledger has the end of a call: what must not go on is deleted.
    pub(super) fn job_concluded(&self, call: &Pending, status: Status) {
        if call.as_job && must_go(status) {
            self.end_job(&call.id);
        }
    }

    /// Zeebe has the outcome: the Job goes some time later.
    pub(super) fn job_delivered(&self, id: &CallId) {
        if let Some(cluster) = &self.0.cluster
            && cluster.forget(id)
        {
            self.insist(cluster, Chore::Expire, id.clone());
        }
    }

    pub(super) fn end_job(&self, id: &CallId) {
        if let Some(cluster) = &self.0.cluster {
            cluster.forget(id);
            self.insist(cluster, Chore::Delete, id.clone());
        }
    }

    /// Asks the API server until it has done it, or refuses, within the span of the work on the call. What a stop cuts off, the next start finds again.
    pub(super) fn insist(&self, cluster: &Arc<Cluster>, chore: Chore, id: CallId) {
        let cluster = Arc::clone(cluster);
        self.beside(Span::current(), async move {
            let mut pause = FIRST_PAUSE;
            loop {
                let done = match chore {
                    Chore::Expire => cluster.expire(&id).await,
                    Chore::Delete => cluster.delete(&id).await,
                };
                match done {
                    Ok(()) => return,
                    Err(error @ Error::NotNow(_)) => tracing::debug!(?chore, %error, "trying on"),
                    Err(error @ Error::Forbidden(_)) => tracing::warn!(?chore, %error, "trying on"),
                    Err(error) => return tracing::error!(?chore, %error, "its Job stays as it is"),
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        });
    }

    /// How a Job that has ended did.
    pub(super) async fn outcome(
        &self,
        cluster: &Cluster,
        job: &ClusterJob,
        call: &Pending,
    ) -> Result<Option<Outcome>, Error> {
        let pods = cluster.pods(&call.id).await?;
        let ended = end::of_job(job, &pods, cluster.noted(&call.id).as_ref());
        Ok(ended.map(|ended| told(call, ended, self.why_not_run(&call.id))))
    }
}

/// Whether the Job of a call with this outcome may not run on.
pub(super) const fn must_go(status: Status) -> bool {
    matches!(status, Status::TimedOut | Status::Cancelled)
}

/// What BPMN sees of it.
pub(super) fn told(call: &Pending, ended: End, known: Option<String>) -> Outcome {
    let function = &call.function;
    let plain =
        |status, message, retryable| Outcome::plain(call.id.clone(), function.clone(), status, message, retryable);
    match ended {
        End::Succeeded => plain(Status::Succeeded, String::new(), false),
        End::Failed { exit_code, last_words } => {
            let message = format!("{function} failed with exit code {exit_code}; its pod's log has more");
            let log_tail = last_words;
            Outcome { exit_code: Some(exit_code), log_tail, ..plain(Status::Failed, message, true) }
        }
        End::OutOfMemory => {
            let message = format!(
                "{function} ran out of memory: the kernel killed its container at its limit; raise the template's \
                 `memory`, or give it a list that grows"
            );
            let signal = Some("SIGKILL".to_owned());
            Outcome { out_of_memory: true, signal, ..plain(Status::Failed, message, true) }
        }
        End::Lost(why) => plain(Status::Failed, format!("{function}: {why}"), true),
        End::NeverRan(why) => plain(Status::Refused, format!("{function}: {why}"), true),
        End::TimedOut => {
            let why = known.map(|why| format!(" ({why})")).unwrap_or_default();
            let message = format!("{function}: the call's deadline passed{why}; give the task a longer `timeout`");
            plain(Status::TimedOut, message, true)
        }
    }
}
