//! Runs cells, several side by side: each has a job type of its own.

use super::{
    Cell, Fault,
    restart::{Restart, Ticket},
};
use crate::crash::broker;
use std::{
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};
use tokio::task::JoinSet;
use zeebe2faas_dev::broker::{Broker, BrokerOptions};

/// Cells under which the broker is restarted at once.
const UNDER_ONE_RESTART: usize = 10;

/// What is to be run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Those without a meaning are left out.
    pub cells: Vec<Cell>,
    /// Calls in each cell.
    pub calls: usize,
    /// Cells at the same time.
    pub lanes: usize,
}

/// What went wrong in a cell.
pub type Failed = String;

type Results = Arc<Mutex<Progress>>;

struct Progress {
    results: BTreeMap<Cell, Result<(), Failed>>,
    all: usize,
    begun: Instant,
}

/// Runs the plan, a line of progress for each cell, and gives each cell's result.
pub async fn run(plan: &Plan) -> BTreeMap<Cell, Result<(), Failed>> {
    let mut cells = plan.cells.clone();
    cells.retain(|cell| cell.without_meaning().is_none());
    let progress = Progress { results: BTreeMap::new(), all: cells.len(), begun: Instant::now() };
    let results = Arc::new(Mutex::new(progress));
    let (restarts, others): (Vec<_>, Vec<_>) = cells.into_iter().partition(|c| c.fault == Fault::ZeebeRestarted);
    tokio::join!(side_by_side(others, plan, &results), under_restarts(restarts, plan, &results));
    let mut progress = results.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut progress.results)
}

async fn side_by_side(cells: Vec<Cell>, plan: &Plan, results: &Results) {
    if cells.is_empty() {
        return;
    }
    let (broker, queue) = (broker().await, Arc::new(Mutex::new(VecDeque::from(cells))));
    let mut lanes = JoinSet::new();
    for _ in 0..plan.lanes {
        let (queue, results, calls) = (queue.clone(), results.clone(), plan.calls);
        let (address, log) = (broker.grpc_address(), broker.log());
        lanes.spawn(async move {
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                let Some(cell) = next else { return };
                one(cell, address.clone(), log.clone(), calls, None, &results).await;
            }
        });
    }
    lanes.join_all().await;
}

async fn under_restarts(cells: Vec<Cell>, plan: &Plan, results: &Results) {
    if cells.is_empty() {
        return;
    }
    let options = BrokerOptions { log_records: true, ..BrokerOptions::default() };
    let mut broker = Broker::start(options).await.expect("a broker");
    for cells in cells.chunks(UNDER_ONE_RESTART) {
        let (restart, mut under_way) = (Restart::new(), JoinSet::new());
        for cell in cells.iter().copied() {
            let (ticket, results, calls) = (restart.ticket(), results.clone(), plan.calls);
            let (address, log) = (broker.grpc_address(), broker.log());
            under_way.spawn(async move { one(cell, address, log, calls, Some(ticket), &results).await });
        }
        restart.happen(&mut broker).await.expect("the broker starts again");
        under_way.join_all().await;
    }
}

async fn one(cell: Cell, address: String, log: PathBuf, calls: usize, ticket: Option<Ticket>, results: &Results) {
    let begun = Instant::now();
    // On a task of its own, so that a cell that breaks off ends itself only.
    let result = match tokio::spawn(cell.run(address, log, calls, ticket)).await {
        Ok(result) => result,
        Err(error) => Err(why_it_broke_off(error)),
    };
    let mut progress = results.lock().unwrap_or_else(PoisonError::into_inner);
    let (seconds, since) = (begun.elapsed().as_secs(), progress.begun.elapsed().as_secs());
    let said = if result.is_ok() { "ok" } else { "FAILED" };
    println!("{since:>5} s  {:>3}/{}  {cell}: {said} ({seconds} s)", progress.results.len() + 1, progress.all);
    if let Err(wrong) = &result {
        println!("{wrong}\nto repeat it: make fault-matrix CELLS={cell} CALLS={calls}");
    }
    progress.results.insert(cell, result);
}

fn why_it_broke_off(error: tokio::task::JoinError) -> Failed {
    let Ok(panic) = error.try_into_panic() else { return "cancelled".to_owned() };
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    format!("it broke off: {}", text.unwrap_or_default())
}
