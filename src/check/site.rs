//! What models are held against: the configuration, the templates, the functions.

use super::{
    finding::{Finding, Place},
    rules::files::{CONFIGURATION, STACK_FILE, TEMPLATE_FILE},
};
use crate::{
    bridge::render::{TemplateError, Templates},
    config::{self, ConfigError, Environment, Function},
    stack::Stack,
};
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

/// Where the files are that belong to the models.
#[derive(Debug, Default, Clone)]
pub struct Sources {
    /// The configuration file; none for the usual one, where there is one.
    pub config: Option<PathBuf>,
    /// The environment over it.
    pub environment: Environment,
    /// The functions' `stack.yml`, if there is one.
    pub stack: Option<PathBuf>,
    /// Variables that instances are started with, whatever the process.
    pub variables: BTreeSet<String>,
}

/// All of it, read.
#[derive(Debug)]
pub(super) struct Site {
    /// None where the folder is not there or has mistakes, so that nothing can be said of its templates.
    pub templates: Option<Templates>,
    pub folder: PathBuf,
    pub vars: Map<String, Value>,
    pub timeout: Duration,
    pub job_types: Vec<String>,
    pub functions: BTreeMap<String, Function>,
    pub config_file: String,
    pub stack: Option<(String, Stack)>,
}

impl Site {
    /// Reads what there is; mistakes are findings. None where the configuration has some: it says what all else means.
    pub fn read(sources: &Sources, findings: &mut Vec<Finding>) -> Option<Self> {
        let config_file = sources.config.clone().unwrap_or_else(|| config::DEFAULT_FILE.into()).display().to_string();
        let settings = match config::load_site(sources.config.as_deref(), &sources.environment) {
            Ok(settings) => settings,
            Err(error) => {
                findings.extend(mistakes(&config_file, &error));
                return None;
            }
        };
        Some(Self {
            templates: templates(&settings.templates, findings),
            folder: settings.templates,
            vars: settings.vars,
            timeout: settings.timeout,
            job_types: settings.job_types,
            functions: settings.functions,
            config_file,
            stack: sources.stack.as_deref().and_then(|path| stack(path, findings)),
        })
    }

    #[cfg(test)]
    pub fn blank() -> Self {
        Self {
            templates: None,
            folder: PathBuf::new(),
            vars: Map::new(),
            timeout: Duration::ZERO,
            job_types: vec!["openfaas".to_owned()],
            functions: BTreeMap::new(),
            config_file: String::new(),
            stack: None,
        }
    }

    /// What is known of a function; a namespace is no part of its name in `stack.yml`.
    pub fn function(&self, name: &str) -> Function {
        self.functions.get(name).cloned().unwrap_or_default()
    }

    /// The function as `stack.yml` has it.
    pub fn deployed(&self, name: &str) -> Option<&crate::stack::Function> {
        let plain = name.split_once('.').map_or(name, |(plain, _)| plain);
        self.stack.as_ref().and_then(|(_, stack)| stack.functions.get(plain))
    }
}

fn templates(folder: &Path, findings: &mut Vec<Finding>) -> Option<Templates> {
    if !folder.is_dir() {
        return None;
    }
    Templates::load(folder).map_err(|errors| findings.extend(errors.into_iter().map(mistake))).ok()
}

fn mistake(error: TemplateError) -> Finding {
    let TemplateError { source_name, position, message } = error;
    let line = position.and_then(|(line, _)| u32::try_from(line).ok());
    Finding { rule: &TEMPLATE_FILE, place: Place { file: source_name, line, element: None }, message }
}

/// The configuration's mistakes begin with `FILE:LINE: ` where they have a place.
fn mistakes(file: &str, ConfigError(mistakes): &ConfigError) -> Vec<Finding> {
    let finding = |text: &String| {
        let placed = text.strip_prefix(file).and_then(|rest| rest.strip_prefix(':')?.split_once(": "));
        let line = placed.and_then(|(line, _)| line.parse().ok());
        let message = placed.filter(|_| line.is_some()).map_or_else(|| text.clone(), |(_, message)| message.to_owned());
        Finding { rule: &CONFIGURATION, place: Place { file: file.to_owned(), line, element: None }, message }
    };
    mistakes.iter().map(finding).collect()
}

fn stack(path: &Path, findings: &mut Vec<Finding>) -> Option<(String, Stack)> {
    let file = path.display().to_string();
    match Stack::read(path) {
        Ok(stack) => Some((file, stack)),
        Err(error) => {
            let place = Place { file, line: error.line, element: None };
            findings.push(Finding { rule: &STACK_FILE, place, message: error.message });
            None
        }
    }
}

/// The line of a function in a `stack.yml`, or of its table in a configuration: the first that begins so.
pub(super) fn line_of(file: &str, beginnings: &[String]) -> Option<u32> {
    let text = std::fs::read_to_string(file).ok()?;
    let found =
        text.lines().position(|line| beginnings.iter().any(|beginning| line.trim_start().starts_with(beginning)));
    found.and_then(|index| u32::try_from(index + 1).ok())
}
