//! The product against fakes that can be made to fail.

mod activation;
mod callback_access;
mod redaction;
mod zeebe_access;
mod zeebe_client;
