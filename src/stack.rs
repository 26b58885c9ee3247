//! OpenFaaS's `stack.yml`, as far as we read it: the functions and their environment.

use crate::bridge::render::parse_duration;
use serde::Deserialize;
use std::{collections::BTreeMap, path::Path, time::Duration};

/// of-watchdog's own `exec_timeout`, where a function names none.
pub const DEFAULT_EXEC_TIMEOUT: Duration = Duration::from_secs(30);

/// The file.
#[derive(Debug, Deserialize)]
pub struct Stack {
    /// Functions by name.
    #[serde(default)]
    pub functions: BTreeMap<String, Function>,
}

/// One function.
#[derive(Debug, Deserialize)]
pub struct Function {
    #[serde(default)]
    environment: BTreeMap<String, serde_norway::Value>,
}

/// Why a file is no stack.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StackError {
    /// Where, from 1, if that is known.
    pub line: Option<u32>,
    /// What is wrong.
    pub message: String,
}

impl Stack {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read or is no YAML of this form.
    pub fn read(path: &Path) -> Result<Self, StackError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| StackError { line: None, message: format!("cannot be read: {error}") })?;
        serde_norway::from_str(&text).map_err(|error| {
            let line = error.location().and_then(|place| u32::try_from(place.line()).ok());
            StackError { line, message: error.to_string() }
        })
    }
}

impl Function {
    /// A variable of its environment.
    pub fn variable(&self, name: &str) -> Option<String> {
        match self.environment.get(name)? {
            serde_norway::Value::String(text) => Some(text.clone()),
            serde_norway::Value::Number(number) => Some(number.to_string()),
            serde_norway::Value::Bool(value) => Some(value.to_string()),
            _ => None,
        }
    }

    /// A time-out as the watchdog reads it: a duration, or whole seconds; inside, nothing for 0, which is without limit.
    ///
    /// # Errors
    /// A sentence, when it is neither.
    pub fn timeout(&self, name: &str) -> Result<Option<Option<Duration>>, String> {
        if !self.environment.contains_key(name) {
            return Ok(None);
        }
        let text = self.variable(name).ok_or_else(|| format!("{name} is not a duration"))?;
        if let Ok(seconds) = text.parse::<u64>() {
            return Ok(Some((seconds > 0).then(|| Duration::from_secs(seconds))));
        }
        parse_duration(&text).map(|time| Some(Some(time))).map_err(|error| format!("{name}: {error}"))
    }
}
