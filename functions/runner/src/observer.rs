//! Notices that an owner is dead: its counter stood still for long enough, by our own clock.

use crate::guard::Owner;
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;
use zeebe2faas_contract::CallId;

/// More than this many are not watched at once: the one looked at longest ago is forgotten.
const MAX_WATCHED: usize = 1024;

/// What we saw of other owners' counters.
#[derive(Debug)]
pub struct Observer {
    dead_after: Duration,
    /// Counts at most, between two looks: when we stood still ourselves, we saw nothing meanwhile.
    longest_gap: Duration,
    watched: Mutex<HashMap<CallId, Watch>>,
}

#[derive(Debug)]
struct Watch {
    owner: Owner,
    looked_at: Instant,
    stood_still: Duration,
}

impl Observer {
    /// An owner is dead when its counter stood still for `dead_after`; it counts every `beat`.
    pub fn new(dead_after: Duration, beat: Duration) -> Self {
        Self { dead_after, longest_gap: beat * 2, watched: Mutex::default() }
    }

    /// Takes note of what an owner's record says at `now`; whether that owner is dead.
    pub fn is_dead(&self, id: &CallId, owner: &Owner, now: Instant) -> bool {
        let mut watched = self.watched();
        if !watched.contains_key(id) && watched.len() >= MAX_WATCHED {
            let oldest = watched.iter().min_by_key(|(_, watch)| watch.looked_at).map(|(id, _)| id.clone());
            oldest.and_then(|id| watched.remove(&id));
        }
        let fresh = || Watch { owner: owner.clone(), looked_at: now, stood_still: Duration::ZERO };
        let watch = watched.entry(id.clone()).or_insert_with(fresh);
        if watch.owner != *owner {
            *watch = fresh();
        }
        watch.stood_still += now.saturating_duration_since(watch.looked_at).min(self.longest_gap);
        watch.looked_at = now;
        watch.stood_still >= self.dead_after
    }

    /// The call has no owner, or ended: no need to look again.
    pub fn forget(&self, id: &CallId) {
        self.watched().remove(id);
    }

    /// The calls to look at again, regularly, in the order of their ids.
    pub fn watched_calls(&self) -> Vec<CallId> {
        let mut calls: Vec<CallId> = self.watched().keys().cloned().collect();
        calls.sort();
        calls
    }

    fn watched(&self) -> MutexGuard<'_, HashMap<CallId, Watch>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn observer() -> (Observer, CallId) {
        (Observer::new(SECOND * 120, SECOND * 15), CallId::new("c", 1, 1))
    }

    #[test]
    fn an_owner_is_dead_once_its_counter_stood_still_for_long_enough() {
        let (observer, id) = observer();
        let (owner, start) = (Owner::at(7), Instant::now());
        let dead = (0..10).map(|n| observer.is_dead(&id, &owner, start + SECOND * 15 * n));
        assert_eq!(dead.collect::<Vec<_>>(), [[false; 8].as_slice(), &[true, true]].concat());
        assert!(!observer.is_dead(&id, &Owner::at(8), start + SECOND * 1000), "it advanced");
    }

    #[test]
    fn an_observer_that_stood_still_itself_takes_nobody_for_dead() {
        let (observer, id) = observer();
        let (owner, start) = (Owner::at(7), Instant::now());
        assert!(!observer.is_dead(&id, &owner, start));
        assert!(!observer.is_dead(&id, &owner, start + SECOND * 86_400));
    }

    #[test]
    fn the_number_of_watched_calls_is_bounded() {
        let (observer, _) = observer();
        let now = Instant::now();
        for key in 0..2000 {
            observer.is_dead(&CallId::new("c", key, 1), &Owner::at(1), now);
        }
        assert_eq!(observer.watched_calls().len(), MAX_WATCHED);
    }
}
