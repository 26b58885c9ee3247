//! `make soak`: the same load for ten minutes, or SOAK_SECONDS; writes `docs/soak.md`.
#![expect(clippy::expect_used, reason = "it ends where its surroundings fail")]

use std::{env, fs, process::ExitCode};
use tokio::runtime::Builder;
use zeebe2faas_dev::machine;
use zeebe2faas_tests::soak;

const REPORT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/soak.md");

fn main() -> ExitCode {
    let seconds = env::var("SOAK_SECONDS").ok().filter(|text| !text.is_empty());
    let seconds = seconds.map_or(soak::SECONDS, |text| text.parse().expect("SOAK_SECONDS: whole seconds"));
    if seconds < soak::LEAST_SECONDS {
        eprintln!("SOAK_SECONDS is {seconds}: rows expire after three minutes, so at least {}", soak::LEAST_SECONDS);
        return ExitCode::from(2);
    }
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let facts = machine::facts();
    let soak = runtime.block_on(soak::run(seconds));
    fs::write(REPORT, soak.text(&facts)).expect("the report can be written");
    println!("written: {REPORT}");
    if soak.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
