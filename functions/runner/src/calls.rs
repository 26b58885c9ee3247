//! Whether a request is answered from a stored result, waits for a run, or starts one.

use crate::{
    blocking::blocking,
    clock::now_ms,
    execution::{Conclusion, From, Means, execute},
    guard::Record,
    observer::Observer,
    plan::Plan,
    run::{Halt, Halter},
    settings::Settings,
    stage::Stage,
    telling::Teller,
    verdict,
};
use futures_util::future::{FutureExt, Shared};
use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::{Instant, interval, sleep},
};
use tokio_util::sync::CancellationToken;
use zeebe2faas_contract::{CallId, CallState, Invocation, Outcome, Report};

const PURGE_EVERY: Duration = Duration::from_secs(3600);

/// All calls of this runner's function.
#[derive(Debug)]
pub struct Calls {
    means: Means,
    observer: Observer,
    /// The runs of this process.
    local: Mutex<HashMap<CallId, LocalRun>>,
    runs: Arc<Semaphore>,
    waiters: Arc<Semaphore>,
    stopping: CancellationToken,
}

#[derive(Debug, Clone)]
struct LocalRun {
    halter: Halter,
    conclusion: Shared<oneshot::Receiver<Conclusion>>,
}

/// The answer to `POST /`.
#[derive(Debug, Clone)]
pub enum Answer {
    /// The call's report, as JSON, and its HTTP status.
    Report(Arc<[u8]>, u16),
    /// Nothing ran; why, and what to do.
    Refused(Box<Report>),
    /// It runs, and as many requests wait for it as may.
    TooManyWaiters,
    /// As many programs run as may.
    TooManyRuns,
    /// The runner stops.
    Stopping,
    /// The state directory fails.
    Trouble(String),
}

/// A record, with dead owners told from living ones.
enum Situation {
    Vacant(From),
    Running,
    Ended(Vec<u8>),
}

enum Start {
    /// By us now, or by an earlier request.
    Running(LocalRun, bool),
    TooManyRuns,
}

impl Calls {
    /// Opens the state directory.
    pub fn open(settings: Settings) -> io::Result<Arc<Self>> {
        let teller = Teller::new(&settings)?;
        Means::open(settings, teller).map(Self::by)
    }

    /// The same with programs that are only played, and tell nothing: for simulations.
    #[doc(hidden)]
    pub fn on_stage(settings: Settings, teller: Teller, stage: Stage) -> io::Result<Arc<Self>> {
        Ok(Self::by(Means { stage: Some(stage), ..Means::open(settings, teller)? }))
    }

    fn by(means: Means) -> Arc<Self> {
        let given = &means.settings.given;
        Arc::new(Self {
            observer: Observer::new(given.dead_after, given.beat),
            local: Mutex::default(),
            runs: Arc::new(Semaphore::new(given.max_runs.get())),
            waiters: Arc::new(Semaphore::new(given.max_waiters)),
            stopping: CancellationToken::new(),
            means,
        })
    }

    /// Answers with the call's report: a stored one, that of a run somewhere, or that of a run which it starts. The
    /// run goes on if the caller is dropped.
    pub async fn post(self: &Arc<Self>, invocation: &Invocation) -> Answer {
        tokio::select! {
            biased;
            answer = self.answer(invocation) => answer,
            () = self.stopping.cancelled() => Answer::Stopping,
        }
    }

    async fn answer(self: &Arc<Self>, invocation: &Invocation) -> Answer {
        let id = &invocation.call_id;
        let mut waiting: Option<OwnedSemaphorePermit> = None;
        loop {
            let mut run = self.local().get(id).cloned();
            let mut started_here = false;
            if run.is_none() {
                match self.situation(id).await {
                    Err(error) => return Answer::Trouble(format!("the state directory cannot be read: {error}")),
                    Ok(Situation::Ended(bytes)) => return stored(bytes),
                    Ok(Situation::Running) => {}
                    Ok(Situation::Vacant(from)) => {
                        let plan = match Plan::new(invocation, &self.means.settings) {
                            Ok(plan) => plan,
                            Err(why) => return refused(invocation, why),
                        };
                        if let Err(why) = self.check_paths(&plan).await {
                            return refused(invocation, why);
                        }
                        match self.start(id, plan, from) {
                            Start::Running(local, by_us) => (run, started_here) = (Some(local), by_us),
                            Start::TooManyRuns => return Answer::TooManyRuns,
                        }
                    }
                }
            }
            if !started_here && waiting.is_none() {
                match Arc::clone(&self.waiters).try_acquire_owned() {
                    Ok(permit) => waiting = Some(permit),
                    Err(_) => return Answer::TooManyWaiters,
                }
            }
            let Some(run) = run else {
                sleep(self.means.settings.given.poll).await;
                continue;
            };
            match run.concluded().await {
                Conclusion::Report(bytes, status) => return Answer::Report(bytes, status),
                Conclusion::Released => return Answer::Stopping,
                Conclusion::Unsure(why) => return Answer::Trouble(why),
                Conclusion::Elsewhere => {}
            }
        }
    }

