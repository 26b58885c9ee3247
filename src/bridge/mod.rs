//! The steps of a call.

pub mod activate;
