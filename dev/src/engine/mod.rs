//! A Zeebe-compatible engine in memory, for trying out and for tests: what it does, it does as Zeebe 8.6, and what it
//! cannot do, it refuses at deployment.
//!
//! [`bpmn`] reads processes, [`machine`] executes them, [`serve`] speaks gRPC around it.

pub mod bpmn;
pub mod machine;
pub mod serve;
