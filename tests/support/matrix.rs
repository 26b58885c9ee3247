//! Every step of a call's path × every fault × both reply modes: each cell holds a number of calls at the step, lets the
//! fault happen, and looks at what became of them. None may be lost, none may have run twice, none may tell of another.

mod cell;
mod fault;
mod lanes;
mod meaning;
mod report;
mod restart;
mod stage;
mod step;
mod verdict;

pub use cell::{Cell, cells};
pub use fault::Fault;
pub use lanes::{Failed, Plan, run};
pub use report::{Extra, text};
pub use stage::process;
pub use step::Step;

/// What a call's end does in Zeebe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// A message that a receive task waits for.
    Message,
    /// The service task's own job.
    Job,
}

impl Mode {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Message, Self::Job];

    /// As in the header `reply`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Job => "job",
        }
    }
}
