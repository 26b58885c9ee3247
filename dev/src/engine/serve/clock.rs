//! The engine's wall clock. It goes with Tokio's, so that a paused one makes it virtual, or stands still.

use std::time::Duration;
use tokio::time::Instant;

/// What time it is for the engine. [`Engine::advance`](super::Engine::advance) moves it.
#[derive(Debug, Clone)]
pub struct Clock {
    base_ms: i64,
    /// None: it stands.
    since: Option<Instant>,
}

impl Clock {
    /// Starts with the system's time and goes on by itself. Inside a Tokio runtime, as all of these.
    pub fn system() -> Self {
        Self::running_from(zeebe2faas::clock::now_ms().cast_signed())
    }

    /// Starts at a time, in milliseconds since 1970, and goes on by itself.
    pub fn running_from(now_ms: i64) -> Self {
        Self { base_ms: now_ms, since: Some(Instant::now()) }
    }

    /// Stands at a time, in milliseconds since 1970, until it is moved.
    pub const fn standing_at(now_ms: i64) -> Self {
        Self { base_ms: now_ms, since: None }
    }

    /// In milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.base_ms.saturating_add(self.since.map_or(0, |since| millis(since.elapsed())))
    }

    pub(super) fn advance(&mut self, by: Duration) {
        self.base_ms = self.base_ms.saturating_add(millis(by));
    }

    /// When that time comes; none where it does not come by itself.
    pub(super) fn when(&self, then_ms: i64) -> Option<Instant> {
        let from_base = Duration::from_millis(u64::try_from(then_ms.saturating_sub(self.base_ms)).unwrap_or(0));
        self.since?.checked_add(from_base)
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
