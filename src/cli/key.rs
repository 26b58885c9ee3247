use super::{Context, Failure, print_line};
use crate::{bridge::render::is_function_name, config};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use zeebe2faas_contract::{KeyRing, random_key_line};

#[derive(Args)]
pub(super) struct Key {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print a new random key, a line for a key file: `zeebe2faas key new > token.key`
    New {
        /// Its id; keys that stand in one file need different ones
        #[arg(default_value = "k1")]
        id: String,
    },
    /// Print the key file of one function's runner, made of the runner secret
    Function {
        /// The function's name
        name: String,
        /// The runner secret's file [default: keys.runner_file of the configuration]
        #[arg(long)]
        secret: Option<PathBuf>,
    },
}

impl Key {
    pub(super) fn execute(self, context: &Context) -> Result<(), Failure> {
        match self.command {
            Command::New { id } => {
                let line = random_key_line(&id);
                KeyRing::parse(&line).map_err(|error| Failure::Usage(format!("`{id}`: {error}")))?;
                print_line(line.trim_end())
            }
            Command::Function { name, .. } if !is_function_name(&name) => {
                Err(Failure::Usage(format!("`{name}` is not an OpenFaaS function name")))
            }
            Command::Function { name, secret: Some(path) } => {
                let shown = path.display();
                let text = std::fs::read_to_string(&path).map_err(|e| Failure::Usage(format!("{shown}: {e}")))?;
                let ring = KeyRing::parse(&text).map_err(|e| Failure::Usage(format!("{shown}: {e}")))?;
                print_line(ring.for_function(&name).to_file_text().trim_end())
            }
            Command::Function { name, secret: None } => {
                let settings = config::load(context.config.as_deref(), &context.environment)?;
                let ring = settings.keys.runner.ok_or_else(|| Failure::Usage("keys.runner_file is not set".into()))?;
                print_line(ring.current().for_function(&name).to_file_text().trim_end())
            }
        }
    }
}
