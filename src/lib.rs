//! The bridge between Zeebe and OpenFaaS.

pub mod bridge;
