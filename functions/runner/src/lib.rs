//! Answers inside a function container: runs one allowed program for each call, once, and reports.
//!
//! Read in this order: [`settings`] says what is allowed, [`paths`] which files, [`plan`] what is asked for; [`server`] checks and signs; [`calls`] decides whether a
//! call is answered, awaited or run; [`guard`] keeps owners and results on the shared state directory, [`observer`]
//! notices dead owners, [`heartbeat`] shows that we are alive; [`execution`] takes one call from its claim to its
//! result, with [`resources`] (the program's environment), [`outputs`], [`s3`], [`publishing`] and [`verdict`]; [`run`] is the process group,
//! with [`launch`], [`terminal`], [`program_log`], [`progress`], [`usage`] and [`cgroup`]; [`telling`] tells the bridge
//! how far it is.

#[doc(hidden)]
pub mod blocking;
pub mod calls;
pub mod cgroup;
pub mod clock;
pub mod execution;
pub mod guard;
pub mod heartbeat;
pub mod launch;
pub mod observer;
pub mod once;
pub mod outputs;
pub mod paths;
pub mod plan;
pub mod program_log;
pub mod progress;
pub mod publishing;
pub mod resources;
pub mod run;
pub mod s3;
pub mod server;
pub mod settings;
#[doc(hidden)]
pub mod stage;
pub mod telling;
pub mod terminal;
pub mod usage;
pub mod verdict;
