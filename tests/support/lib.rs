//! What the tests share.
#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a test ends where its surroundings fail")]

pub mod callback_ack;
pub mod collector;
pub mod compose;
pub mod crash;
pub mod doctor;
pub mod events;
pub mod fake_gateway;
pub mod fake_openfaas;
pub mod kubelet;
pub mod live;
pub mod matrix;
pub mod outside;
pub mod pki;
pub mod process;
pub mod site;
pub mod soak;
pub mod storm;
pub mod token_server;

use std::{path::PathBuf, time::Duration};

/// Far beyond what any step takes; it only ends tests that fail.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// What comes in time; a test that waits in vain ends.
pub async fn soon<T>(event: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, event).await.expect("it happens in time")
}

/// A client of plain HTTP that follows no redirection.
pub fn http() -> reqwest::Client {
    zeebe2faas::tls::plain_http().redirect(reqwest::redirect::Policy::none()).build().expect("a client")
}

/// Where cargo put the binaries: beside the folder of the tests.
pub fn binaries() -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    test.ancestors().nth(2).expect("target/PROFILE/deps/TEST").to_owned()
}
