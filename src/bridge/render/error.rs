use std::fmt;
use std::ops::Range;

/// A mistake in a template, or in the variables it was given: what is wrong, where, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct TemplateError {
    /// The file, or what the text was (a task header).
    pub source_name: String,
    /// Line and column, both from 1, in characters; none where the whole file is meant.
    pub position: Option<(usize, usize)>,
    /// What is wrong and what to do, in one line.
    pub message: String,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some((line, column)) => write!(f, "{}:{line}:{column}: {}", self.source_name, self.message),
            None => write!(f, "{}: {}", self.source_name, self.message),
        }
    }
}

/// A command template's text inside the file (or header) that it was read from.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) command: Range<usize>,
}

impl Source {
    /// The command template itself; offsets in errors count from its start.
    pub(super) fn command(&self) -> &str {
        &self.text[self.command.clone()]
    }

    /// An error at a byte offset of the command template.
    pub(super) fn error(&self, offset: usize, message: impl Into<String>) -> TemplateError {
        error_at(&self.name, &self.text, self.command.start + offset, message)
    }
}

/// An error at a byte offset of a text.
pub(super) fn error_at(name: &str, text: &str, offset: usize, message: impl Into<String>) -> TemplateError {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let position = (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1);
    TemplateError { source_name: name.to_owned(), position: Some(position), message: message.into() }
}
