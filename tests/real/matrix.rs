//! One cell of the fault matrix for each fault, in each reply mode; `make fault-matrix` runs them all.

use zeebe2faas_tests::matrix::{self, Cell, Fault, Mode, Plan, Step};

const CALLS: usize = 4;
const LANES: usize = 4;

/// The step at which the fault is the hardest to get over.
const fn step(fault: Fault) -> Step {
    match fault {
        Fault::Sigkill | Fault::CallbackEarly | Fault::ReplicaKilled => Step::SubmitAnswer,
        Fault::Sigterm | Fault::CallbackLost | Fault::CallbackDoubled => Step::FunctionRuns,
        Fault::GatewayAway | Fault::OtherToken => Step::SubmitRequest,
        Fault::ZeebeAway | Fault::ZeebeRestarted | Fault::DiskFull => Step::CallbackArrives,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_to_a_call_it_is_neither_lost_nor_run_twice_nor_mistaken_for_another() {
    let of = |mode| Fault::ALL.into_iter().map(move |fault| Cell { mode, step: step(fault), fault });
    let cells: Vec<Cell> = Mode::ALL.into_iter().flat_map(of).collect();
    assert!(cells.iter().all(|cell| cell.without_meaning().is_none()), "{cells:?}");
    let results = matrix::run(&Plan { cells: cells.clone(), calls: CALLS, lanes: LANES }).await;
    assert_eq!(results.len(), cells.len());
    let failed: Vec<_> = results.into_iter().filter(|(_, result)| result.is_err()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}
