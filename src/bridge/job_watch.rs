//! Sees how Jobs end, whether or not their runners tell: the second way to an outcome, which needs no ledger.

use super::{
    Bridge, context,
    jobs::{Chore, FIRST_PAUSE, LONGEST_PAUSE, must_go, told},
    outcome::Outcome,
    token::Claims,
};
use crate::{
    clock::now_ms,
    kubernetes::{
        Cluster, Error,
        end::{self, End, Trouble},
        order::{CALL_LABEL, CALLBACK_URL, FUNCTION},
    },
    ledger::{LedgerError, Pending, Standing, State},
};
use futures_util::StreamExt;
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Event as Word, Pod},
};
use kube::{
    ResourceExt,
    runtime::watcher::{Error as WatchError, Event},
};
use std::{collections::HashSet, pin::pin, sync::Arc};
use tracing::Instrument;
use zeebe2faas_contract::{CallId, Progress};

/// Why a Job could not be looked into.
#[derive(Debug, thiserror::Error)]
enum Blind {
    #[error(transparent)]
    Cluster(#[from] Error),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("its outcome could be kept nowhere")]
    NotTaken,
}

impl Bridge {
    /// Follows the Jobs of this replica, their pods, and why some have none, until stopped: three watches, however many
    /// calls there are.
    pub async fn watch_jobs(self) {
        let Some(cluster) = self.0.cluster.clone() else { return };
        let (mut jobs, mut pods) = (pin!(cluster.watch_jobs()), pin!(cluster.watch_pods()));
        let mut words = pin!(cluster.watch_words());
        // Pods mean something once their Jobs are known.
        let (mut listed, mut known, mut away) = (HashSet::new(), false, false);
        loop {
            let interrupted = tokio::select! {
                Some(event) = jobs.next() => match event {
                    Ok(event) => {
                        known |= matches!(event, Event::InitDone);
                        self.job_event(&cluster, &mut listed, event).await;
                        None
                    }
                    Err(error) => Some(error),
                },
                Some(event) = pods.next(), if known => match event {
                    Ok(Event::Apply(pod) | Event::InitApply(pod) | Event::Delete(pod)) => {
                        self.pod_event(&cluster, &pod);
                        None
                    }
                    Ok(Event::Init | Event::InitDone) => None,
                    Err(error) => Some(error),
                },
                Some(event) = words.next() => match event {
                    // Those of the past may be true no more.
                    Ok(Event::Apply(word)) => {
                        self.no_pod(&cluster, word).await;
                        None
                    }
                    Ok(_) => None,
                    Err(error) => Some(error),
                },
                else => return,
            };
            away = interruption(interrupted, away);
        }
    }

    async fn job_event(&self, cluster: &Arc<Cluster>, listed: &mut HashSet<CallId>, event: Event<Job>) {
        match event {
            Event::Init => listed.clear(),
            Event::InitApply(job) => {
                if let Some(id) = call_of(&job) {
                    listed.insert(id.clone());
                    if !end::is_finished(&job) {
                        cluster.remember(id.clone());
                    }
                    self.look(cluster, id, Some(Box::new(job))).await;
                }
            }
            // What was deleted while nobody watched.
            Event::InitDone => {
                for id in cluster.calls().into_iter().filter(|id| !listed.contains(id)) {
                    self.look(cluster, id, None).await;
                }
                listed.clear();
            }
            Event::Apply(job) if end::is_finished(&job) => {
                if let Some(id) = call_of(&job) {
                    self.look(cluster, id, Some(Box::new(job))).await;
                }
            }
            Event::Apply(_) => {}
            Event::Delete(job) => match call_of(&job) {
                Some(id) if cluster.has(&id) => self.look(cluster, id, None).await,
                _ => {}
            },
        }
    }

