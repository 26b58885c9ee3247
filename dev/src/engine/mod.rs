//! A Zeebe-compatible engine in memory, for trying out and for tests. What it cannot do as the real broker does, it
//! refuses at deployment.
//!
//! [`bpmn`] reads processes with the expressions of [`feel`], [`machine`] executes them, [`serve`] speaks gRPC around it.

pub mod bpmn;
pub mod machine;
pub mod serve;

pub use zeebe2faas_feel as feel;
