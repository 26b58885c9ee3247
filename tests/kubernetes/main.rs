//! Calls as Jobs at a real Kubernetes API server, with its real controllers; the test plays scheduler and kubelet. All that
//! the bridge does here it does as a user with the shipped Role.
#![expect(clippy::expect_used, clippy::panic, reason = "tests")]

mod chain;
mod crowd;
mod ends;
mod functions;
mod joints;
mod manifests;
mod outage;
mod rendered;
mod restarts;
mod rights;
mod site;
mod templates;