    /// What is known of the call. A call whose owner is dead is unknown: nobody runs it, and it has no result.
    pub async fn state(&self, id: &CallId) -> io::Result<CallState> {
        Ok(match self.situation(id).await? {
            Situation::Vacant(_) => CallState::Unknown,
            Situation::Running => CallState::Running,
            Situation::Ended(bytes) => ended(&bytes)?,
        })
    }

    /// Ends the call if it runs, and makes sure that it cannot start later; with `only_unknown` a running call is
    /// left alone. A run elsewhere that does not end in time is still `Running` in the answer.
    pub async fn cancel(&self, id: &CallId, only_unknown: bool) -> io::Result<CallState> {
        let given = &self.means.settings.given;
        let give_up_at = Instant::now() + given.beat * 2 + given.grace;
        let mut asked = false;
        loop {
            match self.situation(id).await? {
                Situation::Ended(bytes) => return ended(&bytes),
                Situation::Vacant(from) => {
                    if let Some(report) = self.bury(id, from, only_unknown).await? {
                        return Ok(CallState::Ended { report: Box::new(report) });
                    }
                }
                Situation::Running if only_unknown || Instant::now() > give_up_at => return Ok(CallState::Running),
                Situation::Running => {
                    if !asked {
                        let (guard, id) = (self.means.guard.clone(), id.clone());
                        blocking(move || guard.ask_to_cancel(&id)).await??;
                        asked = true;
                    }
                    let local = self.local().get(id).cloned();
                    if let Some(run) = local {
                        run.halter.halt(Halt::Cancelled);
                        run.concluded().await;
                    } else {
                        sleep(given.poll).await;
                    }
                }
            }
        }
    }

    /// Watches owners that somebody asked about and removes what has expired, until the runner stops.
    pub async fn tend(&self) {
        let mut look = interval(self.means.settings.given.beat);
        let mut purge = interval(PURGE_EVERY);
        loop {
            tokio::select! {
                biased;
                () = self.stopping.cancelled() => return,
                _ = look.tick() => for id in self.observer.watched_calls() {
                    if let Err(error) = self.situation(&id).await {
                        tracing::warn!(call = %id, %error, "the state directory cannot be read");
                    }
                },
                _ = purge.tick() => {
                    let guard = self.means.guard.clone();
                    match blocking(move || guard.purge()).await.flatten() {
                        Ok(0) => {}
                        Ok(calls) => tracing::info!(calls, "removed expired results"),
                        Err(error) => tracing::warn!(%error, "expired results cannot be removed"),
                    }
                },
            }
        }
    }

    /// Starts nothing more, ends the programs of this process, and returns when they have ended.
    pub async fn stop(&self) {
        self.stopping.cancel();
        let halters: Vec<Halter> = self.local().values().map(|run| run.halter.clone()).collect();
        halters.iter().for_each(|halter| halter.halt(Halt::Stopping));
        let all = u32::try_from(self.means.settings.given.max_runs.get()).unwrap_or(u32::MAX);
        // Every run holds a permit until it has concluded.
        if self.runs.acquire_many(all).await.is_ok() {
            self.runs.close();
        }
    }

    async fn check_paths(&self, plan: &Plan) -> Result<(), String> {
        if self.means.settings.given.allow_dirs.is_unlimited() {
            return Ok(());
        }
        let (settings, invocation) = (self.means.settings.clone(), plan.to_check().clone());
        let check = move || {
            let given = &settings.given;
            // A first word on the list of programs has been checked against that.
            let first = usize::from(!given.allow.is_empty());
            given.allow_dirs.check(&invocation, first, &given.no_paths)
        };
        blocking(check).await.unwrap_or_else(|error| Err(format!("the paths could not be checked: {error}")))
    }

