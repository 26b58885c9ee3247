//! Jobs that stay open for their calls, and when the lock of each is to be renewed.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::{sync::Notify, time::Instant};
use zeebe2faas_contract::CallId;

/// Jobs in one look.
const BATCH: usize = 256;

/// The held jobs.
#[derive(Default)]
pub struct Holds {
    held: Mutex<Held>,
    earlier: Notify,
}

/// Each job stands in both maps.
#[derive(Default)]
struct Held {
    by_time: BTreeMap<(Instant, CallId), i64>,
    by_call: HashMap<CallId, Instant>,
}

impl Holds {
    /// The lock of the job `key` is to be renewed at `at`.
    pub fn hold(&self, id: &CallId, key: i64, at: Instant) {
        let mut held = self.lock();
        held.remove(id);
        held.by_call.insert(id.clone(), at);
        held.by_time.insert((at, id.clone()), key);
        let first = held.by_time.first_key_value().is_some_and(|((_, first), _)| first == id);
        drop(held);
        if first {
            self.earlier.notify_one();
        }
    }

    /// The call has ended.
    pub fn release(&self, id: &CallId) {
        self.lock().remove(id);
    }

    /// Waits until locks are to be renewed, and takes those jobs out.
    pub async fn due(&self) -> Vec<(CallId, i64)> {
        loop {
            let next = self.lock().by_time.first_key_value().map(|((at, _), _)| *at);
            match next {
                Some(at) if at <= Instant::now() => return self.lock().take_due(Instant::now()),
                Some(at) => tokio::select! {
                    biased;
                    () = tokio::time::sleep_until(at) => {}
                    () = self.earlier.notified() => {}
                },
                None => self.earlier.notified().await,
            }
        }
    }

    /// A panic elsewhere cannot leave the maps half-changed.
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn remove(&mut self, id: &CallId) {
        if let Some(at) = self.by_call.remove(id) {
            self.by_time.remove(&(at, id.clone()));
        }
    }

    fn take_due(&mut self, now: Instant) -> Vec<(CallId, i64)> {
        let mut due = Vec::new();
        while due.len() < BATCH
            && let Some(entry) = self.by_time.first_entry()
            && entry.key().0 <= now
        {
            let ((_, id), key) = entry.remove_entry();
            self.by_call.remove(&id);
            due.push((id, key));
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn id(number: i64) -> CallId {
        CallId::new("test", number, 1)
    }

    #[tokio::test(start_paused = true)]
    async fn locks_are_due_in_their_order_and_those_of_ended_calls_never() {
        let holds = Holds::default();
        let begun = Instant::now();
        for (number, seconds) in [(1, 30), (2, 10), (3, 20)] {
            holds.hold(&id(number), number, begun + Duration::from_secs(seconds));
        }
        holds.release(&id(3));
        assert_eq!(holds.due().await, [(id(2), 2)]);
        assert_eq!(holds.due().await, [(id(1), 1)]);
        assert_eq!(begun.elapsed(), Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_that_is_held_anew_is_due_once() {
        let holds = Holds::default();
        let begun = Instant::now();
        holds.hold(&id(1), 1, begun);
        holds.hold(&id(1), 1, begun + Duration::from_secs(5));
        assert_eq!(holds.due().await, [(id(1), 1)]);
        assert_eq!(begun.elapsed(), Duration::from_secs(5));
        assert!(holds.lock().by_time.is_empty() && holds.lock().by_call.is_empty());
    }
}