    /// Looks into a Job beside whoever asks, who waits for room; `None`: it is fetched, and may be gone.
    pub(super) async fn look(&self, cluster: &Arc<Cluster>, id: CallId, mut job: Option<Box<Job>>) {
        // Whoever pauses fetches it again.
        if cluster.pauses(&id) {
            return;
        }
        let (bridge, cluster) = (self.clone(), Arc::clone(cluster));
        let mut room = cluster.room_to_look().await;
        self.beside(context::of_action(&id), async move {
            let mut pause = FIRST_PAUSE;
            while let Err(error) = bridge.look_once(&cluster, &id, job.take()).await {
                tracing::warn!(%error, again_in = ?pause, "its Job cannot be looked into");
                drop(room);
                cluster.pause(&id, pause).await;
                room = cluster.room_to_look().await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        });
    }

    async fn look_once(&self, cluster: &Arc<Cluster>, id: &CallId, job: Option<Box<Job>>) -> Result<(), Blind> {
        let found = match job {
            Some(job) => Some(job),
            // It may have been created after the list was made.
            None => cluster.job(id).await?,
        };
        // Before the ledger is asked, so that whoever delivers its outcome meanwhile finds it.
        if found.as_ref().is_some_and(|job| !expires(job)) {
            cluster.remember(id.clone());
        }
        let standing = self.0.ledger.standing(id.clone()).await?;
        if let Some(standing) = &standing {
            context::found(&standing.call);
        }
        match standing {
            Some(standing) if standing.state == State::Ended => {
                self.tidy(cluster, id, found.as_deref(), &standing);
                Ok(())
            }
            // It is about to be created, perhaps once more.
            Some(standing) if found.is_none() && standing.state == State::Accepted => Ok(()),
            Some(standing) => self.look_into(cluster, standing.call, found.as_deref()).await,
            None => self.look_without_ledger(cluster, id, found.as_deref()).await,
        }
    }

    async fn look_into(&self, cluster: &Arc<Cluster>, call: Pending, job: Option<&Job>) -> Result<(), Blind> {
        let outcome = match job {
            None => Some(told(&call, End::Lost("its Job was deleted".to_owned()), None)),
            Some(job) if end::is_finished(job) => self.outcome(cluster, job, &call).await?,
            Some(_) => None,
        };
        match outcome {
            Some(outcome) => self.conclude(call, &outcome).await.map_err(|_| Blind::NotTaken),
            None => Ok(()),
        }
    }

    /// Its own Secret says whom to tell.
    async fn look_without_ledger(&self, cluster: &Arc<Cluster>, id: &CallId, job: Option<&Job>) -> Result<(), Blind> {
        let Some(job) = job.filter(|job| !expires(job)) else {
            cluster.forget(id);
            return Ok(());
        };
        let Some(call) = self.call_of_secret(cluster, id).await? else { return Ok(()) };
        context::found(&call);
        self.look_into(cluster, call, Some(job)).await?;
        // Zeebe has it, or a row has come meanwhile.
        if end::is_finished(job) && self.0.ledger.standing(id.clone()).await?.is_none() {
            self.job_delivered(id);
        }
        Ok(())
    }

    /// The call has ended: what becomes of its Job depends on whether it runs on, and whether Zeebe knows.
    fn tidy(&self, cluster: &Arc<Cluster>, id: &CallId, job: Option<&Job>, standing: &Standing) {
        let outcome = standing.outcome.as_deref().and_then(|json| serde_json::from_str::<Outcome>(json).ok());
        match job {
            None => drop(cluster.forget(id)),
            Some(job) if !end::is_finished(job) && outcome.is_some_and(|outcome| must_go(outcome.status)) => {
                self.end_job(id);
            }
            Some(job) if standing.delivered => {
                cluster.forget(id);
                if !expires(job) {
                    self.insist(cluster, Chore::Expire, id.clone());
                }
            }
            Some(_) => {}
        }
    }

    async fn call_of_secret(&self, cluster: &Cluster, id: &CallId) -> Result<Option<Pending>, Error> {
        let url = cluster.secret(id, CALLBACK_URL).await?;
        let token = url.as_deref().and_then(|url| url.rsplit('/').next());
        let claims = token.and_then(|token| Claims::open(token, &self.0.settings.keys.token.current(), now_ms()));
        let claims = claims.filter(|claims| claims.call_id() == id);
        if claims.is_none() {
            tracing::warn!("a Job of a call that neither the ledger nor a genuine Secret knows; left alone");
        }
        Ok(claims.map(Claims::into_pending))
    }

    /// What keeps a pod from running is shown with its call, and remembered: the pod itself may be gone at the end.
    fn pod_event(&self, cluster: &Arc<Cluster>, pod: &Pod) {
        let Some(id) = pod.labels().get(CALL_LABEL).and_then(|id| id.parse::<CallId>().ok()) else { return };
        let function = || pod.annotations().get(FUNCTION).cloned().unwrap_or_default();
        let Some(trouble) = end::trouble(pod) else {
            if end::is_scheduled(pod) && cluster.waits_no_more(&id) {
                self.show_waiting(&id, function(), "its pod is scheduled".to_owned());
            }
            return;
        };
        if !cluster.note(&id, trouble.clone()) {
            return;
        }
        let _span = context::of_action(&id).entered();
        match trouble {
            Trouble::Waits(why) => {
                tracing::info!(why, "its pod waits");
                self.show_waiting(&id, function(), why);
            }
            Trouble::Taken(why) => tracing::warn!(why, "its pod was taken away"),
            Trouble::Stuck(why) => {
                tracing::warn!(why, "its pod never runs");
                self.give_up_stuck(id, why);
            }
        }
    }

    /// The cluster says why a Job has no pod.
    async fn no_pod(&self, cluster: &Cluster, word: Word) {
        let Some(Ok(id)) = word.involved_object.name.map(|name| name.parse::<CallId>()) else { return };
        let why = end::quote(&word.message.unwrap_or_default());
        if !cluster.note(&id, Trouble::Waits(why.clone())) {
            return;
        }
        let span = context::of_action(&id);
        let told = async {
            tracing::info!(why, "its pod cannot be made");
            match self.0.ledger.open_call(id.clone()).await {
                Ok(Some(call)) => self.show_waiting(&id, call.function, why),
                Ok(None) => {}
                Err(error) => tracing::debug!(%error, "not shown with it"),
            }
        };
        told.instrument(span).await;
    }

    /// As progress that any word of its runner comes after.
    fn show_waiting(&self, id: &CallId, function: String, why: String) {
        // Not in flight here any more: nobody looks.
        let _taken = self.report(Progress {
            call_id: id.clone(),
            function,
            sequence: now_ms(),
            started_at_ms: 0,
            elapsed_seconds: 0.0,
            percent: None,
            step: Some(why),
            cpu_seconds: 0.0,
            memory_bytes: 0,
            peak_memory_bytes: 0,
        });
    }

    fn give_up_stuck(&self, id: CallId, why: String) {
        let bridge = self.clone();
        self.beside(context::of_action(&id), async move {
            match bridge.0.ledger.open_call(id.clone()).await {
                Ok(Some(call)) => {
                    context::found(&call);
                    let outcome = told(&call, End::NeverRan(why), None);
                    if bridge.conclude(call, &outcome).await.is_ok() {
                        bridge.end_job(&id);
                    }
                }
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "its pod never runs; the deadline ends it"),
            }
        });
    }
}

/// Says it once for each interruption; whether one lasts.
fn interruption(error: Option<WatchError>, away: bool) -> bool {
    match error {
        None => {
            if away {
                tracing::info!("the Kubernetes API server is back");
            }
            false
        }
        Some(error) if away => {
            tracing::debug!(%error, "no watch on Jobs yet");
            true
        }
        Some(error) => {
            tracing::warn!(%error, "the watch on Jobs is interrupted; runners' callbacks still count");
            true
        }
    }
}

fn call_of(job: &Job) -> Option<CallId> {
    job.metadata.name.as_deref()?.parse().ok()
}

/// Whether its time to live is set, which is only done once its outcome is delivered.
fn expires(job: &Job) -> bool {
    job.spec.as_ref().is_some_and(|spec| spec.ttl_seconds_after_finished.is_some())
}
