//! The command line of `zeebe2faas-dev`.

use clap::{Parser, Subcommand};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;
use zeebe2faas_dev::{
    bench::{self, BenchArgs},
    couple::{self, CoupleArgs},
    demo::{self, DemoArgs},
    functions::{self, FunctionsArgs},
    up::{self, UpArgs},
};

/// For trying out and for tests: a Zeebe-compatible engine, an OpenFaaS-compatible function host, and the bridge between.
#[derive(Parser)]
#[command(name = "zeebe2faas-dev", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run engine, functions and bridge in one process, until Ctrl-C
    ///
    /// For trying out and for tests: everything is in memory, and gone at the end. Production is a real Zeebe cluster
    /// and a real OpenFaaS. What the engine does, it does as Zeebe 8.6; what it cannot do, it refuses at deployment.
    Up(UpArgs),
    /// Run the Pleiades chain for several products side by side
    Demo(DemoArgs),
    /// Run the functions of a stack.yml behind OpenFaaS's gateway API, until SIGTERM or Ctrl-C
    Functions(FunctionsArgs),
    /// Write a synthetic Pleiades couple, and print the variables of `phr-pair` for it
    Couple(CoupleArgs),
    /// Measure the bridge and the normalisation, and write the report
    Bench(BenchArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("zeebe2faas-dev: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = match cli.command {
        Command::Up(args) => runtime.block_on(up::run(&args)).map_err(|error| error.to_string()),
        Command::Demo(args) => runtime.block_on(demo::run(&args)).map_err(|error| error.to_string()),
        Command::Functions(args) => runtime.block_on(functions::run(args)).map_err(|error| error.to_string()),
        Command::Couple(args) => couple::run(&args).map_err(|error| error.to_string()),
        Command::Bench(args) => runtime.block_on(bench::run(&args)).map_err(|error| error.to_string()),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("zeebe2faas-dev: {error}");
            ExitCode::from(2)
        }
    }
}
