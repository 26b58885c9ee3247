//! Zeebe's gateway, in the product's own types: nothing of gRPC leaves this folder.
//!
//! [`Client`] has a method for each request. Each one takes a [`Retry`], which says how long passing errors are worth
//! another try; what repeating a request does in Zeebe is said at the request. [`Error`] says whose fault it was.

mod auth;
mod client;
mod connection;
mod error;
mod instances;
mod jobs;
mod messages;
mod oauth;
mod retry;
mod settings;
mod stream;
mod tls;
mod tokens;

/// The generated stubs. Public only for tests, which play the gateway with them.
#[doc(hidden)]
#[expect(unused_qualifications, reason = "generated")]
pub mod proto {
    tonic::include_proto!("gateway_protocol");

    /// The compiled `proto/gateway.proto`: an encoded `FileDescriptorSet`.
    pub const DESCRIPTOR: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/gateway.binpb"));
}

pub use auth::{Auth, OAuth};
pub use client::Client;
#[doc(hidden)]
pub use connection::Connect;
pub use error::Error;
pub use instances::{Broker, Deployed, InstanceResult, NewInstance, Partition, Process, Topology, Version};
pub use jobs::{FailJob, Job, JobQuery};
pub use messages::Message;
pub(crate) use retry::Pauses;
pub use retry::Retry;
pub use settings::Settings;
pub use stream::JobStream;
