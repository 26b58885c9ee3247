//! All that is left to chance in a run follows from its seed.

use rand::{RngExt, SeedableRng, rngs::SmallRng};
use std::{
    ops::Range,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Throws the same numbers for the same seed.
pub struct Dice(Mutex<SmallRng>);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(SmallRng::seed_from_u64(seed)))
    }

    /// Whether something happens that does in this part of all cases.
    pub fn happens(&self, part: f64) -> bool {
        self.fraction() < part
    }

    /// From 0 up to, but not including, 1.
    pub fn fraction(&self) -> f64 {
        self.throw(|dice| dice.random())
    }

    /// One of so many, from 0.
    pub fn one_of(&self, count: usize) -> usize {
        self.throw(|dice| dice.random_range(0..count))
    }

    pub fn millis(&self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.throw(|dice| dice.random_range(range)))
    }

    pub fn seconds(&self, range: Range<u64>) -> Duration {
        self.millis(range.start * 1000..range.end * 1000)
    }

    /// A time to wait for what happens every `mean` or so, at any moment alike.
    pub fn wait(&self, mean: Duration) -> Duration {
        mean.mul_f64(-(1.0 - self.fraction()).ln()) + Duration::from_millis(1)
    }

    fn throw<T>(&self, one: impl FnOnce(&mut SmallRng) -> T) -> T {
        one(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
