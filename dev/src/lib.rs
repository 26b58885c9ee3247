//! For trying out and for tests, never linked into the bridge: a real Zeebe broker to start ([`broker`]), an
//! OpenFaaS-compatible function host ([`host`]), synthetic Pleiades couples ([`phr`]), and the [`demo`] of them all.

pub mod broker;
pub mod demo;
pub mod host;
pub mod phr;
