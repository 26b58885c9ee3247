//! One run: a seed, its processes, its storm, and what came of them.

use crate::{
    faas::Faas,
    functions::{Functions, Product},
    operator::Operator,
    processes::PROCESSES,
    promises::{self, Instance},
    replicas::Replicas,
    storm::Stage,
    world::{Breakage, World},
    zeebe::Zeebe,
};
use std::{path::Path, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};
use zeebe2faas::clock::now_ms;
use zeebe2faas_contract::KeyRing;

/// When runs begin, in milliseconds since 1970.
const BEGIN_MS: u64 = 1_800_000_000_000;
/// The clocks of Zeebe and of the functions differ from the bridges' by less than this.
const MOST_SKEW_MS: u64 = 5_000;
/// How long after the storm everything may take.
const PATIENCE: Duration = Duration::from_secs(4 * 3600);
const KEY: &str = "first MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE\n";

/// What came of a run.
#[derive(Debug, PartialEq, Eq)]
pub struct Result {
    /// Of all that happened.
    pub trace: u64,
    /// Broken promises.
    pub complaints: Vec<String>,
}

/// Runs a seed on this thread.
pub fn run(seed: u64, breakage: Option<Breakage>, aloud: bool) -> Result {
    let folder = folder();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(simulate(seed, breakage, folder.path(), aloud))
}

/// In memory where the system has such a folder: the runner waits for the disk at each step.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.expect("a folder");
    for name in ["templates", "state"] {
        std::fs::create_dir(folder.path().join(name)).expect("a folder");
    }
    for name in ["token.key", "runner.key"] {
        std::fs::write(folder.path().join(name), KEY).expect("a file");
    }
    folder
}

async fn simulate(seed: u64, breakage: Option<Breakage>, folder: &Path, aloud: bool) -> Result {
    zeebe2faas::chance::seed(seed);
    zeebe2faas_runner::blocking::at_once();
    let world = Arc::new(World::new(seed, breakage, aloud));
    let skew = || BEGIN_MS + world.dice.millis(0..MOST_SKEW_MS).as_millis() as u64;
    zeebe2faas::clock::follow_tokio(skew());
    zeebe2faas_runner::clock::follow_tokio(skew());
    let count = 1 + world.dice.one_of(5);
    let products: Arc<[Product]> = (0..count).map(|_| product(&world)).collect();
    let (zeebe, events) = Zeebe::start(Arc::clone(&world), skew().cast_signed()).await;
    let secret = KeyRing::parse(KEY).expect("a key");
    let functions = Functions::start(Arc::clone(&world), Arc::clone(&products), folder, &secret);
    let replicas = Replicas::new(Arc::clone(&world), Arc::clone(&zeebe), folder);
    let faas = Faas::new(Arc::clone(&world), Arc::clone(&functions));
    replicas.start_all(Arc::clone(&faas));
    let operator = Operator::new(Arc::clone(&world), zeebe.client());
    tokio::spawn(operator.clone().listen(events));
    let stage = Stage { world: Arc::clone(&world), zeebe, faas, functions, replicas };

    operator.deploy().await;
    let lasts = world.dice.seconds(60..1500);
    let begun = async {
        let each = (0..count).map(|number| begin(&operator, &world, number));
        futures_util::future::join_all(each).await
    };
    let (instances, ()) = tokio::join!(begun, stage.storm(lasts));
    let all = operator.until_ended(instances.len());
    if timeout(PATIENCE, all).await.is_err() {
        world.complain("an instance has not ended".to_owned());
    } else if let Err(what) = stage.quiet(PATIENCE).await {
        world.complain(format!("it does not become quiet: {what}"));
    }
    promises::check(&world, &instances);
    stage.replicas.end();
    let complaints = std::mem::take(&mut world.seen().complaints);
    Result { trace: world.trace.hash(), complaints }
}

async fn begin(operator: &Operator, world: &World, number: usize) -> Instance {
    let process = PROCESSES[world.dice.one_of(PROCESSES.len())];
    let cancelled_after = world.dice.happens(0.1).then(|| world.dice.seconds(1..600));
    sleep(world.dice.seconds(0..120)).await;
    let key = operator.start(process.id, number).await;
    if let Some(after) = cancelled_after {
        operator.cancel_later(key, after);
    }
    Instance { key, process, begun_ms: now_ms() }
}

fn product(world: &World) -> Product {
    let dice = &world.dice;
    let takes = if dice.happens(0.7) { dice.seconds(1..60) } else { dice.seconds(60..200) };
    let failures = if dice.happens(0.3) { 1 + dice.one_of(4) } else { 0 };
    Product { takes, failures, hangs: dice.happens(0.3) }
}
