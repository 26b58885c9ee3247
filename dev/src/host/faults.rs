//! Misbehaviour to order: what the real OpenFaaS does now and then, done on demand.

use axum::http::StatusCode;
use std::{collections::VecDeque, time::Duration};
use tokio::sync::watch;

/// CE documents asynchronous calls of at most this length.
pub const CE_UPSTREAM_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// What goes wrong. The default is nothing; a counted fault is used up by happening.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// One for each of the next `POST /async-function`, in this order.
    pub submissions: VecDeque<SubmissionFault>,
    /// So many of the next callbacks are never sent.
    pub lose_callbacks: u32,
    /// So many of the next callbacks (after the lost ones) are sent twice.
    pub double_callbacks: u32,
    /// So many of the next answered calls lose their worker before the callback: they are delivered again.
    pub worker_dies: u32,
    /// A call that runs longer is delivered again beside itself, under the same call id, each time this has passed,
    /// until one of its runs has ended. Each run sends its callback.
    pub ack_wait: Option<Duration>,
    /// How long the gateway waits for a function; then 502 with an empty body. See [`CE_UPSTREAM_TIMEOUT`].
    pub upstream_timeout: Option<Duration>,
    /// Calls are accepted and wait; running ones go on.
    pub hold: bool,
}

/// What happens to one `POST /async-function`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubmissionFault {
    /// It is answered with this status.
    Answer {
        /// Any; 202 is no fault.
        status: StatusCode,
        /// Whether the call is in the queue all the same.
        queued: bool,
    },
    /// The connection is cut without an answer.
    Disconnect {
        /// Whether the call is in the queue all the same.
        queued: bool,
    },
    /// It is queued at once and answered so much later.
    Delay(Duration),
}

/// Changes the faults of a running host. Clones steer the same host.
#[derive(Debug, Clone)]
pub struct FaultControl {
    faults: watch::Sender<Faults>,
    killed: watch::Sender<()>,
}

/// What happens to one callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallbackFate {
    Lost,
    Once,
    Twice,
}

impl FaultControl {
    pub(super) fn new(faults: Faults) -> Self {
        Self { faults: watch::Sender::new(faults), killed: watch::Sender::new(()) }
    }

    /// Changes what goes wrong from now on: `host.faults().change(|f| f.lose_callbacks = 1)`.
    pub fn change(&self, change: impl FnOnce(&mut Faults)) {
        self.faults.send_modify(change);
    }

    /// The next `times` submissions meet this fault, after those ordered before.
    pub fn next_submissions(&self, times: usize, fault: SubmissionFault) {
        self.change(|faults| faults.submissions.extend(std::iter::repeat_n(fault, times)));
    }

    /// What is still to go wrong.
    pub fn pending(&self) -> Faults {
        self.faults.borrow().clone()
    }

    /// Kills the queue worker while it waits for functions: every running call is cut off and delivered again.
    pub fn kill_worker(&self) {
        self.killed.send_replace(());
    }

    pub(super) fn worker_kills(&self) -> watch::Receiver<()> {
        self.killed.subscribe()
    }

    pub(super) async fn released(&self) {
        // The sender is here, so waiting cannot fail.
        let _ = self.faults.subscribe().wait_for(|faults| !faults.hold).await;
    }

    pub(super) fn ack_wait(&self) -> Option<Duration> {
        self.faults.borrow().ack_wait
    }

    pub(super) fn upstream_timeout(&self) -> Option<Duration> {
        self.faults.borrow().upstream_timeout
    }

    pub(super) fn take_submission(&self) -> Option<SubmissionFault> {
        self.take(|faults| faults.submissions.pop_front())
    }

    pub(super) fn take_worker_death(&self) -> bool {
        self.take(|faults| count_down(&mut faults.worker_dies).then_some(())).is_some()
    }

    pub(super) fn take_callback_fate(&self) -> CallbackFate {
        let fate = |faults: &mut Faults| {
            if count_down(&mut faults.lose_callbacks) {
                Some(CallbackFate::Lost)
            } else {
                count_down(&mut faults.double_callbacks).then_some(CallbackFate::Twice)
            }
        };
        self.take(fate).unwrap_or(CallbackFate::Once)
    }

    fn take<T>(&self, take: impl FnOnce(&mut Faults) -> Option<T>) -> Option<T> {
        let mut taken = None;
        self.faults.send_if_modified(|faults| {
            taken = take(faults);
            taken.is_some()
        });
        taken
    }
}

fn count_down(count: &mut u32) -> bool {
    let some = *count > 0;
    *count = count.saturating_sub(1);
    some
}
