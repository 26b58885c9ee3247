//! `zeebe2faas-dev demo`: a broker, the functions and the bridge; every couple through `phr-pair` at once; a table.

mod chain;
mod products;
mod report;
mod stage;

pub use chain::{CoupleResult, StepResult};
pub use products::{Couple, Product};
pub use stage::{Stage, StageOptions};

use crate::{
    broker::BrokerError,
    host::{HostError, StackError},
    phr::PhrError,
};
use clap::Args;
use std::{io, path::PathBuf, time::Instant};

/// Where the results lie unless another folder is named.
const DEFAULT_OUTPUT: &str = "out";
/// Side of the synthetic panchromatic images, in pixels.
const SYNTHETIC_SIZE: usize = 1200;

/// What to run, and on what.
#[derive(Args, Debug)]
pub struct DemoArgs {
    /// A JSON file of products: {"dem": DIR, "geoid": FILE, "products": [{"name": …, "couples": [{"P_": …, "MS_": …}]}]}
    /// [default: a synthetic stereo and tri-stereo, made at the first use]
    #[arg(long)]
    pub products: Option<PathBuf>,
    /// Results are written to `OUTPUT/PRODUCT/INDEX/`, the table to `OUTPUT/report.json`
    #[arg(long, default_value = DEFAULT_OUTPUT)]
    pub output: PathBuf,
    /// A running Zeebe, as http://HOST:PORT [default: Zeebe 8.6.0 is started]
    #[arg(long, value_name = "ADDRESS")]
    pub zeebe: Option<String>,
    /// A running OpenFaaS gateway with the functions of stack.yml [default: the function host is started]
    #[arg(long, value_name = "URL", requires = "runner_secret")]
    pub gateway: Option<String>,
    /// With --gateway: the file of the runner secret whose keys its functions hold
    #[arg(long, value_name = "FILE")]
    pub runner_secret: Option<PathBuf>,
    /// With --gateway: how its functions reach this machine's callback listener, as IP:PORT
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:0")]
    pub callback: std::net::SocketAddr,
    /// Functions that run at the same time
    #[arg(long, default_value_t = 2)]
    pub parallel: usize,
}

/// Why the demo could not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The products' file.
    #[error("{}:\n  {}", path.display(), problems.join("\n  "))]
    Products {
        /// Which.
        path: PathBuf,
        /// Everything that is wrong.
        problems: Vec<String>,
    },
    /// A file or folder.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The synthetic couples.
    #[error(transparent)]
    Phr(#[from] PhrError),
    /// The broker.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The function host.
    #[error(transparent)]
    Host(#[from] HostError),
    /// Its functions.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// The bridge's settings.
    #[error(transparent)]
    Config(#[from] zeebe2faas::config::ConfigError),
    /// The bridge.
    #[error(transparent)]
    App(#[from] zeebe2faas::app::AppError),
    /// Zeebe said no.
    #[error(transparent)]
    Zeebe(#[from] zeebe2faas::zeebe::Error),
    /// A key file.
    #[error("{}: {source}", path.display())]
    Key {
        /// Which.
        path: PathBuf,
        /// Why.
        source: zeebe2faas_contract::KeyRingError,
    },
    /// An instance's variables are not what `phr-pair` gives.
    #[error("{couple}: the instance ended with unexpected variables: {reason}")]
    Variables {
        /// Which couple.
        couple: String,
        /// What is wrong.
        reason: String,
    },
}

/// Runs the demo; says whether every couple succeeded (and, where the truth is known, is accurate).
pub async fn run(args: &DemoArgs) -> Result<bool, DemoError> {
    let products = match &args.products {
        Some(file) => products::read(file)?,
        None => {
            eprintln!("making synthetic Pleiades couples, unless an earlier run has");
            products::synthetic(SYNTHETIC_SIZE)?
        }
    };
    let output =
        std::path::absolute(&args.output).map_err(|source| DemoError::Io { path: args.output.clone(), source })?;
    std::fs::create_dir_all(&output).map_err(|source| DemoError::Io { path: output.clone(), source })?;
    let stage = Stage::start(StageOptions {
        zeebe: args.zeebe.clone(),
        gateway: args.gateway.clone().zip(args.runner_secret.clone()),
        callback: args.callback,
        parallel: args.parallel,
        folders: products.iter().flat_map(Product::folders).chain([output.clone()]).collect(),
    })
    .await?;
    let couples: usize = products.iter().map(|product| product.couples.len()).sum();
    eprintln!("running phr-pair for {couples} couples");
    let begun = Instant::now();
    let results = chain::run_all(stage.zeebe(), &products, &output).await;
    stage.stop().await;
    let results = results?;
    let good = report::print(&results, begun.elapsed());
    report::write(&output.join("report.json"), &results, begun.elapsed())?;
    Ok(good)
}
