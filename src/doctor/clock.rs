//! Whether the gateway's clock and ours agree: deadlines and signatures are absolute times.

use super::Finding;
use crate::{clock::now_ms, openfaas::Gateway};

/// Clocks may differ by so much, in milliseconds.
const SKEW_LIMIT_MS: u64 = 5_000;

/// The status of the gateway's health, and what its header Date tells of its clock.
pub(super) async fn compare(gateway: &Gateway) -> (Result<u16, String>, Option<Finding>) {
    let before_ms = now_ms();
    match gateway.health().await {
        Ok((status, date)) => (Ok(status), date.and_then(|date| skew(&date, before_ms, now_ms()))),
        Err(reason) => (Err(reason), None),
    }
}

/// A header tells whole seconds, cut off, of some moment between question and answer.
fn skew(date: &str, before_ms: u64, after_ms: u64) -> Option<Finding> {
    let told = jiff::fmt::rfc2822::parse(date).ok()?.timestamp().as_millisecond();
    let told_ms = u64::try_from(told).ok()?;
    let behind_ms = before_ms.saturating_sub(told_ms + 999);
    let ahead_ms = told_ms.saturating_sub(after_ms);
    let skew_ms = behind_ms.max(ahead_ms);
    if skew_ms <= SKEW_LIMIT_MS {
        return Some(Finding::ok("clocks", "the gateway's and ours agree"));
    }
    let direction = if ahead_ms > 0 { "ahead of" } else { "behind" };
    let words = format!("the gateway's is {} s {direction} ours", skew_ms / 1000);
    Some(Finding::warning("clocks", words, "synchronise them (NTP): deadlines and signatures are absolute times"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::{super::State, *};

    #[test]
    fn clocks_that_are_more_than_five_seconds_apart_are_told_with_the_direction() {
        let date = "Tue, 24 Nov 2026 06:17:22 GMT";
        let at = 1_795_501_042_000;
        for (before, after, state, part) in [
            (at, at + 5, State::Ok, "agree"),
            (at + 999, at + 5_000, State::Ok, "agree"),
            (at + 30_000, at + 30_100, State::Warning, "29 s behind ours"),
            (at - 30_000, at - 20_000, State::Warning, "20 s ahead of ours"),
        ] {
            let found = skew(date, before, after).unwrap();
            assert!(found.state == state && found.message.contains(part), "{found:?}");
        }
        assert!(skew("yesterday", at, at).is_none());
    }
}
