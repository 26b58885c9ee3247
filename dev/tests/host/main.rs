//! The function host against clients and functions of the tests' own.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod calls;
mod faults;
mod processes;
mod support;
