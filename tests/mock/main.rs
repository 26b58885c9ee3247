//! The product against fakes that can be made to fail.

mod activation;
mod callbacks;
mod zeebe_client;
