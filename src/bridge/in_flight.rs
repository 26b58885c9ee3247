//! The permits of calls in flight: from activation until Zeebe has the outcome, also across a restart.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeebe2faas_contract::CallId;

/// Who holds a permit. Cheap to clone.
#[derive(Clone, Default)]
pub struct InFlight(Arc<Mutex<HashMap<CallId, Option<OwnedSemaphorePermit>>>>);

impl InFlight {
    /// Keeps the permit until the call is released.
    pub fn hold(&self, id: CallId, permit: OwnedSemaphorePermit) {
        self.lock().insert(id, Some(permit));
    }

    /// Counts a call that the ledger knew at the start, though a lowered limit may have no permit for it.
    pub fn resume(&self, id: CallId, limit: &Arc<Semaphore>) {
        self.lock().insert(id, Arc::clone(limit).try_acquire_owned().ok());
    }

    /// Gives the permit back.
    pub fn release(&self, id: &CallId) {
        self.lock().remove(id);
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
    fn lock(&self) -> MutexGuard<'_, HashMap<CallId, Option<OwnedSemaphorePermit>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
