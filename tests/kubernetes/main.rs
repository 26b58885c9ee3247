//! Calls as Jobs at a real Kubernetes API server, with its real controllers; the test plays the kubelet.
#![expect(clippy::expect_used, reason = "tests")]

mod ends;
mod site;
