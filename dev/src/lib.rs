//! For trying out and for tests, never linked into the bridge: a real Zeebe broker to start ([`broker`]), an
//! OpenFaaS-compatible function host ([`host`]), and synthetic Pleiades couples ([`phr`]).

pub mod broker;
pub mod host;
pub mod phr;
