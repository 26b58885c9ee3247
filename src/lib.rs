//! zeebe2faas.

pub mod bridge;
pub mod zeebe;
