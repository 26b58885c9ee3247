//! The bridge, the runner and the engine in one thread under virtual time, disturbed as a seed says; and whether every
//! promise is kept all the same.
#![expect(clippy::expect_used, reason = "tests")]

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
mod seen;
mod storm;
mod trace;
mod weather;
mod world;
mod zeebe;

use run::run;

#[test]
fn a_seed() {
    let folder = run::folder();
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let begun = std::time::Instant::now();
    let result = run(seed, None, folder.path(), true);
    eprintln!("{result:?} {:?}", begun.elapsed());
}
