//! The product against fakes that can be made to fail.

mod activation;
mod zeebe_client;
