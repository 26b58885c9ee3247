//! The product against fakes that can be made to fail.

mod activation;
mod zeebe_access;
mod zeebe_client;
