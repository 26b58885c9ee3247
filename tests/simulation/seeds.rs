//! Many seeds, on all processors, each on one thread.

use crate::{run, world::Breakage};
use std::{
    cell::Cell,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook},
    sync::{
        Mutex, Once, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

/// So many broken seeds are enough to begin with.
const ENOUGH: usize = 10;
const TELL_EVERY: u64 = 1000;

thread_local! {
    static PANICKED: Cell<bool> = const { Cell::new(false) };
}

/// A seed with broken promises.
#[derive(Debug)]
pub struct Broken {
    pub seed: u64,
    pub complaints: Vec<String>,
}

/// The value of a variable of the environment, such as `SEEDS`.
pub fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} = {text} is not a number")))
}

/// Runs one seed, and tells a panic in any of its tasks from a good end.
pub fn one(seed: u64, breakage: Option<Breakage>, aloud: bool) -> run::Result {
    note_panics();
    PANICKED.set(false);
    let result = catch_unwind(AssertUnwindSafe(|| run::run(seed, breakage, aloud)));
    let mut result = result.unwrap_or(run::Result { trace: 0, complaints: Vec::new() });
    if PANICKED.get() {
        result.complaints.push("something panicked".to_owned());
    }
    result
}

/// So many broken ones that count, in their order as far as all processors allow.
pub fn broken(
    seeds: Range<u64>,
    breakage: Option<Breakage>,
    enough: usize,
    counts: impl Fn(&str) -> bool + Sync,
) -> Vec<Broken> {
    let (next, begun) = (AtomicU64::new(seeds.start), Instant::now());
    let found = Mutex::new(Vec::new());
    let lock = || found.lock().unwrap_or_else(PoisonError::into_inner);
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while lock().len() < enough {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let complaints = one(seed, breakage, false).complaints;
                    if complaints.iter().any(|complaint| counts(complaint)) {
                        lock().push(Broken { seed, complaints });
                    }
                    let done = seed + 1 - seeds.start;
                    if done.is_multiple_of(TELL_EVERY) {
                        eprintln!("{done} seeds in {:.0} s", begun.elapsed().as_secs_f64());
                    }
                }
            });
        }
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Of the whole promise: all seeds of the range keep it.
pub fn keep_every_promise(seeds: Range<u64>) {
    let broken = broken(seeds, None, ENOUGH, |_| true);
    for Broken { seed, complaints } in &broken {
        eprintln!("seed {seed}: {}", complaints.join("; "));
    }
    let first = broken.first().map(|broken| broken.seed);
    assert!(broken.is_empty(), "`make simulate SEED={}` replays it", first.unwrap_or_default());
}

/// A task's panic ends nothing but the task.
fn note_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            PANICKED.set(true);
            before(panic);
        }));
    });
}
