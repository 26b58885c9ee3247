//! The embedded engine: what the bridge needs of Zeebe 8.6.0, in this process.

pub mod feel;
