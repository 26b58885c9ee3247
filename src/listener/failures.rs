//! How many answers 401 an address gets.
//!
//! A request's token is looked at first, always: it costs microseconds, and a genuine callback that shares its address
//! with a guesser (one gateway, one NAT) would be lost for good if it were turned away unseen. Only the answer to what
//! was not genuine is rationed: past the ration the connection is closed, so that each guess costs a new one.

use super::Address;
use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    sync::{Mutex, PoisonError},
    time::Instant,
};

/// Rations; addresses that fall on the same one share it, which costs them nothing but a connection each.
const RATIONS: usize = 1024;
/// How many seconds' worth an address may use at once.
const BURST_SECONDS: f64 = 5.0;

pub(super) struct Failures {
    per_second: f64,
    hasher: RandomState,
    rations: Mutex<Vec<Ration>>,
}

#[derive(Clone)]
struct Ration {
    left: f64,
    at: Instant,
}

impl Failures {
    pub fn new(per_second: usize) -> Self {
        let per_second = f64::from(u32::try_from(per_second).unwrap_or(u32::MAX));
        let full = Ration { left: per_second * BURST_SECONDS, at: Instant::now() };
        Self { per_second, hasher: RandomState::new(), rations: Mutex::new(vec![full; RATIONS]) }
    }

    /// Whether the address may have one more.
    pub fn allow(&self, address: Address, now: Instant) -> bool {
        let slot = usize::try_from(self.hasher.hash_one(address) % RATIONS as u64).unwrap_or(0);
        let mut rations = self.rations.lock().unwrap_or_else(PoisonError::into_inner);
        let ration = &mut rations[slot];
        let grown = now.saturating_duration_since(ration.at).as_secs_f64() * self.per_second;
        *ration = Ration { left: (ration.left + grown).min(self.per_second * BURST_SECONDS), at: now };
        let allowed = ration.left >= 1.0;
        if allowed {
            ration.left -= 1.0;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_ration_is_used_up_and_grows_again() {
        let failures = Failures::new(2);
        let address = Address::of([10, 0, 0, 1].into());
        let now = Instant::now();
        assert_eq!((0..100).filter(|_| failures.allow(address, now)).count(), 10);
        let later = now + Duration::from_secs(1);
        assert_eq!((0..100).filter(|_| failures.allow(address, later)).count(), 2);
    }
}
