//! Who waits: job streams and long polls, by type, and requests for an instance's result.

use super::{
    MAX_AWAITED_RESULTS, MAX_LONG_POLLS, MAX_STREAMS,
    ask::{Answer, Completed, Handed, Stream},
};
use crate::engine::machine::Rejection;
use std::collections::{HashMap, VecDeque};
use tokio::sync::mpsc::OwnedPermit;
use zeebe2faas::zeebe::proto::{ActivateJobsRequest, CreateProcessInstanceResponse};

/// Open job streams; those of one type take turns.
#[derive(Default)]
pub(super) struct Streams(HashMap<String, VecDeque<Stream>>);

impl Streams {
    pub(super) fn add(&mut self, stream: Stream) -> Result<(), Rejection> {
        self.0.retain(|_, streams| {
            streams.retain(|stream| !stream.jobs.is_closed());
            !streams.is_empty()
        });
        limit("job streams", self.0.values().map(VecDeque::len).sum(), MAX_STREAMS)?;
        self.0.entry(stream.job_type.clone()).or_default().push_back(stream);
        Ok(())
    }

    /// The stream whose turn it is, with a place for one job.
    pub(super) fn next(&mut self, job_type: &str) -> Option<(&Stream, OwnedPermit<Handed>)> {
        let streams = self.0.get_mut(job_type)?;
        streams.retain(|stream| !stream.jobs.is_closed());
        let free = |(place, stream): (usize, &Stream)| Some((place, stream.jobs.clone().try_reserve_owned().ok()?));
        let (place, permit) = streams.iter().enumerate().find_map(free)?;
        let stream = streams.remove(place)?;
        streams.push_back(stream);
        Some((streams.back()?, permit))
    }
}

/// A poll that found no job.
pub(super) struct Poll {
    pub request: ActivateJobsRequest,
    pub answer: Answer<Vec<Handed>>,
}

/// Long polls, oldest first.
#[derive(Default)]
pub(super) struct Polls(HashMap<String, VecDeque<Poll>>);

impl Polls {
    pub(super) fn add(&mut self, poll: Poll) {
        let count = |polls: &Self| polls.0.values().map(VecDeque::len).sum();
        if count(self) >= MAX_LONG_POLLS {
            self.0.retain(|_, polls| {
                polls.retain(|poll| !poll.answer.is_closed());
                !polls.is_empty()
            });
        }
        match limit("long polls", count(self), MAX_LONG_POLLS) {
            Ok(()) => self.0.entry(poll.request.r#type.clone()).or_default().push_back(poll),
            Err(rejection) => reply(poll.answer, Err(rejection)),
        }
    }

    /// Those of a type; what still waits is added again.
    pub(super) fn take(&mut self, job_type: &str) -> VecDeque<Poll> {
        let mut polls = self.0.remove(job_type).unwrap_or_default();
        polls.retain(|poll| !poll.answer.is_closed());
        polls
    }

    pub(super) fn put_back(&mut self, job_type: &str, polls: VecDeque<Poll>) {
        if !polls.is_empty() {
            self.0.insert(job_type.to_owned(), polls);
        }
    }
}

/// Requests that wait for their instance's end, by its key.
#[derive(Default)]
pub(super) struct Results(HashMap<i64, (CreateProcessInstanceResponse, Answer<Completed>)>);

impl Results {
    /// Whether there is room for one more.
    pub(super) fn check(&mut self) -> Result<(), Rejection> {
        if self.0.len() >= MAX_AWAITED_RESULTS {
            self.0.retain(|_, (_, answer)| !answer.is_closed());
        }
        limit("requests that wait for a result", self.0.len(), MAX_AWAITED_RESULTS)
    }

    pub(super) fn add(&mut self, created: CreateProcessInstanceResponse, answer: Answer<Completed>) {
        self.0.insert(created.process_instance_key, (created, answer));
    }

    pub(super) fn take(&mut self, key: i64) -> Option<(CreateProcessInstanceResponse, Answer<Completed>)> {
        self.0.remove(&key)
    }
}

/// Answers a client; one that is gone needs none.
pub(super) fn reply<T>(answer: Answer<T>, result: Result<T, Rejection>) {
    let _gone = answer.send(result);
}

fn limit(what: &str, count: usize, most: usize) -> Result<(), Rejection> {
    if count < most {
        return Ok(());
    }
    let message = format!("the engine has {most} {what} open, its limit; close some");
    Err(Rejection { code: tonic::Code::ResourceExhausted, message })
}
