use super::{Context, Failure, print_json, print_line};
use crate::check::{
    Finding, Severity, Sources, bpmn_files, check,
    output::{count, json, sarif, text},
};
use clap::{Args, ValueEnum};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// Where BPMN files are looked for when none is named.
const BPMN_FOLDER: &str = "bpmn";
/// Where the functions are, when no other file is named.
const STACK_FILE: &str = "stack.yml";

#[derive(Args)]
#[command(after_help = "\
Examples:
  zeebe2faas check                                      the folder bpmn, beside zeebe2faas.toml, templates and stack.yml
  zeebe2faas check bpmn/order.bpmn --variables orderId  instances are started with orderId
  zeebe2faas check --format sarif > check.sarif         for code scanners
Inputs of a process are the names in its documentation, in NAME.vars.json beside NAME.bpmn, and of --variables. \
docs/check.md has all rules.
Exit codes: 0 no error (there may be warnings and notes); 1 errors, with --strict also warnings; 2 wrong command line, or \
a file cannot be read.")]
pub(super) struct Check {
    /// BPMN files, or folders of them [default: bpmn]
    files: Vec<PathBuf>,
    /// The functions, as OpenFaaS's stack.yml [default: stack.yml, where there is one]
    #[arg(long, value_name = "FILE")]
    stack: Option<PathBuf>,
    /// Variables that instances are started with
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    variables: Vec<String>,
    /// How findings are told
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Warnings are as bad as errors
    #[arg(long)]
    strict: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
    Sarif,
}

impl Check {
    pub(super) fn execute(&self, context: &Context) -> Result<(), Failure> {
        let files = self.files()?;
        let variables = self.variables.iter().map(|name| name.trim().to_owned()).collect();
        let findings = check(&files, &sources(context, self.stack.clone(), variables)).map_err(Failure::Usage)?;
        match self.format {
            Format::Text if findings.is_empty() => {}
            Format::Text => print_line(&text(&findings))?,
            Format::Json => print_json(&json(&findings))?,
            Format::Sarif => print_json(&sarif(&findings))?,
        }
        let warnings = count(&findings, Severity::Warning);
        if count(&findings, Severity::Error) > 0 || (self.strict && warnings > 0) {
            return Err(Failure::Failed(summary(&files, &findings)));
        }
        eprintln!("{}", summary(&files, &findings));
        Ok(())
    }

    fn files(&self) -> Result<Vec<PathBuf>, Failure> {
        let named = if self.files.is_empty() { vec![PathBuf::from(BPMN_FOLDER)] } else { self.files.clone() };
        let mut files = Vec::new();
        for path in named {
            if path.is_dir() {
                files.extend(bpmn_files(&path).map_err(Failure::Usage)?);
            } else {
                files.push(path);
            }
        }
        if files.is_empty() {
            return Err(Failure::Usage("no BPMN file there; name files or folders of them".to_owned()));
        }
        Ok(files)
    }
}

/// What models are held against, for `check` and `deploy`.
pub(super) fn sources(context: &Context, stack: Option<PathBuf>, variables: BTreeSet<String>) -> Sources {
    let usual = Path::new(STACK_FILE);
    Sources {
        config: context.config.clone(),
        environment: context.environment.clone(),
        stack: stack.or_else(|| usual.exists().then(|| usual.to_owned())),
        variables,
    }
}

/// `2 files: 1 error, 2 warnings, no note`.
pub(super) fn summary(files: &[PathBuf], findings: &[Finding]) -> String {
    let amount = |number: usize, what: &str| match number {
        0 => format!("no {what}"),
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    };
    let of = |severity: Severity| amount(count(findings, severity), severity.as_str());
    let (errors, warnings, notes) = (of(Severity::Error), of(Severity::Warning), of(Severity::Note));
    format!("{}: {errors}, {warnings}, {notes}", amount(files.len(), "file"))
}
