//! The bridge, the runner and the engine in one thread under virtual time, disturbed as a seed says; and whether every
//! promise is kept all the same. `docs/simulation.md` says how it works.
#![expect(clippy::expect_used, clippy::panic, reason = "tests")]

mod dice;
mod edge;
mod faas;
mod functions;
mod http;
mod ledger;
mod operator;
mod processes;
mod promises;
mod replicas;
mod run;
mod seeds;
mod seen;
mod storm;
mod trace;
mod weather;
mod world;
mod zeebe;

use seeds::from_environment;
use world::Breakage;

/// With no word on how many.
const SEEDS: u64 = 1000;
/// Every deliberate breakage is found within so many.
const FOUND_WITHIN: u64 = 1000;
/// These are run twice.
const REPLAYED: u64 = 25;

#[test]
fn every_promise_is_kept_whatever_the_seed() {
    match from_environment("SEED") {
        Some(seed) => {
            let complaints = seeds::one(seed, None, true).complaints;
            assert!(complaints.is_empty(), "{complaints:#?}");
        }
        None => seeds::keep_every_promise(1..from_environment("SEEDS").unwrap_or(SEEDS) + 1),
    }
}

#[test]
fn a_seed_replays_exactly() {
    for seed in 1..=REPLAYED {
        assert_eq!(seeds::one(seed, None, false), seeds::one(seed, None, false), "seed {seed}");
    }
}

#[test]
fn an_outcome_that_is_answered_before_it_is_committed_is_found_out() {
    is_found_out(Breakage::AnsweredBeforeCommitted, "timed out, but the bridge had taken the end of run");
}

#[test]
fn a_message_without_its_id_is_found_out() {
    is_found_out(Breakage::NoMessageId, "messages of call");
}

#[test]
fn a_runner_without_its_guard_is_found_out() {
    is_found_out(Breakage::NoRunOnceGuard, "ran again");
}

fn is_found_out(breakage: Breakage, complaint: &str) {
    let found = seeds::broken(1..FOUND_WITHIN + 1, Some(breakage), 1, |seen| seen.contains(complaint));
    let first = found.first().unwrap_or_else(|| panic!("{breakage:?} is not found"));
    eprintln!("{breakage:?} is found with seed {}", first.seed);
}
