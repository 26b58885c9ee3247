//! The bridge between a Camunda 8 / Zeebe cluster and OpenFaaS.
//!
//! In reading order: [`cli`] starts it, [`config`] checks the settings, [`app`] builds and runs, [`bridge`] has the
//! steps, which use [`zeebe`], [`openfaas`], [`kubernetes`] and the [`ledger`]; [`listener`] lets callbacks in, [`admin`]
//! shows it, [`metrics`] and [`traces`] tell how it went, [`doctor`] checks what is around it, [`check`] what people
//! wrote. Time ([`clock`]), randomness ([`chance`]) and HTTP ([`transport`]) go through one place each, which a
//! simulation replaces.

pub mod admin;
pub mod app;
pub mod bridge;
pub mod chance;
pub mod check;
pub mod cli;
pub mod clock;
pub mod config;
pub mod display;
pub mod doctor;
pub mod kubernetes;
pub mod ledger;
pub mod listener;
pub mod metrics;
pub mod openfaas;
pub mod otb;
pub mod reload;
pub mod secret;
pub mod stack;
pub mod tls;
pub mod traces;
pub mod transport;
pub mod zeebe;
