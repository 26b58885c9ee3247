use super::{Error, Job, proto::ActivatedJob};
use std::{pin::Pin, time::Duration};
use tonic::{Response, Status, Streaming};

const RPC: &str = "StreamActivatedJobs";

type Opening = Pin<Box<dyn Future<Output = Result<Response<Streaming<ActivatedJob>>, Status>> + Send>>;

/// Jobs that Zeebe pushes. Dropping it closes it.
pub struct JobStream {
    address: String,
    state: State,
}

enum State {
    /// Lasts until the first job: Zeebe answers nothing before it.
    Opening(Opening),
    Open(Box<Streaming<ActivatedJob>>),
    Closed,
}

impl JobStream {
    pub(super) fn new(
        address: &str,
        open: impl Future<Output = Result<Response<Streaming<ActivatedJob>>, Status>> + Send + 'static,
    ) -> Self {
        Self { address: address.to_owned(), state: State::Opening(Box::pin(open)) }
    }

    /// The next job; nothing when the stream was closed in good order, by Zeebe or a proxy. It ends after the first
    /// error. Loses nothing when dropped before it is done.
    pub async fn next(&mut self) -> Option<Result<Job, Error>> {
        let message = self.message().await;
        if !matches!(message, Ok(Some(_))) {
            self.state = State::Closed;
        }
        message
            .map_err(|status| Error::from_status(&self.address, RPC, Duration::ZERO, &status))
            .and_then(|job| job.map(|job| Job::from_wire(&self.address, RPC, job)).transpose())
            .transpose()
    }

    async fn message(&mut self) -> Result<Option<ActivatedJob>, Status> {
        if let State::Opening(opening) = &mut self.state {
            let stream = opening.await?.into_inner();
            self.state = State::Open(Box::new(stream));
        }
        match &mut self.state {
            State::Open(stream) => stream.message().await,
            State::Opening(_) | State::Closed => Ok(None),
        }
    }
}
