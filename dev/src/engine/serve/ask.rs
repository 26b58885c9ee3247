//! What goes to the task that owns the machine, and the jobs that come from it.

use super::super::machine::{Command, Event, Rejection, Reply};
use serde_json::{Map, Value};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use zeebe2faas::zeebe::proto::{
    ActivateJobsRequest, ActivatedJob, CreateProcessInstanceRequest, CreateProcessInstanceResponse,
};

pub(super) type Answer<T> = oneshot::Sender<Result<T, Rejection>>;

/// A request to the writer.
pub(super) enum Ask {
    /// One command, answered at once.
    Apply(Command, Answer<Reply>),
    /// Jobs now; where there are none and the request waits, the first ones that come.
    Activate { request: ActivateJobsRequest, waits: bool, answer: Answer<Vec<Handed>> },
    /// An instance, answered when it has completed; never when it is cancelled, as in Zeebe.
    CreateWithResult(CreateProcessInstanceRequest, Answer<Completed>),
    /// A stream takes jobs of its type from now on.
    Stream(Stream, oneshot::Sender<Result<(), Rejection>>),
    /// A job that nobody took.
    Yield(i64),
    /// Moves the clock and does what is due then.
    Advance(Duration, oneshot::Sender<()>),
    /// Hears of all that happens from now on.
    Watch(Watcher),
}

/// Hears of events in their order; it keeps the machine waiting.
pub(super) type Watcher = Box<dyn FnMut(&Event) + Send>;

/// An instance that completed.
pub(super) struct Completed {
    pub created: CreateProcessInstanceResponse,
    pub variables: Map<String, Value>,
}

/// An open job stream. Its receiver is dropped when the client closes it.
pub(super) struct Stream {
    pub job_type: String,
    pub worker: String,
    pub timeout_ms: i64,
    pub fetch_variables: Vec<String>,
    pub jobs: mpsc::Sender<Handed>,
}

/// A locked job on its way to a client; given back when it is dropped on that way.
pub(super) struct Handed {
    job: Option<ActivatedJob>,
    back: mpsc::WeakSender<Ask>,
}

impl Handed {
    pub(super) const fn new(job: ActivatedJob, back: mpsc::WeakSender<Ask>) -> Self {
        Self { job: Some(job), back }
    }

    /// The job leaves for the client.
    pub(super) fn take(mut self) -> ActivatedJob {
        self.job.take().unwrap_or_default()
    }

    pub(super) fn encoded_len(&self) -> usize {
        self.job.as_ref().map_or(0, prost::Message::encoded_len)
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        let (Some(job), Some(back)) = (&self.job, self.back.upgrade()) else { return };
        if back.try_send(Ask::Yield(job.key)).is_err() {
            tracing::warn!(job = job.key, "a job that nobody took waits for the end of its lock");
        }
    }
}
