//! The one task that owns the machine: commands go in, one after the other, and what follows goes to whoever waits.

use super::{
    ask::{Answer, Ask, Completed, Handed, Watcher},
    clock::Clock,
    waiting::{Poll, Polls, Results, Streams, reply},
};
use crate::engine::machine::{Command, Event, Machine, Rejection, Reply};
use std::collections::VecDeque;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use zeebe2faas::zeebe::proto::{ActivatedJob, CreateProcessInstanceRequest};

/// Zeebe counts partitions from 1.
pub(super) const PARTITION: i32 = 1;

pub(super) struct Writer {
    machine: Machine,
    clock: Clock,
    asks: mpsc::Receiver<Ask>,
    /// For jobs that come back.
    back: mpsc::WeakSender<Ask>,
    streams: Streams,
    polls: Polls,
    results: Results,
    watchers: Vec<Watcher>,
}

impl Writer {
    pub(super) fn new(clock: Clock, asks: mpsc::Receiver<Ask>, back: mpsc::WeakSender<Ask>) -> Self {
        let machine = Machine::new(PARTITION);
        Self {
            machine,
            clock,
            asks,
            back,
            streams: Streams::default(),
            polls: Polls::default(),
            results: Results::default(),
            watchers: Vec::new(),
        }
    }

    /// Until `stop`, or until nobody can ask any more. Who still waits then hears nothing: its channel closes.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        loop {
            let due = self.machine.next_due().and_then(|due| self.clock.when(due));
            // In order, so that the same requests at the same times make the same run.
            let ask = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                ask = self.asks.recv() => match ask {
                    Some(ask) => Some(ask),
                    None => return,
                },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => None,
            };
            self.do_what_is_due();
            if let Some(ask) = ask {
                self.answer(ask);
            }
        }
    }

    fn do_what_is_due(&mut self) {
        let now = self.clock.now_ms();
        while self.machine.next_due().is_some_and(|due| due <= now) {
            self.machine.advance(now);
            self.hand_out(true);
        }
    }

    fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Apply(command, answer) => {
                let result = self.apply(command);
                reply(answer, result);
                self.hand_out(true);
            }
            Ask::Activate { request, waits, answer } => self.poll(Poll { request, answer }, waits),
            Ask::CreateWithResult(request, answer) => self.create_with_result(request, answer),
            // What waits already is left to polls, as in Zeebe.
            Ask::Stream(stream, answer) => {
                let _gone = answer.send(self.streams.add(stream));
            }
            Ask::Yield(key) => {
                if let Err(rejection) = self.apply(Command::YieldJob { key }) {
                    tracing::debug!(job = key, %rejection, "a job that nobody took is gone");
                }
                // As in Zeebe: not pushed again, but given to polls.
                self.hand_out(false);
            }
            Ask::Advance(by, answer) => {
                self.clock.advance(by);
                self.do_what_is_due();
                let _gone = answer.send(());
            }
            Ask::Watch(watcher) => self.watchers.push(watcher),
        }
    }

    fn apply(&mut self, command: Command) -> Result<Reply, Rejection> {
        self.machine.apply(self.clock.now_ms(), command)
    }

    fn activate(&mut self, command: Command) -> Result<Vec<ActivatedJob>, Rejection> {
        match self.apply(command)? {
            Reply::Jobs(jobs) => Ok(jobs),
            other => Err(unexpected(&other)),
        }
    }

    fn handed(&self, jobs: Vec<ActivatedJob>) -> Vec<Handed> {
        jobs.into_iter().map(|job| Handed::new(job, self.back.clone())).collect()
    }

    fn poll(&mut self, poll: Poll, waits: bool) {
        match self.activate(Command::ActivateJobs(poll.request.clone())) {
            Ok(jobs) if jobs.is_empty() && waits => self.polls.add(poll),
            result => {
                let result = result.map(|jobs| self.handed(jobs));
                reply(poll.answer, result);
            }
        }
        self.hand_out(true);
    }

    fn create_with_result(&mut self, request: CreateProcessInstanceRequest, answer: Answer<Completed>) {
        let created = self.results.check().and_then(|()| self.apply(Command::CreateInstance(request)));
        match created {
            // Before its events: it may be over already.
            Ok(Reply::Created(created)) => self.results.add(created, answer),
            Ok(other) => reply(answer, Err(unexpected(&other))),
            Err(Rejection { code, message }) => {
                // Its own command in Zeebe, and rejected by its own name.
                let message = message.replacen("Command 'CREATE'", "Command 'CREATE_WITH_AWAITING_RESULT'", 1);
                reply(answer, Err(Rejection { code, message }));
            }
        }
        self.hand_out(true);
    }

    /// Gives what happened to whoever waits for it.
    fn hand_out(&mut self, push: bool) {
        let mut events: VecDeque<Event> = self.machine.take_events().into();
        while let Some(event) = events.pop_front() {
            self.watchers.iter_mut().for_each(|watcher| watcher(&event));
            match event {
                Event::JobActivatable { key, job_type, .. } => {
                    if !(push && self.push(key, &job_type)) {
                        self.serve_polls(&job_type);
                    }
                }
                Event::InstanceEnded { key, completed, variables, .. } => {
                    if let Some((created, answer)) = self.results.take(key)
                        && completed
                    {
                        reply(answer, Ok(Completed { created, variables }));
                    }
                }
                Event::IncidentCreated { key, instance, element, error_type, message, .. } => {
                    tracing::info!(incident = key, instance, element, error_type, reason = message, "an incident");
                }
                Event::IncidentResolved { .. }
                | Event::ElementEntered { .. }
                | Event::FlowTaken { .. }
                | Event::ElementLeft { .. } => {}
            }
            events.extend(self.machine.take_events());
        }
    }

    /// Whether a stream took the job, or nobody needs to.
    fn push(&mut self, key: i64, job_type: &str) -> bool {
        let Some((stream, place)) = self.streams.next(job_type) else { return false };
        let command = Command::PushJob {
            key,
            worker: stream.worker.clone(),
            timeout: stream.timeout_ms,
            fetch_variables: stream.fetch_variables.clone(),
            tenants: Vec::new(),
        };
        match self.activate(command) {
            Ok(jobs) => {
                if let Some(job) = jobs.into_iter().next() {
                    place.send(Handed::new(job, self.back.clone()));
                }
                true
            }
            Err(rejection) => {
                tracing::debug!(job = key, %rejection, "a job was not pushed");
                true
            }
        }
    }

    /// Gives jobs to the polls that wait, the oldest first, for as long as there are any.
    fn serve_polls(&mut self, job_type: &str) {
        let mut polls = self.polls.take(job_type);
        while let Some(poll) = polls.pop_front() {
            match self.activate(Command::ActivateJobs(poll.request.clone())) {
                Ok(jobs) if jobs.is_empty() => {
                    polls.push_front(poll);
                    break;
                }
                result => {
                    let result = result.map(|jobs| self.handed(jobs));
                    reply(poll.answer, result);
                }
            }
        }
        self.polls.put_back(job_type, polls);
    }
}

pub(super) fn unexpected(reply: &Reply) -> Rejection {
    Rejection { code: tonic::Code::Internal, message: format!("the machine answered something else: {reply:?}") }
}
