//! Brings outcomes to Zeebe until Zeebe has them. Delivered twice is delivered once: the call id is the message id.

use crate::{
    ledger::Pending,
    zeebe::{Client, Error, Message, Retry},
};
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use zeebe2faas_contract::CallId;

/// Publishes outcomes.
#[derive(Clone)]
pub struct Publisher {
    zeebe: Client,
    message_ttl: Duration,
}

impl Publisher {
    /// Publishes through the client; Zeebe keeps each message for `message_ttl`.
    pub const fn new(zeebe: Client, message_ttl: Duration) -> Self {
        Self { zeebe, message_ttl }
    }

    /// Publishes an outcome (JSON), trying again as `retry` says. A message that is there already counts as delivered.
    pub async fn publish(&self, pending: &Pending, outcome: &str, retry: Retry) -> Result<(), Error> {
        // The result's name is a plain variable name, so it needs no escaping.
        let message = Message {
            name: pending.message.clone(),
            correlation_key: pending.id.to_string(),
            id: pending.id.to_string(),
            time_to_live: self.message_ttl,
            variables: format!("{{\"{}\":{outcome}}}", pending.result),
            tenant: pending.tenant.clone(),
        };
        match self.zeebe.publish_message(&message, retry).await {
            Ok(_) | Err(Error::AlreadyExists { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Which outcomes are on their way, and room for more.
#[derive(Clone)]
pub struct Deliveries {
    under_way: Arc<Mutex<HashSet<CallId>>>,
    room: Arc<Semaphore>,
    wake: Arc<Notify>,
}

/// The right to deliver one outcome; dropped, it makes room for the next.
pub struct Slot {
    id: CallId,
    deliveries: Deliveries,
    room: Option<OwnedSemaphorePermit>,
}

impl Deliveries {
    /// Room for so many at once.
    pub fn new(limit: usize) -> Self {
        Self { under_way: Arc::default(), room: Arc::new(Semaphore::new(limit)), wake: Arc::default() }
    }

    /// A slot for this outcome, unless it is under way already or there is no room: then the ledger has it for later.
    pub fn try_begin(&self, id: &CallId) -> Option<Slot> {
        let Ok(room) = Arc::clone(&self.room).try_acquire_owned() else {
            self.wake.notify_one();
            return None;
        };
        let begun = self.lock().insert(id.clone());
        begun.then(|| Slot { id: id.clone(), deliveries: self.clone(), room: Some(room) })
    }

    /// Waits until there is room, and work that found none before.
    pub async fn wanted(&self) {
        self.wake.notified().await;
        // Closed never: the semaphore lives as long as this handle.
        drop(self.room.acquire().await);
    }

    /// Has the ledger looked through for what waits.
    pub fn look_again(&self) {
        self.wake.notify_one();
    }

    /// How many outcomes may wait in the ledger without being new to us.
    pub fn under_way(&self) -> usize {
        self.lock().len()
    }

    /// A panic elsewhere cannot leave a set half-changed.
    fn lock(&self) -> MutexGuard<'_, HashSet<CallId>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Makes room for others but keeps the call marked, so that it is not tried again before `pause` has passed.
    pub async fn rest(mut self, pause: Duration) {
        self.room = None;
        tokio::time::sleep(pause).await;
        let deliveries = self.deliveries.clone();
        drop(self);
        deliveries.look_again();
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.deliveries.lock().remove(&self.id);
    }
}
