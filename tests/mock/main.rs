//! The product against fakes that can be made to fail.

mod activation;
mod doctor;
mod stopping;
mod zeebe_client;
