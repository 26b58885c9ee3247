//! The command line: one file for each subcommand below `cli`, exit codes in one place.

use std::process::ExitCode;

fn main() -> ExitCode {
    zeebe2faas::cli::main()
}
