//! The product against fakes that can be made to fail.

mod activation;
mod page;
mod progress;
mod zeebe_client;
