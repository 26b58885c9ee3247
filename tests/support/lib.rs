//! What the tests share.

pub mod crash;
pub mod doctor;
pub mod fake_gateway;
