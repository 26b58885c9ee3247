//! For trying out and for tests, never linked into the bridge: a Zeebe-compatible [`engine`], a real Zeebe broker to
//! start ([`broker`]), an OpenFaaS-compatible function host ([`host`]), a real Kubernetes API server ([`mod@kube`]), all of
//! it in one process ([`up`]), synthetic Pleiades couples ([`phr`]), the [`demo`], and the [`mod@bench`] of the bridge.

pub mod bench;
pub mod broker;
pub mod couple;
pub mod demo;
pub mod engine;
pub mod functions;
pub mod host;
pub mod kube;
pub mod machine;
pub mod phr;
pub mod site;
mod stop;
pub mod up;
