//! The path of a call through the bridge, one step after the other.

pub mod render;
