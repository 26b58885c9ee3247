//! Answers inside a function container: runs one allowed program for each call, once, and reports.
//!
//! Read in this order: [`settings`] says what is allowed, [`paths`] which files; [`server`] checks and signs; [`calls`] decides whether a
//! call is answered, awaited or run; [`guard`] keeps owners and results on the shared state directory, [`observer`]
//! notices dead owners, [`heartbeat`] shows that we are alive; [`execution`] takes one call from its claim to its
//! result, with [`run`] (the process group), [`program_log`], [`usage`], [`outputs`] and [`verdict`].

pub mod calls;
pub mod clock;
pub mod execution;
pub mod guard;
pub mod heartbeat;
pub mod observer;
pub mod outputs;
pub mod paths;
pub mod program_log;
pub mod run;
pub mod server;
pub mod settings;
pub mod usage;
pub mod verdict;
