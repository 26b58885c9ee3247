//! Wall-clock time, which deadlines are given in.

use std::{
    cell::Cell,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::time::Instant;

thread_local! {
    static FOLLOWED: Cell<Option<(u64, Instant)>> = const { Cell::new(None) };
}

/// Milliseconds since 1970 (UTC), now.
pub fn now_ms() -> u64 {
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    match FOLLOWED.get() {
        None => millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()),
        Some((then_ms, then)) => then_ms + millis(then.elapsed()),
    }
}

/// It is `now_ms` on this thread, and from now on its wall clock follows tokio's, which may be paused: for simulations.
#[doc(hidden)]
pub fn follow_tokio(now_ms: u64) {
    FOLLOWED.set(Some((now_ms, Instant::now())));
}

/// When a call must have ended, by this machine's wall clock.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    /// In milliseconds since 1970 (UTC).
    pub at_ms: u64,
}

impl Deadline {
    /// What is left of it; zero once it has passed.
    pub fn remaining(self) -> Duration {
        Duration::from_millis(self.at_ms.saturating_sub(now_ms()))
    }

    /// Whether it has passed.
    pub fn passed(self) -> bool {
        self.remaining().is_zero()
    }
}
