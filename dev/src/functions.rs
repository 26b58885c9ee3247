//! `zeebe2faas-dev functions`: the function host as a process of its own.

use crate::{
    host::{Host, HostError, HostOptions, Stack, StackError},
    site::{self, SiteError},
    stop::Stop,
};
use clap::Args;
use std::{io, net::SocketAddr, path::PathBuf};

/// Where the functions are, and who may call them.
#[derive(Args, Debug)]
pub struct FunctionsArgs {
    /// OpenFaaS's function file
    #[arg(long, value_name = "FILE", default_value = "stack.yml")]
    pub stack: PathBuf,
    /// Where the gateway listens; the first line on stdout names it
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// The runner secret, of which each function's key is made
    #[arg(long, value_name = "FILE")]
    pub runner_secret: PathBuf,
    /// The runners' state, a folder for each function
    #[arg(long, value_name = "DIR")]
    pub state: PathBuf,
    /// Functions of the file that are not started, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub without: Vec<String>,
    /// Asynchronous calls worked on at once
    #[arg(long, default_value_t = 4)]
    pub workers: usize,
}

/// Why the functions do not run.
#[derive(Debug, thiserror::Error)]
pub enum FunctionsError {
    /// The function file.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// The secret.
    #[error(transparent)]
    Secret(#[from] SiteError),
    /// The host.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The system.
    #[error("no signals: {0}")]
    Signals(io::Error),
}

/// Runs the functions until SIGTERM or Ctrl-C; whether they ended in good order.
pub async fn run(args: FunctionsArgs) -> Result<bool, FunctionsError> {
    let FunctionsArgs { stack, listen, runner_secret: path, state, without, workers } = args;
    let mut stack = Stack::read(stack)?;
    stack.functions.retain(|name, _| !without.contains(name));
    let key_ring = Some(site::read_secret(&path)?);
    let options =
        HostOptions { listen, key_ring, workers, path_dirs: site::program_folders(), ..HostOptions::new(stack, state) };
    let mut stop = Stop::new().map_err(FunctionsError::Signals)?;
    let host = Host::start(options).await?;
    println!("listening on {}", host.url());
    stop.asked().await;
    host.shutdown().await;
    Ok(true)
}
