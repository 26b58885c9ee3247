//! The scenarios: each shows what its name says.

mod deployments;
mod events;
mod gateways;
mod jobs;
mod messages;
mod multi_instance;
mod rejections;
mod scopes;
mod subprocesses;
mod tasks;
mod timers;

use crate::run::{Run, Script};
use std::sync::Arc;

/// One of them.
#[derive(Clone)]
pub struct Scenario {
    pub name: String,
    pub moves_clock: bool,
    pub play: Arc<dyn Fn(&mut Run) -> Script<'_> + Send + Sync>,
}

/// Scenarios by the names of their functions; those behind `clock` move it.
macro_rules! scenarios {
    ($($still:ident),* $(,)? $(; clock: $($moving:ident),* $(,)?)?) => {
        pub fn all() -> Vec<crate::scenarios::Scenario> {
            let one = crate::scenarios::scenario;
            vec![
                $(one(stringify!($still), false, |run| Box::pin($still(run))),)*
                $($(one(stringify!($moving), true, |run| Box::pin($moving(run))),)*)?
            ]
        }
    };
}
use scenarios;

fn scenario(name: &str, moves_clock: bool, play: fn(&mut Run) -> Script<'_>) -> Scenario {
    Scenario { name: name.to_owned(), moves_clock, play: Arc::new(play) }
}

/// All of them.
pub fn all() -> Vec<Scenario> {
    [
        deployments::all(),
        events::all(),
        gateways::all(),
        jobs::all(),
        messages::all(),
        multi_instance::all(),
        rejections::all(),
        scopes::all(),
        subprocesses::all(),
        tasks::all(),
        timers::all(),
    ]
    .concat()
}
