//! Brings outcomes to Zeebe until Zeebe has them. Delivered twice is delivered once: the call id is the message id.

use super::{
    outcome::{Outcome, Status},
    reply::{self, Answer},
};
use crate::{
    clock::now_ms,
    ledger::{HeldJob, Pending, Reply},
    zeebe::{Client, Error, Message, Retry},
};
use serde_json::json;
use std::{
    collections::HashMap,
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
            Reply::Message(_) => self.publish(call, call.id.as_str(), outcome, retry).await.map(drop),
            Reply::Job(held) => self.answer(held, call, outcome, retry).await,
        }
    }

    /// Publishes an outcome; whether it is new to Zeebe, which drops a message while it keeps another with this id.
    pub async fn publish(&self, call: &Pending, id: &str, outcome: &str, retry: Retry) -> Result<bool, Undelivered> {
        let Reply::Message(name) = &call.reply else { return Ok(false) };
        // The result's name is a plain variable name, so it needs no escaping.
        let message = Message {
            name: name.clone(),
            correlation_key: call.id.to_string(),
            id: id.to_owned(),
            time_to_live: self.message_ttl,
            variables: format!("{{\"{}\":{outcome}}}", call.result),
            tenant: call.tenant.clone(),
        };
        match self.zeebe.publish_message(&message, retry).await {
            Ok(_) => Ok(true),
            Err(Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn answer(&self, held: &HeldJob, call: &Pending, outcome: &str, retry: Retry) -> Result<(), Undelivered> {
        let outcome: Outcome = serde_json::from_str(outcome)?;
        let answer = match &held.terms {
            Some(terms) => reply::to_job(held.key, terms, &outcome, self.back_off, now_ms()),
            None if outcome.status == Status::Succeeded => Answer::Complete,
            None => return Err(Undelivered::NotOurs(held.key)),
        };
        let variables = json!({ call.result.as_str(): outcome });
        let answered = match &answer {
            Answer::Complete => self.zeebe.complete_job(held.key, &variables, retry).await,
            Answer::Fail(failure) => self.zeebe.fail_job(failure, retry).await,
            Answer::Throw { code, message, next_try } => {
                match self.zeebe.throw_error(held.key, code, message, &variables, retry).await {
                    // Where nobody caught it the task is still there, and whoever resolves its incident gets a new call.
                    // Not before: a job that came again in between would run the function beside this outcome.
                    Ok(()) | Err(Error::State { .. }) => {
                        let task = held.terms.as_ref().map_or(0, |terms| terms.element_instance_key);
                        self.zeebe.set_variables(task, next_try, true, retry).await
                    }
                    gone => gone,
                }
            }
        };
        match answered {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            // A former answer of ours has brought it about. A success is never said to have arrived because of that: an
            // incident that somebody else raised stands before it.
            Err(Error::State { .. }) if !matches!(answer, Answer::Complete) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Which outcomes are on their way, and room for more.
#[derive(Clone)]
pub struct Deliveries {
    under_way: Arc<Mutex<HashMap<CallId, Arc<Notify>>>>,
    room: Arc<Semaphore>,
    wake: Arc<Notify>,
}

/// The right to deliver one outcome; dropped, it makes room for the next.
pub struct Slot {
    id: CallId,
    deliveries: Deliveries,
    taken_over: Arc<Notify>,
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
        let mut under_way = self.lock();
        if under_way.contains_key(id) {
            return None;
        }
        Some(self.slot(&mut under_way, id, Some(room)))
    }

    /// A slot for this outcome whoever delivers it, and whether there is room or not: a person asked for it.
    pub fn take_over(&self, id: &CallId) -> Slot {
        let mut under_way = self.lock();
        if let Some(before) = under_way.get(id) {
            before.notify_one();
        }
        self.slot(&mut under_way, id, None)
    }

    fn slot(
        &self,
        under_way: &mut HashMap<CallId, Arc<Notify>>,
        id: &CallId,
        room: Option<OwnedSemaphorePermit>,
    ) -> Slot {
        let taken_over = Arc::<Notify>::default();
        under_way.insert(id.clone(), Arc::clone(&taken_over));
        Slot { id: id.clone(), deliveries: self.clone(), taken_over, room }
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
    fn lock(&self) -> MutexGuard<'_, HashMap<CallId, Arc<Notify>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Waits until somebody else has taken the outcome over.
    pub async fn taken_over(&self) {
        self.taken_over.notified().await;
    }

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
        let mut under_way = self.deliveries.lock();
        if under_way.get(&self.id).is_some_and(|holder| Arc::ptr_eq(holder, &self.taken_over)) {
            under_way.remove(&self.id);
        }
    }
}
