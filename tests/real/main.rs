//! The product against the real peers: a Zeebe broker, OTB. Run by `make test-real`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod broker;
mod callback_ack;
mod chain;
mod check;
mod clients;
mod compose;
mod descriptor;
mod doctor;
mod faas_call;
mod incidents;
mod kill;
mod library;
mod load;
mod matrix;
mod modeler;
mod openfaas;
mod out_of_memory;
mod outages;
mod products;
mod progress;
mod proof_of_concept;
mod redelivery;
mod replicas;
mod reply_job;
