use crate::zeebe::Error;
use tokio::sync::watch;

/// Whether Zeebe answers a worker. A full worker does not ask; it keeps what it found last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    /// Not asked yet.
    Connecting,
    /// The last poll was answered.
    Connected,
    /// The last poll failed.
    Waiting {
        /// Why.
        reason: String,
    },
}

/// Sets the connection's state and says when it changes: once, not at every attempt.
#[derive(Debug)]
pub(super) struct Reporter {
    state: watch::Sender<Connection>,
    job_type: String,
    address: String,
}

impl Reporter {
    pub(super) fn new(job_type: &str, address: &str) -> (Self, watch::Receiver<Connection>) {
        let (state, receiver) = watch::channel(Connection::Connecting);
        (Self { state, job_type: job_type.to_owned(), address: address.to_owned() }, receiver)
    }

    pub(super) fn connected(&self) {
        let changed = |state: &mut Connection| std::mem::replace(state, Connection::Connected) != Connection::Connected;
        if self.state.send_if_modified(changed) {
            tracing::info!(job_type = self.job_type, "connected to Zeebe at {}", self.address);
        }
    }

    pub(super) fn waiting(&self, error: &Error) {
        let waiting = Connection::Waiting { reason: error.to_string() };
        if !matches!(self.state.send_replace(waiting), Connection::Waiting { .. }) {
            tracing::warn!(job_type = self.job_type, "waiting for Zeebe at {}: {error}", self.address);
        }
    }
}
