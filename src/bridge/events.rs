//! What changes of the calls, told to whoever listens. Nobody waits for a listener: one that lags misses changes, and
//! hears that it did.

use super::{
    outcome::Status,
    running::{Line, Running},
};
use crate::ledger::{NewCall, State, Summary};
use serde::Serialize;
use std::sync::Arc;
use tokio::sync::{
    OwnedSemaphorePermit, Semaphore,
    broadcast::{self, error::RecvError},
};
use zeebe2faas_contract::CallId;

/// Changes that are kept for listeners that lag.
const BACKLOG: usize = 256;
/// Listeners at the same time.
pub const MAX_LISTENERS: usize = 64;

/// Tells changes; cheap to clone.
#[derive(Clone)]
pub struct Events {
    changes: broadcast::Sender<Arc<str>>,
    room: Arc<Semaphore>,
}

/// Hears them; dropped, it makes room for another.
pub struct Listener {
    changes: broadcast::Receiver<Arc<str>>,
    _room: OwnedSemaphorePermit,
}

/// What a listener hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A change as JSON: `callId`, `function`, and those fields of the call's line that are new.
    Change(Arc<str>),
    /// Some changes were missed.
    Gap,
}

/// The fields of a call's line that change together.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Change<'a> {
    Submitted {
        state: State,
    },
    #[serde(rename_all = "camelCase")]
    Ended {
        state: State,
        status: &'static str,
        ended_ms: u64,
        progress: Option<()>,
    },
    Delivered {
        delivered: bool,
    },
    Progress {
        progress: &'a Running,
    },
}

impl Change<'_> {
    /// Nothing that the runner told is true any more.
    pub(super) const fn ended(status: Status, ended_ms: u64) -> Self {
        Self::Ended { state: State::Ended, status: status.as_str(), ended_ms, progress: None }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    call_id: &'a CallId,
    function: &'a str,
    #[serde(flatten)]
    change: Change<'a>,
}

impl Default for Events {
    fn default() -> Self {
        Self { changes: broadcast::Sender::new(BACKLOG), room: Arc::new(Semaphore::new(MAX_LISTENERS)) }
    }
}

impl Events {
    /// A listener to everything from now on; nothing where there are too many.
    pub fn listen(&self) -> Option<Listener> {
        let room = Arc::clone(&self.room).try_acquire_owned().ok()?;
        Some(Listener { changes: self.changes.subscribe(), _room: room })
    }

    /// Tells of a new call: its whole line.
    pub(super) fn accepted(&self, call: &NewCall, deadline_ms: u64) {
        self.send(|| Line { call: line(call, deadline_ms), progress: None });
    }

    /// Tells a change of a call, which is made only where somebody listens.
    pub(super) fn tell<'a>(&self, call_id: &CallId, function: &str, change: impl FnOnce() -> Change<'a>) {
        self.send(|| Told { call_id, function, change: change() });
    }

    fn send<T: Serialize>(&self, change: impl FnOnce() -> T) {
        if self.changes.receiver_count() == 0 {
            return;
        }
        match serde_json::to_string(&change()) {
            // The last listener may have left meanwhile.
            Ok(json) => drop(self.changes.send(json.into())),
            Err(error) => tracing::error!(%error, "a change cannot be told"),
        }
    }
}

fn line(call: &NewCall, deadline_ms: u64) -> Summary {
    Summary {
        call_id: call.id.clone(),
        state: State::Accepted,
        delivered: false,
        status: None,
        function: call.function.clone(),
        bpmn_process_id: call.bpmn_process_id.clone(),
        process_instance_key: call.process_instance_key,
        element_id: call.element_id.clone(),
        accepted_ms: call.accepted_ms,
        ended_ms: None,
        deadline_ms,
    }
}

impl Listener {
    /// The next change; nothing after the last one ever.
    pub async fn next(&mut self) -> Option<Heard> {
        match self.changes.recv().await {
            Ok(change) => Some(Heard::Change(change)),
            Err(RecvError::Lagged(_)) => Some(Heard::Gap),
            Err(RecvError::Closed) => None,
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_listener_that_lags_hears_of_the_gap_and_goes_on() {
        let (events, id) = (Events::default(), CallId::new("c", 1, 1));
        let mut listener = events.listen().unwrap();
        for _ in 0..=BACKLOG {
            events.tell(&id, "f", || Change::Delivered { delivered: true });
        }
        assert_eq!(listener.next().await, Some(Heard::Gap));
        let told = format!(r#"{{"callId":"{id}","function":"f","delivered":true}}"#);
        assert_eq!(listener.next().await, Some(Heard::Change(told.into())));
    }

    #[test]
    fn nothing_is_made_where_nobody_listens() {
        Events::default().tell(&CallId::new("c", 1, 1), "f", || unreachable!());
    }

    #[test]
    fn listeners_have_a_limit_and_make_room_again() {
        let events = Events::default();
        let mut listeners: Vec<_> = (0..MAX_LISTENERS).map(|_| events.listen().unwrap()).collect();
        assert!(events.listen().is_none());
        listeners.pop();
        assert!(events.listen().is_some());
    }
}
