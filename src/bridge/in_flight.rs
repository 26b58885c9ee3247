//! The calls in flight, from activation until Zeebe has the outcome, also across a restart: each one's permit, and how
//! it is doing where its runner tells. Nothing of that is ever written down.

use super::running::Running;
use crate::{clock::millis, ledger::State};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeebe2faas_contract::CallId;

/// Longest pause between two questions about a silent call.
const LONGEST_SILENCE: Duration = Duration::from_secs(600);

/// The calls. Cheap to clone.
#[derive(Clone, Default)]
pub struct InFlight(Arc<Mutex<HashMap<CallId, Entry>>>);

#[derive(Default)]
struct Entry {
    _permit: Option<OwnedSemaphorePermit>,
    run: Run,
    /// Only where a runner can be asked.
    silence: Option<Silence>,
}

/// For how long nothing was heard of a call, and how often its runner was asked since.
#[derive(Clone, Copy)]
struct Silence {
    since_ms: u64,
    asked: u32,
}

impl Silence {
    const fn begins(since_ms: u64) -> Self {
        Self { since_ms, asked: 0 }
    }

    /// Each question waits twice as long as the one before: a call may lie in a queue for hours.
    fn is_over(self, now_ms: u64, timeout: Duration) -> bool {
        let wait = timeout.saturating_mul(1u32.checked_shl(self.asked).unwrap_or(u32::MAX));
        now_ms.saturating_sub(self.since_ms) >= millis(wait.min(LONGEST_SILENCE.max(timeout)))
    }
}

/// Boxed, since most calls wait in a queue and have nothing to tell.
#[derive(Default)]
enum Run {
    #[default]
    Silent,
    Running(Box<Told>),
    Ended,
}

struct Told {
    function: Box<str>,
    running: Running,
}

/// What became of a report of progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is the call's latest.
    Yes,
    /// A later one came before, or the call has ended.
    Stale,
    /// The call is not in flight here.
    Elsewhere,
}

/// What the running calls of one function need.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// How many run.
    pub calls: u64,
    /// Their memory now, in bytes.
    pub memory_bytes: u64,
}

/// How many calls are in flight, and how they stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// All.
    pub calls: u64,
    /// Those of whose run nothing is known: in a queue, or of a function that does not tell.
    pub waiting: u64,
    /// Those that have ended.
    pub undelivered: u64,
}

impl InFlight {
    /// Keeps the permit until the call is released.
    pub fn hold(&self, id: CallId, permit: OwnedSemaphorePermit) {
        self.lock().entry(id).or_default()._permit = Some(permit);
    }

    /// Counts a call that the ledger knew at the start, though a lowered limit may have no permit for it. One that was
    /// only accepted has none until its job comes again: the job needs one to come.
    pub fn resume(&self, id: CallId, state: State, limit: &Arc<Semaphore>) {
        let run = if state == State::Ended { Run::Ended } else { Run::Silent };
        let limit = (state != State::Accepted).then(|| Arc::clone(limit));
        let permit = limit.and_then(|limit| limit.try_acquire_owned().ok());
        self.lock().insert(id, Entry { _permit: permit, run, silence: None });
    }

    /// Takes a report of progress. `tell` is called if it is the latest, and before the call can end.
    pub fn report(&self, id: &CallId, function: &str, running: &Running, tell: impl FnOnce()) -> Taken {
        let mut calls = self.lock();
        let Some(entry) = calls.get_mut(id) else { return Taken::Elsewhere };
        match &mut entry.run {
            Run::Running(told) if running.is_after(&told.running) => told.running = running.clone(),
            Run::Silent => {
                entry.run = Run::Running(Box::new(Told { function: function.into(), running: running.clone() }));
            }
            Run::Running(_) | Run::Ended => return Taken::Stale,
        }
        if entry.silence.is_some() {
            entry.silence = Some(Silence::begins(running.reported_ms));
        }
        tell();
        Taken::Yes
    }

    /// Calls `tell` unless the call has ended, and before it can end: what is told of an end is told last.
    pub fn while_open(&self, id: &CallId, tell: impl FnOnce()) {
        let calls = self.lock();
        if calls.get(id).is_some_and(|entry| !matches!(entry.run, Run::Ended)) {
            tell();
        }
    }

    /// The call has its outcome, which Zeebe does not have yet: nothing it told is true any more.
    pub fn end(&self, id: &CallId) {
        if let Some(entry) = self.lock().get_mut(id) {
            entry.run = Run::Ended;
        }
    }

    /// From now on silence of this call is noticed.
    pub fn listen(&self, id: &CallId, now_ms: u64) {
        if let Some(entry) = self.lock().get_mut(id) {
            entry.silence.get_or_insert(Silence::begins(now_ms));
        }
    }

