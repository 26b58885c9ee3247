//! The embedded engine beside the real broker: the same processes and requests over gRPC, and what came of them compared.
//! Run by `make test-real`.
//!
//! `DIFFERENTIAL_SCENARIO` plays those with that in their names, `DIFFERENTIAL_SEED` one seed, `DIFFERENTIAL_SEEDS` so
//! many; `DIFFERENTIAL_SHOW` prints the broker's traces of what was played.
#![expect(clippy::unwrap_used, reason = "tests")]

mod answers;
mod bpmn;
mod embedded;
mod facts;
mod peer;
mod random;
mod run;
mod scenarios;
mod trace;
mod zeebe;

use peer::Peer;
use run::Run;
use scenarios::Scenario;
use std::sync::{Arc, LazyLock};
use tokio::{runtime::Runtime, sync::OnceCell, sync::Semaphore, task::JoinSet};

/// Scenarios at once on one peer.
const AT_ONCE: usize = 12;

/// Seeds that are played where none are named.
const SEEDS: u64 = 100;
/// Numbers below it are the scenarios'.
const FIRST_SEED: usize = 10_000;

/// One for all tests: who reads the broker's log goes on when a test ends.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

async fn zeebe() -> Arc<Peer> {
    static ZEEBE: OnceCell<Arc<Peer>> = OnceCell::const_new();
    ZEEBE.get_or_init(async || Arc::new(Peer::zeebe().await)).await.clone()
}

/// The trace of one scenario.
async fn play(peer: Arc<Peer>, number: usize, scenario: &Scenario) -> String {
    let clock = peer.clone();
    let (_shared, _alone) = if scenario.moves_clock {
        (None, Some(clock.clock.write().await))
    } else {
        (Some(clock.clock.read().await), None)
    };
    let mut run = Run::new(peer, number);
    let result = (scenario.play)(&mut run).await;
    run.finish(result)
}

/// The traces of all, in their order.
async fn play_all(peer: Arc<Peer>, first: usize, scenarios: Vec<Scenario>) -> Vec<String> {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut playing = JoinSet::new();
    for (number, scenario) in scenarios.into_iter().enumerate() {
        let (peer, places) = (peer.clone(), places.clone());
        playing.spawn(async move {
            let _place = places.acquire_owned().await.unwrap();
            // One that panics is told as such, and the others go on.
            let played = tokio::spawn(async move { play(peer, first + number, &scenario).await }).await;
            (number, played.unwrap_or_else(|panic| format!("it broke off\nMISSING {panic}")))
        });
    }
    let mut traces = playing.join_all().await;
    traces.sort();
    traces.into_iter().map(|(_, trace)| trace).collect()
}

/// Plays them on both, and says where they part.
async fn compare(first: usize, scenarios: Vec<Scenario>) {
    let names: Vec<String> = scenarios.iter().map(|scenario| scenario.name.clone()).collect();
    let (zeebe, embedded) = tokio::join!(zeebe(), Peer::embedded());
    let (on_zeebe, on_embedded) =
        tokio::join!(play_all(zeebe, first, scenarios.clone()), play_all(Arc::new(embedded), first, scenarios));
    let shown = std::env::var_os("DIFFERENTIAL_SHOW").is_some();
    let mut wrong = 0;
    for ((name, zeebe), engine) in names.iter().zip(&on_zeebe).zip(&on_embedded) {
        if shown {
            println!("=== {name}\n{zeebe}\n");
        }
        // A scenario that does not get what it needs shows nothing.
        let missing = zeebe.contains("\nMISSING").then(|| zeebe.clone());
        if let Some(difference) = missing.or_else(|| trace::difference(zeebe, engine)) {
            println!("=== {name}\n{difference}");
            wrong += 1;
        }
    }
    assert_eq!(wrong, 0, "of {} scenarios", names.len());
}

#[test]
fn in_each_scenario_the_embedded_engine_does_what_zeebe_does() {
    let named = std::env::var("DIFFERENTIAL_SCENARIO").unwrap_or_default();
    let scenarios = scenarios::all().into_iter().filter(|scenario| scenario.name.contains(&named)).collect();
    RUNTIME.block_on(compare(0, scenarios));
}

#[test]
fn whatever_the_dice_make_the_embedded_engine_does_what_zeebe_does() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seeds = match number("DIFFERENTIAL_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=number("DIFFERENTIAL_SEEDS").unwrap_or(SEEDS),
    };
    println!("seeds {seeds:?}");
    RUNTIME.block_on(compare(FIRST_SEED, seeds.map(random::scenario).collect()));
}
