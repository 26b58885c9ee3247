//! One file for each subcommand. Data goes to stdout, the rest to stderr.

mod callback;
mod calls;
mod check;
mod deploy;
mod doctor;
mod health;
mod key;
mod publish;
mod render;
mod run;
mod start;
mod templates;

use crate::{
    app::AppError,
    config::{ConfigError, Environment},
};
use clap::{Parser, Subcommand};
use serde_json::Value;
use std::{io::IsTerminal, path::PathBuf, process::ExitCode};
use tracing_subscriber::EnvFilter;

/// Carries BPMN service tasks of a Camunda 8 / Zeebe cluster to OpenFaaS functions, and their answers back.
#[derive(Parser)]
#[command(name = "zeebe2faas", version, after_help = EXIT_CODES)]
struct Cli {
    /// The configuration file [default: zeebe2faas.toml, where there is one]
    #[arg(long, short, global = true, env = CONFIG_VARIABLE)]
    config: Option<PathBuf>,
    /// Log lines as JSON
    #[arg(long, global = true)]
    log_json: bool,
    #[command(subcommand)]
    command: Command,
}

/// Names the configuration file.
const CONFIG_VARIABLE: &str = "ZEEBE2FAAS_CONFIG";

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 it failed (stderr says why); 2 wrong command line, configuration or template; 3 Zeebe or the \
bridge cannot be reached; 4 the process instance did not end in time (`start --wait`).\n\
Log level: RUST_LOG, such as RUST_LOG=zeebe2faas=debug [default: info].";

#[derive(Subcommand)]
enum Command {
    /// Work jobs and take callbacks until SIGTERM or Ctrl-C
    Run(run::Run),
    /// Take callbacks and keep nothing, for the function `callback-ack`, until SIGTERM or Ctrl-C
    Callback(callback::Callback),
    /// Deploy BPMN files (also DMN and forms) to Zeebe
    Deploy(deploy::Deploy),
    /// Start an instance of a deployed process
    Start(start::Start),
    /// Publish a message for a receive task or a message event, such as a person's decision
    Publish(publish::Publish),
    /// Show the command that a template makes of variables
    Render(render::Render),
    /// Make command templates, and element templates for Camunda Modeler
    Templates(templates::Templates),
    /// List the calls that the bridge knows, or show one
    Calls(calls::Calls),
    /// Check BPMN, templates, functions and configuration against each other
    Check(check::Check),
    /// Check the live systems and say what to change
    Doctor(doctor::Doctor),
    /// Ask whether the bridge works, as a container's health check does
    Health(health::Health),
    /// Make keys: for callback tokens, the runner secret, one function's runner
    Key(key::Key),
}

/// Why a subcommand failed, by exit code.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// 1
    #[error("{0}")]
    Failed(String),
    /// 2
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// 2
    #[error("{0}")]
    Usage(String),
    /// 3
    #[error("{0}")]
    Unreachable(String),
    /// 4
    #[error("{0}")]
    Instance(String),
}

impl Failure {
    const fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Config(_) | Self::Usage(_) => 2,
            Self::Unreachable(_) => 3,
            Self::Instance(_) => 4,
        }
    }
}

impl From<crate::zeebe::Error> for Failure {
    fn from(error: crate::zeebe::Error) -> Self {
        if error.is_passing() { Self::Unreachable(error.to_string()) } else { Self::Failed(error.to_string()) }
    }
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Self {
        match error {
            AppError::Templates(_) | AppError::Kubernetes(_) => Self::Usage(error.to_string()),
            other => Self::Failed(other.to_string()),
        }
    }
}

/// What every subcommand gets.
pub(crate) struct Context {
    config: Option<PathBuf>,
    environment: Environment,
}

/// Parses the command line and runs the subcommand.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log(cli.log_json);
    // It names the file, and is no setting in it.
    let environment = std::env::vars().filter(|(name, _)| name != CONFIG_VARIABLE).collect();
    let context = Context { config: cli.config, environment };
    let result = match cli.command {
        Command::Run(run) => run.execute(&context),
        Command::Callback(callback) => callback.execute(&context),
        Command::Deploy(deploy) => deploy.execute(&context),
        Command::Start(start) => start.execute(&context),
        Command::Publish(publish) => publish.execute(&context),
        Command::Render(render) => render.execute(&context),
        Command::Templates(templates) => templates.execute(&context),
        Command::Calls(calls) => calls.execute(&context),
        Command::Check(check) => check.execute(&context),
        Command::Doctor(doctor) => doctor.execute(&context),
        Command::Health(health) => health.execute(&context),
        Command::Key(key) => key.execute(&context),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("zeebe2faas: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

fn start_log(json: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let log = log.with_ansi(colours);
    if json { log.json().with_span_list(false).init() } else { log.init() }
}

/// A small runtime for subcommands that only ask something.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::Failed(format!("no runtime: {error}")))?.block_on(work)
}

/// The variables of `--vars`: a JSON object, or `@FILE` of one.
fn variables(vars: &str) -> Result<Value, Failure> {
    let usage = |error: String| Failure::Usage(format!("--vars: {error}"));
    let text = match vars.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file).map_err(|error| usage(format!("{file}: {error}")))?,
        None => vars.to_owned(),
    };
    match serde_json::from_str(&text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(usage("expected a JSON object, such as {\"S3PATH\": \"/data/out\"}".to_owned())),
        Err(error) => Err(usage(format!("not JSON: {error}"))),
    }
}

fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::Failed(error.to_string()))?;
    print_line(&text)
}

/// A closed pipe (`zeebe2faas calls | head`) is no failure worth a panic.
fn print_line(text: &str) -> Result<(), Failure> {
    use std::io::Write;
    writeln!(std::io::stdout(), "{text}").map_err(|error| Failure::Failed(format!("stdout: {error}")))
}