    /// Calls of which nothing was heard for `timeout` or, where that was asked before, ever longer: at most `limit`, in
    /// the order of their ids.
    pub fn silent(&self, now_ms: u64, timeout: Duration, limit: usize) -> Vec<CallId> {
        let mut calls = self.lock();
        let silent = calls.iter_mut().filter_map(|(id, entry)| {
            let silence = entry.silence.as_mut().filter(|_| !matches!(entry.run, Run::Ended))?;
            silence.is_over(now_ms, timeout).then(|| {
                *silence = Silence { since_ms: now_ms, asked: silence.asked.saturating_add(1) };
                id.clone()
            })
        });
        let mut silent: Vec<CallId> = silent.take(limit).collect();
        silent.sort();
        silent
    }

    /// Gives the permit back.
    pub fn release(&self, id: &CallId) {
        self.lock().remove(id);
    }

    /// How a call is doing; nothing where it has not told.
    pub fn running(&self, id: &CallId) -> Option<Running> {
        match self.lock().get(id).map(|entry| &entry.run) {
            Some(Run::Running(told)) => Some(told.running.clone()),
            _ => None,
        }
    }

    /// What the calls that told something at `since_ms` or later need, by function.
    pub fn load(&self, since_ms: u64) -> BTreeMap<Box<str>, Load> {
        let mut loads: BTreeMap<Box<str>, Load> = BTreeMap::new();
        for entry in self.lock().values() {
            let Run::Running(told) = &entry.run else { continue };
            if told.running.reported_ms < since_ms {
                continue;
            }
            if !loads.contains_key(&told.function) {
                loads.insert(told.function.clone(), Load::default());
            }
            if let Some(load) = loads.get_mut(&told.function) {
                load.calls += 1;
                load.memory_bytes = load.memory_bytes.saturating_add(told.running.memory_bytes);
            }
        }
        loads
    }

    /// How many there are, and how they stand.
    pub fn counts(&self) -> Counts {
        self.lock().values().fold(Counts::default(), |counts, entry| Counts {
            calls: counts.calls + 1,
            waiting: counts.waiting + u64::from(matches!(entry.run, Run::Silent)),
            undelivered: counts.undelivered + u64::from(matches!(entry.run, Run::Ended)),
        })
    }

    /// How many calls are in flight.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Some of the calls in flight, in the order of their ids.
    pub fn some(&self, limit: usize) -> Vec<CallId> {
        let mut ids: Vec<CallId> = self.lock().keys().cloned().collect();
        ids.sort();
        ids.truncate(limit);
        ids
    }

    /// Whether no call is in flight.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A panic elsewhere cannot leave a map half-changed.
    fn lock(&self) -> MutexGuard<'_, HashMap<CallId, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(45);

    fn call(calls: &InFlight, number: i64) -> CallId {
        let id = CallId::new("test", number, 1);
        calls.resume(id.clone(), State::Submitted, &Arc::new(Semaphore::new(1)));
        id
    }

    #[test]
    fn a_silent_call_is_asked_about_ever_more_rarely() {
        let calls = InFlight::default();
        let id = call(&calls, 1);
        calls.listen(&id, 0);
        let mut asked_at = Vec::new();
        for second in 0..4000 {
            if !calls.silent(second * 1000, TIMEOUT, 10).is_empty() {
                asked_at.push(second);
            }
        }
        assert_eq!(asked_at, [45, 135, 315, 675, 1275, 1875, 2475, 3075, 3675]);
    }

    #[test]
    fn a_call_whose_submission_is_not_known_leaves_room_for_its_job_to_come_again() {
        let (calls, limit) = (InFlight::default(), Arc::new(Semaphore::new(3)));
        for (number, state) in [(1, State::Accepted), (2, State::Submitted), (3, State::Ended)] {
            calls.resume(CallId::new("test", number, 1), state, &limit);
        }
        assert_eq!((calls.len(), limit.available_permits()), (3, 1));
    }

    #[test]
    fn a_call_is_waiting_until_it_tells_something_or_ends() {
        let (calls, limit) = (InFlight::default(), Arc::new(Semaphore::new(3)));
        for (number, state) in [(1, State::Submitted), (2, State::Submitted), (3, State::Ended)] {
            calls.resume(CallId::new("test", number, 1), state, &limit);
        }
        assert_eq!(calls.counts(), Counts { calls: 3, waiting: 2, undelivered: 1 });
        calls.end(&CallId::new("test", 1, 1));
        assert_eq!(calls.counts(), Counts { calls: 3, waiting: 1, undelivered: 2 });
    }

    #[test]
    fn neither_a_call_that_ended_nor_one_without_a_runner_is_silent() {
        let calls = InFlight::default();
        let (ended, other) = (call(&calls, 1), call(&calls, 2));
        calls.listen(&ended, 0);
        calls.end(&ended);
        assert!(calls.silent(u64::MAX, TIMEOUT, 10).is_empty(), "{other}");
    }
}
