//! What the tests share.

pub mod crash;
pub mod fake_gateway;
pub mod live;
