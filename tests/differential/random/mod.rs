//! Processes and requests made at random, the same ones for the same seed.

mod dice;
mod processes;
mod script;

use crate::scenarios::Scenario;
use std::sync::Arc;

/// What a seed makes. One in four moves the clock.
pub fn scenario(seed: u64) -> Scenario {
    let moves_clock = seed.is_multiple_of(4);
    Scenario {
        name: format!("seed {seed}, replayed by DIFFERENTIAL_SEED={seed}"),
        moves_clock,
        play: Arc::new(move |run| Box::pin(script::play(run, seed, moves_clock))),
    }
}
