//! Kubernetes Jobs, one for each call: where heavy functions belong that no autoscaler may end.
//!
//! A [`Manifest`] is a site's Job template; [`order`] makes a call's Job and Secret of it; [`Cluster`] is the only place
//! that speaks with the API server; [`end`] reads from a Job and its pods how they ended.

mod allowed;
mod cluster;
pub mod end;
mod manifest;
pub mod order;

pub use cluster::{Cluster, Error};
pub use manifest::{Manifest, Manifests};
