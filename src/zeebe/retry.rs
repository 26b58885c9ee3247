use super::Settings;
use crate::chance::fraction;
use std::time::Duration;
use tokio::time::Instant;

/// For how long a request is repeated after passing errors: no connection, a time-out, back-pressure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// One attempt.
    Never,
    /// Until then; the last attempt is cut short there.
    Until(Instant),
    /// Until it succeeds or fails for good: for what must not be lost. The caller ends it by dropping the request.
    Forever,
}

impl Retry {
    /// For this long, from now on.
    pub fn within(limit: Duration) -> Self {
        Self::Until(Instant::now() + limit)
    }

    /// How long the next attempt may take; nothing when the time is up.
    pub(super) fn attempt_timeout(self, longest: Duration) -> Option<Duration> {
        let Self::Until(end) = self else { return Some(longest) };
        let left = end.saturating_duration_since(Instant::now());
        (!left.is_zero()).then(|| left.min(longest))
    }

    /// Whether another attempt may begin after this pause.
    pub(super) fn allows(self, pause: Duration) -> bool {
        match self {
            Self::Never => false,
            Self::Until(end) => Instant::now() + pause < end,
            Self::Forever => true,
        }
    }
}

/// Full jitter: each pause is random between nothing and a bound that doubles up to a limit, so that many clients that
/// failed together do not come back together.
#[derive(Debug)]
pub(crate) struct Pauses {
    first: Duration,
    longest: Duration,
    bound: Duration,
}

impl Pauses {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self { first: settings.first_pause, longest: settings.longest_pause, bound: settings.first_pause }
    }

    /// The next pause.
    pub(crate) fn next(&mut self) -> Duration {
        let pause = self.bound.mul_f64(fraction());
        self.bound = (self.bound * 2).min(self.longest);
        pause
    }

    /// Begins anew: the last attempt succeeded.
    pub(crate) fn reset(&mut self) {
        self.bound = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_limit_and_begin_anew() {
        let mut pauses = Pauses::new(&Settings::new("zeebe:1"));
        for _ in 0..100 {
            assert!(pauses.next() <= Duration::from_secs(5));
        }
        assert_eq!(pauses.bound, Duration::from_secs(5));
        pauses.reset();
        assert!(pauses.next() <= Duration::from_millis(50));
    }

    #[test]
    fn the_last_attempt_is_cut_short_at_the_limit() {
        let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3600));
        let retry = Retry::within(hour);
        assert_eq!(retry.attempt_timeout(second), Some(second));
        assert!(retry.attempt_timeout(2 * hour).is_some_and(|timeout| timeout <= hour));
        assert!(retry.allows(second) && !retry.allows(hour));
        assert_eq!(Retry::Until(Instant::now()).attempt_timeout(second), None);
    }
}
