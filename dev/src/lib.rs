//! For trying out and for tests, never linked into the bridge.

pub mod broker;