    /// Starts a run in a task of its own, unless the call runs here already.
    fn start(self: &Arc<Self>, id: &CallId, plan: Plan, from: From) -> Start {
        let mut local = self.local();
        if let Some(run) = local.get(id) {
            return Start::Running(run.clone(), false);
        }
        let Ok(permit) = Arc::clone(&self.runs).try_acquire_owned() else { return Start::TooManyRuns };
        let (conclude, conclusion) = oneshot::channel();
        let run = LocalRun { halter: Halter::new(), conclusion: conclusion.shared() };
        if self.stopping.is_cancelled() {
            run.halter.halt(Halt::Stopping);
        }
        local.insert(id.clone(), run.clone());
        let (calls, id, halter) = (Arc::clone(self), id.clone(), run.halter.clone());
        tokio::spawn(async move {
            // Dropped last, so that a panic too gives the call and the place back.
            let place = permit;
            let entry = Entry { calls: Arc::clone(&calls), id };
            let ended = execute(&calls.means, plan, from, &halter).await;
            drop(entry);
            // Nobody may wait for it any more.
            conclude.send(ended).ok();
            drop(place);
        });
        Start::Running(run, true)
    }

    /// Stores the end of a call that nobody runs; `None` if somebody was faster. `only_unknown`: who wanted to hear of its
    /// end, and takes it for lost, hears that it was begun.
    async fn bury(&self, id: &CallId, from: From, only_unknown: bool) -> io::Result<Option<Report>> {
        let function = self.means.settings.given.function.clone();
        let invocation = Invocation::new(id.clone(), function, Vec::new(), Vec::new(), 0);
        let (outcome, message) = match &from {
            From::Nobody => (Outcome::Cancelled, "the call was cancelled before it came".to_owned()),
            From::Released | From::Dead(_) if only_unknown => {
                let why = "began this call, but its pod stopped or was killed before the end, and nobody ran it again; \
                           see the pod's events, then try again";
                (Outcome::Failed, format!("{} {why}", invocation.function))
            }
            From::Released | From::Dead(_) => {
                (Outcome::Cancelled, "the call was cancelled after the runner that ran it had stopped".to_owned())
            }
        };
        let report = verdict::not_run(&invocation, outcome, message);
        let bytes = serde_json::to_vec(&report)?;
        let keep_ms = u64::try_from(self.means.settings.given.keep_tombstones.as_millis()).unwrap_or(u64::MAX);
        let (guard, id) = (self.means.guard.clone(), id.clone());
        let buried = blocking(move || {
            let owner = match &from {
                From::Nobody => return guard.bury(&id, &bytes, now_ms().saturating_add(keep_ms)),
                From::Released => None,
                From::Dead(owner) => Some(owner),
            };
            guard.take_over(&id, owner)?.map_or(Ok(false), |claim| claim.end(&bytes))
        });
        Ok(buried.await??.then_some(report))
    }

    async fn situation(&self, id: &CallId) -> io::Result<Situation> {
        let (guard, call) = (self.means.guard.clone(), id.clone());
        let record = blocking(move || guard.look(&call)).await??;
        if let Record::Owned(owner) = record {
            let dead = self.observer.is_dead(id, &owner, Instant::now());
            return Ok(if dead { Situation::Vacant(From::Dead(owner)) } else { Situation::Running });
        }
        self.observer.forget(id);
        Ok(match record {
            Record::Ended(bytes) => Situation::Ended(bytes),
            Record::Free => Situation::Vacant(From::Released),
            _ => Situation::Vacant(From::Nobody),
        })
    }

    fn local(&self) -> MutexGuard<'_, HashMap<CallId, LocalRun>> {
        self.local.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LocalRun {
    async fn concluded(&self) -> Conclusion {
        let concluded = self.conclusion.clone().await;
        concluded.unwrap_or_else(|_| Conclusion::Unsure("the run broke off; the runner's log says why".into()))
    }
}

/// A run's place in the list of local runs.
struct Entry {
    calls: Arc<Calls>,
    id: CallId,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.calls.local().remove(&self.id);
    }
}

fn stored(bytes: Vec<u8>) -> Answer {
    match serde_json::from_slice::<Report>(&bytes) {
        Ok(report) => Answer::Report(bytes.into(), report.http_status()),
        Err(error) => Answer::Trouble(format!("the stored result cannot be read: {error}")),
    }
}

fn ended(bytes: &[u8]) -> io::Result<CallState> {
    Ok(CallState::Ended { report: Box::new(serde_json::from_slice(bytes)?) })
}

fn refused(invocation: &Invocation, why: String) -> Answer {
    Answer::Refused(Box::new(verdict::not_run(invocation, Outcome::Refused, why)))
}
