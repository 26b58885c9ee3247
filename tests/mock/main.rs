//! The product against fakes that can be made to fail.

mod activation;
mod attacker;
mod zeebe_client;
