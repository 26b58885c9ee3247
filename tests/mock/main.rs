//! The product against fakes that can be made to fail.

mod activation;
mod admin;
mod callbacks;
mod command_line;
mod doctor;
mod page;
mod progress;
mod refusals;
mod reply_job;
mod stopping;
mod zeebe_client;
