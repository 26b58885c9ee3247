//! The product against fakes that can be made to fail.

mod activation;
mod admin;
mod attacker;
mod callback_access;
mod callback_ack;
mod callbacks;
mod command_line;
mod doctor;
mod functions_doc;
mod log;
mod otb_templates;
mod page;
mod pauses;
mod progress;
mod proof_of_concept;
mod recovery;
mod redaction;
mod refusals;
mod replicas;
mod reply_job;
mod stopping;
mod traces;
mod up;
mod zeebe_access;
mod zeebe_client;
