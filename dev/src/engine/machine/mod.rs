//! The engine's state machine: commands in, replies and events out. Pure: keys are counted, the time is given.

mod command;

pub use command::{Command, Event, Rejection, Reply};

/// Processes, their instances, jobs, messages and timers of one partition, in memory.
#[derive(Debug)]
pub struct Machine {
    partition: i32,
    events: Vec<Event>,
}

impl Machine {
    /// An empty one; its keys are counted from `partition << 51`, as Zeebe's are.
    pub fn new(partition: i32) -> Self {
        Self { partition, events: Vec::new() }
    }

    /// Carries out one command at `now`, in milliseconds since 1970, with all that follows from it.
    ///
    /// # Errors
    ///
    /// What Zeebe would reject, with its status code; nothing has changed then.
    pub fn apply(&mut self, now: i64, command: Command) -> Result<Reply, Rejection> {
        let _ = (now, self.partition);
        Err(Rejection { code: tonic::Code::Unimplemented, message: format!("not yet: {command:?}") })
    }

    /// Does all that is due at `now`: timers, ends of locks, back-offs and messages.
    pub fn advance(&mut self, now: i64) {
        let _ = now;
    }

    /// When [`advance`](Self::advance) has something to do next, in milliseconds since 1970.
    pub fn next_due(&self) -> Option<i64> {
        None
    }

    /// What happened since it was asked last.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }
}
