//! Brings outcomes to Zeebe until Zeebe has them. Delivered twice is delivered once: the call id is the message id.

use super::{
    outcome::{Outcome, Status},
    reply::{self, Answer},
};
use crate::{
    ledger::{HeldJob, Pending, Reply},
    zeebe::{Client, Error, Message, Retry},
};
use serde_json::json;
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use zeebe2faas_contract::CallId;

/// Why Zeebe does not have an outcome.
#[derive(Debug, thiserror::Error)]
pub enum Undelivered {
    /// Zeebe's word.
    #[error(transparent)]
    Zeebe(#[from] Error),
    /// The job is open, and what follows its failure only the replica knows that holds it.
    #[error("what follows the failure of job {0} is known to the replica that holds it only")]
    NotOurs(i64),
    /// A ledger's row that this program did not write.
    #[error("the outcome is not readable: {0}")]
    Unreadable(#[from] serde_json::Error),
}

/// Tells Zeebe.
#[derive(Clone)]
pub struct Messenger {
    zeebe: Client,
    message_ttl: Duration,
    back_off: Duration,
}

impl Messenger {
    /// Zeebe keeps each message for `message_ttl`; a failed job is tried again after `back_off`, the first time.
    pub const fn new(zeebe: Client, message_ttl: Duration, back_off: Duration) -> Self {
        Self { zeebe, message_ttl, back_off }
    }

    /// Delivers an outcome (JSON), trying again as `retry` says. What Zeebe has already counts as delivered.
    pub async fn deliver(&self, call: &Pending, outcome: &str, retry: Retry) -> Result<(), Undelivered> {
        match &call.reply {
            Reply::Message(name) => self.publish(name, call, outcome, retry).await,
            Reply::Job(held) => self.answer(held, call, outcome, retry).await,
        }
    }

    async fn publish(&self, name: &str, call: &Pending, outcome: &str, retry: Retry) -> Result<(), Undelivered> {
        // The result's name is a plain variable name, so it needs no escaping.
        let message = Message {
            name: name.to_owned(),
            correlation_key: call.id.to_string(),
            id: call.id.to_string(),
            time_to_live: self.message_ttl,
            variables: format!("{{\"{}\":{outcome}}}", call.result),
            tenant: call.tenant.clone(),
        };
        match self.zeebe.publish_message(&message, retry).await {
            Ok(_) | Err(Error::AlreadyExists { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn answer(&self, held: &HeldJob, call: &Pending, outcome: &str, retry: Retry) -> Result<(), Undelivered> {
        let outcome: Outcome = serde_json::from_str(outcome)?;
        let answer = match &held.terms {
            Some(terms) => reply::to_job(held.key, terms, &outcome, self.back_off),
            None if outcome.status == Status::Succeeded => Answer::Complete,
            None => return Err(Undelivered::NotOurs(held.key)),
        };
        let variables = json!({ call.result.as_str(): outcome });
        let answered = match &answer {
            Answer::Complete => self.zeebe.complete_job(held.key, &variables, retry).await,
            Answer::Fail(failure) => self.zeebe.fail_job(failure, retry).await,
            Answer::Throw { code, message, next_try } => {
                let task = held.terms.as_ref().map_or(0, |terms| terms.element_instance_key);
                match self.zeebe.set_variables(task, next_try, true, retry).await {
                    Ok(()) => self.zeebe.throw_error(held.key, code, message, &variables, retry).await,
                    Err(error) => Err(error),
                }
            }
        };
        match answered {
            // Gone, or in a state that a former answer of ours has brought about.
            Ok(()) | Err(Error::NotFound { .. } | Error::State { .. }) => Ok(()),
            Err(error) => Err(error.into()),
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
    /// Makes room for others but keeps the call marked, so that it is not begun again.
    pub fn make_room(&mut self) {
        self.room = None;
    }

    /// The same until `pause` has passed.
    pub async fn rest(mut self, pause: Duration) {
        self.make_room();
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
