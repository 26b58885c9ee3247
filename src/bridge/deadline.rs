//! Finds the calls whose time is up. A lost callback becomes the outcome `timedOut`.

use crate::{
    bridge::outcome::{Outcome, Status},
    clock::{millis, now_ms, until},
    ledger::{Ledger, LedgerError, Pending},
};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use tokio::sync::Notify;

/// Calls in one look.
const BATCH: usize = 100;
/// A look is due at the latest after this long, whatever the wall clock did.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// Watches the deadlines of all open calls.
pub struct Deadlines {
    grace: Duration,
    next_ms: AtomicU64,
    earlier: Notify,
}

impl Deadlines {
    /// A call is overdue `grace` past its deadline, since the clocks of bridge and runner may differ.
    pub const fn new(grace: Duration) -> Self {
        Self { grace, next_ms: AtomicU64::new(u64::MAX), earlier: Notify::const_new() }
    }

    /// There is a new deadline; wakes the watch if it is before all others.
    pub fn add(&self, deadline_ms: u64) {
        if deadline_ms < self.next_ms.fetch_min(deadline_ms, Ordering::AcqRel) {
            self.earlier.notify_one();
        }
    }

    /// Waits until at least one call is overdue, and gives some of them.
    pub async fn overdue(&self, ledger: &Ledger) -> Result<Vec<Pending>, LedgerError> {
        loop {
            // Forgotten first, so that a deadline added during the question wakes this watch.
            self.next_ms.store(u64::MAX, Ordering::Release);
            let next_ms = ledger.next_deadline().await?.unwrap_or(u64::MAX);
            self.next_ms.fetch_min(next_ms, Ordering::AcqRel);
            let now_ms = now_ms();
            let due_ms = next_ms.saturating_add(millis(self.grace));
            if due_ms <= now_ms {
                return ledger.overdue(now_ms - millis(self.grace), BATCH).await;
            }
            tokio::select! {
                biased;
                () = tokio::time::sleep(until(now_ms, due_ms).min(LONGEST_SLEEP)) => {}
                () = self.earlier.notified() => {}
            }
        }
    }
}

/// What is delivered of a call that nobody told anything about in time.
pub fn timed_out(call: &Pending) -> Outcome {
    let message = format!(
        "`{}` did not report before the deadline: its callback was lost, or it is still waiting or running; \
         see its log, and the header `timeout` of the task",
        call.function
    );
    Outcome::plain(call.id.clone(), call.function.clone(), Status::TimedOut, message, true)
}
