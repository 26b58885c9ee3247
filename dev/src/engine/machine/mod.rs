//! The engine's state machine: commands in, replies and events out. Pure: keys are counted, the time is given.
//!
//! A command changes what it names and queues steps; each step moves one element instance and may queue more, in the
//! order in which Zeebe writes its follow-up commands. Where to look: `activate`, `complete` and `terminate` have an
//! element's life, `scopes` what its end means to the scope around it, `events` what it waits for, and the other files
//! what their names say.

mod activate;
mod call_activity;
mod command;
mod complete;
mod definitions;
mod errors;
mod evaluate;
mod events;
mod incidents;
mod instance;
mod instances;
mod interval;
mod job_commands;
mod jobs;
mod messages;
mod multi_instance;
mod publish;
mod scopes;
mod start_events;
mod terminate;
mod timers;
mod variables;

pub use command::{Command, Event, Rejection, Reply};

use definitions::Definitions;
use evaluate::Failure;
use incidents::Incident;
use instance::{Instance, State, Triggered};
use instances::Beginning;
use jobs::Jobs;
use messages::{Correlation, Messages};
use std::collections::{HashMap, VecDeque};
use timers::Timers;
use variables::Variables;

use crate::engine::bpmn::ElementIx;

/// The only tenant.
const DEFAULT_TENANT: &str = "<default>";

/// A call does no more steps than this; the rest waits for [`Machine::advance`], so that a process that loops without
/// waiting does not hold up the others.
const STEPS_AT_ONCE: usize = 10_000;

/// Processes, their instances, jobs, messages and timers of one partition, in memory.
#[derive(Debug)]
pub struct Machine {
    partition: i64,
    last_key: i64,
    now: i64,
    definitions: Definitions,
    instances: HashMap<i64, Instance>,
    jobs: Jobs,
    messages: Messages,
    timers: Timers,
    incidents: HashMap<i64, Incident>,
    queue: VecDeque<Step>,
    events: Vec<Event>,
}

/// What is still to be done because of what was done.
#[derive(Debug)]
enum Step {
    /// A process instance begins.
    Begin(Box<Beginning>),
    /// An element is entered.
    Activate { key: i64, scope: i64, element: ElementIx },
    /// All instances of a parallel multi-instance body are entered.
    ActivateEach { body: i64, count: usize },
    /// An element instance ends well.
    Complete(i64),
    /// An element instance is ended.
    Terminate(i64),
    /// All in a scope is ended.
    TerminateChildren(i64),
    /// What a terminating call activity has called is gone.
    ContentEnded(i64),
    /// A message subscription opens.
    Open(i64),
    /// A message goes to the subscription that it was given to.
    Correlate(Box<Correlation>),
    /// A subscription that stays is ready for its next message.
    Reopen(i64),
}

impl Machine {
    /// An empty one; its keys are counted from `partition << 51`, as Zeebe's are.
    pub fn new(partition: i32) -> Self {
        Self {
            partition: partition.into(),
            last_key: i64::from(partition) << 51,
            now: 0,
            definitions: Definitions::default(),
            instances: HashMap::new(),
            jobs: Jobs::default(),
            messages: Messages::default(),
            timers: Timers::default(),
            incidents: HashMap::new(),
            queue: VecDeque::new(),
            events: Vec::new(),
        }
    }

    /// Carries out one command at `now`, in milliseconds since 1970, with all that follows from it.
    ///
    /// # Errors
    ///
    /// What Zeebe would reject, with its status code; nothing has changed then.
    pub fn apply(&mut self, now: i64, command: Command) -> Result<Reply, Rejection> {
        self.now = now;
        let reply = match command {
            Command::Deploy(request) => self.deploy(request),
            Command::CreateInstance(request) => self.create_instance(&request),
            Command::Cancel(request) => self.cancel(&request),
            Command::ActivateJobs(request) => self.activate_jobs(&request),
            Command::PushJob { key, worker, timeout, fetch_variables, tenants } => {
                self.push_job(key, &worker, timeout, &fetch_variables, &tenants)
            }
            Command::YieldJob { key } => self.yield_job(key),
            Command::CompleteJob(request) => self.complete_job(&request),
            Command::FailJob(request) => self.fail_job(request),
            Command::ThrowError(request) => self.throw_error(request),
            Command::UpdateJobTimeout(request) => self.update_job_timeout(&request),
            Command::UpdateJobRetries(request) => self.update_job_retries(&request),
            Command::SetVariables(request) => self.set_variables(&request),
            Command::PublishMessage(request) => self.publish(request),
            Command::ResolveIncident(request) => self.resolve_incident(&request),
        };
        self.run();
        reply
    }

    /// Does all that is due at `now`: timers, ends of locks, back-offs and messages.
    pub fn advance(&mut self, now: i64) {
        self.now = now;
        self.expire_messages();
        self.release_jobs();
        self.run();
        self.fire_timers();
        self.run();
    }

    /// When [`advance`](Self::advance) has something to do next, in milliseconds since 1970.
    pub fn next_due(&self) -> Option<i64> {
        if !self.queue.is_empty() {
            return Some(self.now);
        }
        [self.messages.next_due(), self.jobs.next_due(), self.timers.next_due()].into_iter().flatten().min()
    }

    /// What happened since it was asked last.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Keys of other partitions belong to nobody.
    fn check_partition(&self, key: i64) -> Result<(), Rejection> {
        let partition = key >> 51;
        if partition == self.partition {
            return Ok(());
        }
        let message = format!(
            "Expected to execute command on partition {partition}, but either it does not exist, or the gateway is not yet aware of it"
        );
        Err(Rejection { code: tonic::Code::Unavailable, message })
    }

    fn next_key(&mut self) -> i64 {
        self.last_key += 1;
        self.last_key
    }

    fn run(&mut self) {
        for _ in 0..STEPS_AT_ONCE {
            match self.queue.pop_front() {
                Some(Step::Begin(beginning)) => self.begin(*beginning),
                Some(Step::Activate { key, scope, element }) => self.activate(key, scope, element),
                Some(Step::ActivateEach { body, count }) => self.activate_each(body, count),
                Some(Step::Complete(key)) => self.complete(key),
                Some(Step::Terminate(key)) => self.terminate(key),
                Some(Step::TerminateChildren(scope)) => self.terminate_children_now(scope),
                Some(Step::ContentEnded(key)) => self.after_content_ended(key),
                Some(Step::Open(subscription)) => self.open_subscription(subscription),
                Some(Step::Correlate(correlation)) => self.correlate(*correlation),
                Some(Step::Reopen(subscription)) => self.reopen_subscription(subscription),
                None => return,
            }
        }
    }
}
