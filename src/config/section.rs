//! One table of the configuration, read key by key; each mistake is remembered with its place.

use super::{
    reader::{PREFIX, Reader},
    toml_value::{json, kind},
};
use std::{cell::RefCell, collections::BTreeSet, fmt::Display, ops::RangeInclusive, time::Duration};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// One table of the file. An absent table reads like an empty one, since the environment may still fill it.
pub struct Section<'a> {
    reader: &'a Reader<'a>,
    table: Option<&'a DeTable<'a>>,
    path: String,
    seen: RefCell<BTreeSet<String>>,
}

/// A value and where it came from, for later checks.
pub struct Found<T> {
    /// The value.
    pub value: T,
    place: String,
}

enum Raw<'a> {
    Toml(&'a Spanned<DeValue<'a>>),
    Variable(String, &'a str),
}

impl<'a> Section<'a> {
    /// The whole file.
    pub fn top(reader: &'a Reader<'a>, table: &'a DeTable<'a>) -> Self {
        Self { reader, table: Some(table), path: String::new(), seen: RefCell::default() }
    }

    /// A section that stands nowhere, so that only defaults are read.
    pub fn absent(&self) -> Section<'a> {
        Section { reader: self.reader, table: None, path: "worker".to_owned(), seen: RefCell::default() }
    }

    fn key_path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// A table below this one.
    pub fn section(&self, key: &str) -> Section<'a> {
        let table = self.entry(key).and_then(|value| match value.get_ref() {
            DeValue::Table(table) => Some(table),
            other => {
                self.mistake(key, value, &format!("expected a table, found {}", kind(other)));
                None
            }
        });
        Section { reader: self.reader, table, path: self.key_path(key), seen: RefCell::default() }
    }

    /// The tables of an array such as `[[worker]]`.
    pub fn sections(&self, key: &str) -> Vec<Section<'a>> {
        let Some(value) = self.entry(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.mistake(key, value, &format!("expected [[{key}]] tables"));
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match item.get_ref() {
                DeValue::Table(table) => sections.push(Section {
                    reader: self.reader,
                    table: Some(table),
                    path: format!("{}[{index}]", self.key_path(key)),
                    seen: RefCell::default(),
                }),
                other => self.mistake(key, item, &format!("expected a table, found {}", kind(other))),
            }
        }
        sections
    }

    /// Whether the file has this table.
    pub fn is_there(&self) -> bool {
        self.table.is_some()
    }

    /// The names of the tables below this one, such as `otbcli` in `[functions.otbcli]`.
    pub fn names(&self) -> Vec<String> {
        self.table.into_iter().flatten().map(|(name, _)| name.get_ref().to_string()).collect()
    }

    /// A text, from the environment or the file.
    pub fn text(&self, key: &str) -> Option<Found<String>> {
        self.text_or(key, &[])
    }

    /// A text for which the ecosystem has variables of its own; the first that is set counts, ours before them.
    pub fn text_or(&self, key: &str, aliases: &[&str]) -> Option<Found<String>> {
        match self.raw(key, aliases)? {
            Raw::Variable(name, value) => Some(Found { value: value.to_owned(), place: variable(&name) }),
            Raw::Toml(value) => match value.get_ref() {
                DeValue::String(text) => Some(Found { value: text.to_string(), place: self.place(key, value) }),
                other => {
                    self.mistake(key, value, &format!("expected a text in quotes, found {}", kind(other)));
                    None
                }
            },
        }
    }

    /// The first of these environment variables that is set, for what has no place in a file.
    pub fn variable(&self, names: &[&str]) -> Option<Found<String>> {
        let set = names.iter().filter_map(|name| Some((name, self.reader.environment.get(*name)?)));
        let (name, value) = set.into_iter().find(|(_, value)| !value.is_empty())?;
        Some(Found { value: value.clone(), place: variable(name) })
    }

    /// A text that stands for something else, as `parse` reads it.
    pub fn parsed<T, E: Display>(&self, key: &str, parse: impl Fn(&str) -> Result<T, E>) -> Option<Found<T>> {
        self.parsed_or(key, &[], parse)
    }

    /// Like [`Section::parsed`], with variables of the ecosystem.
    pub fn parsed_or<T, E: Display>(
        &self,
        key: &str,
        aliases: &[&str],
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Found<T>> {
        let Found { value, place } = self.text_or(key, aliases)?;
        match parse(&value) {
            Ok(value) => Some(Found { value, place }),
            Err(error) => {
                self.reader.add(format!("{place}: {error}"));
                None
            }
        }
    }

    /// A duration such as `"90s"`, within bounds; `"0s"` where these begin at zero.
    pub fn duration(&self, key: &str, default: Duration, bounds: RangeInclusive<Duration>) -> Duration {
        let found = self.parsed(key, crate::bridge::render::parse_pause);
        self.within(found, default, &bounds, |value| match *value {
            Duration::ZERO => "0s".to_owned(),
            value => format!("{value:?}"),
        })
    }

    /// A whole number within bounds.
    pub fn integer(&self, key: &str, default: u64, bounds: RangeInclusive<u64>) -> u64 {
        let found = match self.raw(key, &[]) {
            None => None,
            Some(Raw::Variable(name, value)) => self.number(variable(&name), value, 10),
            Some(Raw::Toml(value)) => match value.get_ref() {
                DeValue::Integer(digits) => self.number(self.place(key, value), digits.as_str(), digits.radix()),
                other => {
                    self.mistake(key, value, &format!("expected a whole number, found {}", kind(other)));
                    None
                }
            },
        };
        self.within(found, default, &bounds, u64::to_string)
    }

    /// A size within bounds.
    pub fn size(&self, key: &str, default: usize, bounds: RangeInclusive<usize>) -> usize {
        let wide = self.integer(key, default as u64, *bounds.start() as u64..=*bounds.end() as u64);
        usize::try_from(wide).unwrap_or(default)
    }

    /// `true` or `false`.
    pub fn boolean(&self, key: &str, default: bool) -> bool {
        match self.raw(key, &[]) {
            None => default,
            Some(Raw::Variable(name, text)) => text.parse().unwrap_or_else(|_| {
                self.reader.add(format!("{}: expected true or false, found `{text}`", variable(&name)));
                default
            }),
            Some(Raw::Toml(value)) => match value.get_ref() {
                DeValue::Boolean(value) => *value,
                other => {
                    self.mistake(key, value, &format!("expected true or false, found {}", kind(other)));
                    default
                }
            },
        }
    }

    /// A list of texts; in the environment separated by commas.
    pub fn texts(&self, key: &str) -> Vec<String> {
        match self.raw(key, &[]) {
            None => Vec::new(),
            Some(Raw::Variable(_, text)) => {
                text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
            }
            Some(Raw::Toml(value)) => {
                let DeValue::Array(items) = value.get_ref() else {
                    self.mistake(key, value, "expected a list of texts");
                    return Vec::new();
                };
                let text = |item: &Spanned<DeValue<'_>>| {
                    let text = item.get_ref().as_str().map(str::to_owned);
                    if text.is_none() {
                        self.mistake(key, item, "expected a text in quotes");
                    }
                    text
                };
                items.iter().filter_map(text).collect()
            }
        }
    }

    /// All values of this table as JSON, for site constants.
    pub fn json(&self) -> serde_json::Map<String, serde_json::Value> {
        let mut values = serde_json::Map::new();
        for (key, value) in self.table.into_iter().flatten() {
            self.seen.borrow_mut().insert(key.get_ref().to_string());
            match json(value.get_ref()) {
                Some(json) => drop(values.insert(key.get_ref().to_string(), json)),
                None => self.mistake(key.get_ref(), value, "dates have no place here; write a text in quotes"),
            }
        }
        values
    }

    /// Remembers that a setting without a default is absent. One that is there and wrong has its own mistake.
    pub fn missing(&self, key: &str, why: &str) {
        if self.raw(key, &[]).is_some() {
            return;
        }
        let name = environment_name(&self.key_path(key));
        self.reader.add(format!("{}: {} is missing: {why} (or set {name})", self.reader.file, self.key_path(key)));
    }

    /// Remembers that a value which could be read is not acceptable.
    pub fn reject<T>(&self, found: &Found<T>, why: &str) {
        self.reader.add(format!("{}: {why}", found.place));
    }

    /// Remembers every key of this table that was not asked for.
    pub fn check_unknown(&self) {
        let seen = self.seen.borrow();
        for (key, value) in self.table.into_iter().flatten() {
            if !seen.contains(key.get_ref().as_ref()) {
                let known = seen.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                self.mistake(key.get_ref(), value, &format!("no such setting; here are: {known}"));
            }
        }
    }

    fn entry(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.seen.borrow_mut().insert(key.to_owned());
        self.table?.get(key)
    }

    fn raw(&self, key: &str, aliases: &[&str]) -> Option<Raw<'a>> {
        let own = environment_name(&self.key_path(key));
        self.reader.known.borrow_mut().insert(own.clone());
        let names = std::iter::once(own.as_str()).chain(aliases.iter().copied());
        let from_environment = names
            .filter_map(|name| Some((name.to_owned(), self.reader.environment.get(name)?)))
            .find(|(_, value)| !value.is_empty());
        let from_file = self.entry(key);
        match from_environment {
            Some((name, value)) => Some(Raw::Variable(name, value)),
            None => from_file.map(Raw::Toml),
        }
    }

    fn number(&self, place: String, digits: &str, radix: u32) -> Option<Found<u64>> {
        match u64::from_str_radix(digits, radix) {
            Ok(value) => Some(Found { value, place }),
            Err(_) => {
                self.reader.add(format!("{place}: expected a whole number from 0, found `{digits}`"));
                None
            }
        }
    }

    fn within<T: PartialOrd>(
        &self,
        found: Option<Found<T>>,
        default: T,
        bounds: &RangeInclusive<T>,
        show: impl Fn(&T) -> String,
    ) -> T {
        match found {
            Some(found) if bounds.contains(&found.value) => found.value,
            Some(found) => {
                let (low, high) = (show(bounds.start()), show(bounds.end()));
                self.reject(&found, &format!("{} is out of bounds: from {low} to {high}", show(&found.value)));
                default
            }
            None => default,
        }
    }

    fn place(&self, key: &str, value: &Spanned<DeValue<'_>>) -> String {
        format!("{}: {}", self.reader.line(&value.span()), self.key_path(key))
    }

    fn mistake(&self, key: &str, value: &Spanned<DeValue<'_>>, what: &str) {
        self.reader.add(format!("{}: {what}", self.place(key, value)));
    }
}

fn environment_name(path: &str) -> String {
    let upper = path.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    format!("{PREFIX}{}", upper.collect::<String>())
}

fn variable(name: &str) -> String {
    format!("environment variable {name}")
}
