//! Random numbers for pauses, which a simulation repeats.

use rand::{RngExt, SeedableRng, rngs::SmallRng};
use std::cell::RefCell;

thread_local! {
    static SEEDED: RefCell<Option<SmallRng>> = const { RefCell::new(None) };
}

/// From 0 up to, but not including, 1.
pub fn fraction() -> f64 {
    SEEDED.with_borrow_mut(|seeded| seeded.as_mut().map_or_else(rand::random, |seeded| seeded.random()))
}

/// This thread's numbers are those that follow from `seed`: for simulations.
#[doc(hidden)]
pub fn seed(seed: u64) {
    SEEDED.set(Some(SmallRng::seed_from_u64(seed)));
}
