//! Reads settings from a TOML text and the environment, and remembers every mistake with its file, line and key.
//!
//! The `config` crate stops at the first mistake and knows no lines; three in the morning deserves better.

use super::section::Section;
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};
use toml::{Spanned, de::DeTable};

/// Of the variables that are settings.
pub(super) const PREFIX: &str = "ZEEBE2FAAS_";

/// The environment, as a map so that tests need not change the process's own.
pub type Environment = BTreeMap<String, String>;

/// One file and the environment over it.
pub struct Reader<'a> {
    pub(super) file: &'a str,
    text: &'a str,
    pub(super) environment: &'a Environment,
    pub(super) known: RefCell<BTreeSet<String>>,
    problems: RefCell<Vec<String>>,
}

impl<'a> Reader<'a> {
    /// A reader for `text`, the content of `file`.
    pub fn new(file: &'a str, text: &'a str, environment: &'a Environment) -> Self {
        Self { file, text, environment, known: RefCell::default(), problems: RefCell::default() }
    }

    /// The whole file as a section. Syntax errors are remembered like all others.
    pub fn parse(&self) -> Spanned<DeTable<'a>> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let place = error.span().map_or_else(|| self.file.to_owned(), |span| self.line(&span));
            self.add(format!("{place}: {}", error.message()));
        }
        table
    }

    /// The top of the parsed file.
    pub fn root(&'a self, table: &'a Spanned<DeTable<'a>>) -> Section<'a> {
        Section::top(self, table.get_ref())
    }

    /// All mistakes, after a last look for variables that start like ours and mean nothing.
    pub fn finish(self) -> Vec<String> {
        let known = self.known.take();
        let mut problems = self.problems.take();
        let strays = self.environment.keys().filter(|name| name.starts_with(PREFIX) && !known.contains(*name));
        problems.extend(strays.map(|name| format!("environment variable {name}: no such setting")));
        problems
    }

    /// The mistakes so far, where only a part was asked for.
    pub fn mistakes(&self) -> Vec<String> {
        self.problems.take()
    }

    pub(super) fn add(&self, problem: String) {
        self.problems.borrow_mut().push(problem);
    }

    pub(super) fn line(&self, span: &Range<usize>) -> String {
        let end = span.start.min(self.text.len());
        format!("{}:{}", self.file, self.text.as_bytes()[..end].iter().filter(|b| **b == b'\n').count() + 1)
    }
}
