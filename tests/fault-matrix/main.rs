//! `make fault-matrix`: the matrix as a whole, or the cells named; writes `docs/reliability.md`.
#![expect(clippy::expect_used, reason = "it ends where its surroundings fail")]

use std::{collections::BTreeMap, env, fs, process::ExitCode, time::Instant};
use tokio::runtime::Builder;
use zeebe2faas_dev::machine;
use zeebe2faas_tests::{
    matrix::{self, Cell, Extra, Plan},
    storm,
};

const REPORT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reliability.md");
const CALLS: usize = 20;
const LANES: usize = 4;

fn main() -> ExitCode {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let good = runtime.block_on(run());
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run() -> bool {
    let wanted = env::var("CELLS").unwrap_or_default();
    let parts: Vec<&str> = wanted.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    let named = |cell: &Cell| parts.is_empty() || parts.iter().any(|part| cell.to_string().contains(part));
    let cells = matrix::cells().into_iter().filter(named).collect();
    let plan = Plan { cells, calls: number("CALLS", CALLS), lanes: number("LANES", LANES) };
    let (facts, begun) = (machine::facts(), Instant::now());
    let results = matrix::run(&plan).await;
    print_totals(&results);
    let cells_are_good = results.values().all(Result::is_ok);
    if !parts.is_empty() {
        return cells_are_good && !results.is_empty();
    }
    println!("{} callbacks while Zeebe is away", storm::CALLS);
    let storm = storm::run().await;
    println!("{storm}");
    let extra = Extra { facts, took: begun.elapsed(), sections: storm.section() };
    fs::write(REPORT, matrix::text(&plan, &results, &extra)).expect("the report can be written");
    println!("written: {REPORT}");
    cells_are_good && storm.is_good()
}

fn number(name: &str, default: usize) -> usize {
    env::var(name).ok().filter(|text| !text.is_empty()).map_or(default, |text| text.parse().expect("a whole number"))
}

fn print_totals(results: &BTreeMap<Cell, Result<(), matrix::Failed>>) {
    let failed: Vec<_> = results.iter().filter(|(_, result)| result.is_err()).map(|(cell, _)| cell).collect();
    println!("{} cells, {} failed", results.len(), failed.len());
    for cell in failed {
        println!("  {cell}");
    }
}
