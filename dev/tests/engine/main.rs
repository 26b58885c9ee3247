//! The embedded engine's state machine: what it does, asked in commands and told in replies and events.
#![expect(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value, reason = "tests")]

mod boundary;
mod calls;
mod errors;
mod gateways;
mod incidents;
mod jobs;
mod library;
mod messages;
mod multi_instance;
mod processes;
mod refusals;
mod shipped;
mod timers;
mod variables;
mod world;
