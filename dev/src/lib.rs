//! For trying out and for tests, never linked into the bridge: a real Zeebe broker to start ([`broker`]), an
//! OpenFaaS-compatible function host ([`host`]), synthetic Pleiades couples ([`phr`]), the [`demo`] of them all, and the
//! [`mod@bench`] of the bridge.

pub mod bench;
pub mod broker;
pub mod couple;
pub mod demo;
pub mod functions;
pub mod host;
pub mod machine;
pub mod phr;
