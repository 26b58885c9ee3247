//! What the tests share.

pub mod crash;
pub mod fake_gateway;
pub mod pki;
pub mod site;
pub mod token_server;
