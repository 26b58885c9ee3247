//! Wall-clock time in the unit of the wire and the ledger.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970 (UTC).
pub fn now_ms() -> u64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// A duration in milliseconds, cut at the largest number.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// How long from `now_ms` until `then_ms`; nothing when it has passed.
pub fn until(now_ms: u64, then_ms: u64) -> Duration {
    Duration::from_millis(then_ms.saturating_sub(now_ms))
}
