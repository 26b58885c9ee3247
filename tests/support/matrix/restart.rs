//! A broker that is restarted under many cells at once, when all of them have come to their step.

use super::fault::OUTAGE;
use tokio::sync::watch;
use zeebe2faas_dev::broker::{Broker, BrokerError};

/// Where the cells meet.
pub(super) struct Restart {
    state: watch::Sender<State>,
}

#[derive(Default)]
struct State {
    expected: usize,
    arrived: usize,
    phase: Phase,
}

#[derive(Default, PartialEq, PartialOrd)]
enum Phase {
    #[default]
    Running,
    Away,
    Back,
}

/// One cell's part. Dropped, the cell is not waited for any more.
pub(super) struct Ticket {
    state: watch::Sender<State>,
    arrived: bool,
}

/// The broker is away.
pub(super) struct Restarting(watch::Receiver<State>);

impl Restart {
    pub(super) fn new() -> Self {
        Self { state: watch::Sender::default() }
    }

    pub(super) fn ticket(&self) -> Ticket {
        self.state.send_modify(|state| state.expected += 1);
        Ticket { state: self.state.clone(), arrived: false }
    }

    /// Waits for everybody, then kills the broker and, after an outage, starts it again.
    pub(super) async fn happen(self, broker: &mut Broker) -> Result<(), BrokerError> {
        let all_are_there = |state: &State| state.arrived >= state.expected;
        // The sender is here, so waiting cannot fail.
        let _ = self.state.subscribe().wait_for(all_are_there).await;
        broker.kill();
        self.state.send_modify(|state| state.phase = Phase::Away);
        tokio::time::sleep(OUTAGE).await;
        let started = broker.restart().await;
        self.state.send_modify(|state| state.phase = Phase::Back);
        started
    }
}

impl Ticket {
    /// The calls are at their step. Returns when the broker is away.
    pub(super) async fn arrive(mut self) -> Restarting {
        self.count();
        let mut state = self.state.subscribe();
        // The sender is in `self`.
        let _ = state.wait_for(|state| state.phase >= Phase::Away).await;
        Restarting(state)
    }

    fn count(&mut self) {
        if !std::mem::replace(&mut self.arrived, true) {
            self.state.send_modify(|state| state.arrived += 1);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.count();
    }
}

impl Restarting {
    /// Waits until the broker is back.
    pub(super) async fn over(mut self) {
        // Nobody restarts it any more: what follows will say so.
        let _ = self.0.wait_for(|state| state.phase >= Phase::Back).await;
    }
}
