//! Wall-clock time, which deadlines are given in.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970 (UTC), now.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
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
