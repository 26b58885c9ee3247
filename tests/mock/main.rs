//! The product against fakes that can be made to fail.

mod activation;
mod stopping;
mod zeebe_client;
