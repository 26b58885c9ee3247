//! The calls in flight, from activation until Zeebe has the outcome, also across a restart: each one's permit, and how
//! it is doing where its runner tells. Nothing of that is ever written down.

use super::running::Running;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeebe2faas_contract::CallId;

/// The calls. Cheap to clone.
#[derive(Clone, Default)]
pub struct InFlight(Arc<Mutex<HashMap<CallId, Entry>>>);

#[derive(Default)]
struct Entry {
    _permit: Option<OwnedSemaphorePermit>,
    run: Run,
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
    /// A later one came before, or the call has ended or is not in flight here.
    Stale,
}

/// What the running calls of one function need.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// How many run.
    pub calls: u64,
    /// Their memory now, in bytes.
    pub memory_bytes: u64,
}

impl InFlight {
    /// Keeps the permit until the call is released.
    pub fn hold(&self, id: CallId, permit: OwnedSemaphorePermit) {
        self.lock().entry(id).or_default()._permit = Some(permit);
    }

    /// Counts a call that the ledger knew at the start, though a lowered limit may have no permit for it.
    pub fn resume(&self, id: CallId, ended: bool, limit: &Arc<Semaphore>) {
        let run = if ended { Run::Ended } else { Run::Silent };
        self.lock().insert(id, Entry { _permit: Arc::clone(limit).try_acquire_owned().ok(), run });
    }

    /// Takes a report of progress. `tell` is called if it is the latest, and before the call can end.
    pub fn report(&self, id: &CallId, function: &str, running: &Running, tell: impl FnOnce()) -> Taken {
        let mut calls = self.lock();
        let Some(entry) = calls.get_mut(id) else { return Taken::Stale };
        match &mut entry.run {
            Run::Running(told) if running.is_after(&told.running) => told.running = running.clone(),
            Run::Silent => {
                entry.run = Run::Running(Box::new(Told { function: function.into(), running: running.clone() }));
            }
            Run::Running(_) | Run::Ended => return Taken::Stale,
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

    /// How many calls are in flight.
    pub fn len(&self) -> usize {
        self.lock().len()
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
