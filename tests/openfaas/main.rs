//! The product before an OpenFaaS that runs already: `make test-openfaas` with `OPENFAAS_URL` set (docs/openfaas.md).

use zeebe2faas_tests::outside::{self, Gateway};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_couple_goes_through_the_chain() {
    outside::chain(&Gateway::of_environment()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_failing_program_said_reaches_the_process_and_what_is_not_allowed_is_refused() {
    outside::failure(&Gateway::of_environment()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bridge_that_was_killed_finds_out_what_became_of_its_call() {
    outside::lost_callback(&Gateway::of_environment()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_callback_changes_nothing() {
    outside::forged_callback(&Gateway::of_environment()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_ends_at_its_deadline_with_its_program() {
    outside::deadline(&Gateway::of_environment()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_is_not_there_does_not_leave_a_process_waiting_for_ever() {
    outside::unknown_function(&Gateway::of_environment()).await;
}
