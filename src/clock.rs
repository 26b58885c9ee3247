//! Wall-clock time in the unit of the wire and the ledger.

use std::{
    cell::Cell,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::time::Instant;

thread_local! {
    static FOLLOWED: Cell<Option<(u64, Instant)>> = const { Cell::new(None) };
}

/// Milliseconds since 1970 (UTC).
pub fn now_ms() -> u64 {
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

/// A duration in milliseconds, cut at the largest number.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// How long from `now_ms` until `then_ms`; nothing when it has passed.
pub fn until(now_ms: u64, then_ms: u64) -> Duration {
    Duration::from_millis(then_ms.saturating_sub(now_ms))
}
