use super::error::{Source, TemplateError};
use super::guard::{Guarded, guard};
use super::{engine, marks, words};
use engine::Refusal;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::ops::Range;
use std::time::Duration;
use tera::{Context, ErrorKind, Tera};

/// The limit of a rendered command in bytes, unless the configuration says another.
pub const DEFAULT_COMMAND_LIMIT: usize = 200_000;

/// How many of the known names an error lists.
const NAMES_SHOWN: usize = 20;
const TEMPLATE: &str = "command";

/// A rendered argument vector: the program first. It never sees a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// At least the program.
    pub args: Vec<String>,
}

/// A command template, checked and compiled.
#[derive(Debug, Clone)]
pub struct Template {
    /// The function to call; a task header may name it instead.
    pub function: Option<String>,
    /// What the template is for, for people.
    pub description: Option<String>,
    /// Names of the parameters, without leading dashes, whose next argument is an output file.
    pub outputs: Vec<String>,
    /// How long a call may take, unless a task header says it.
    pub timeout: Option<Duration>,
    /// Names that must be there, used or not.
    pub required: Vec<String>,
    /// Names that may be missing or null.
    pub optional: Vec<String>,
    source: Source,
    tera: Tera,
    guarded: std::sync::Arc<Guarded>,
    used: BTreeSet<String>,
}

impl Template {
    /// Compiles a command line that stands in a task header; `source_name` says which, for errors.
    pub fn inline(cmdline: &str, source_name: &str) -> Result<Self, TemplateError> {
        let source = Source { name: source_name.to_owned(), text: cmdline.to_owned(), command: 0..cmdline.len() };
        Self::compile(source, Vec::new()).map_err(|mut errors| errors.swap_remove(0))
    }

    /// Checks and compiles; the errors are all mistakes found, at least one.
    pub(super) fn compile(source: Source, optional: Vec<String>) -> Result<Self, Vec<TemplateError>> {
        let mut tera = engine::tera();
        let accepted = tera.add_raw_template(TEMPLATE, source.command());
        if let Err(error) = &accepted
            && let ErrorKind::SyntaxError(report) = error.kind()
        {
            return Err(vec![
                source.error(report.span().range.start, format!("template syntax: {}", report.message())),
            ]);
        }
        let guarded = guard(source.command(), &optional).map_err(|mistakes| {
            mistakes.into_iter().map(|(offset, message)| source.error(offset, message)).collect::<Vec<_>>()
        })?;
        accepted.map_err(|error| vec![source.error(0, first_line(&error.to_string()))])?;
        tera.add_raw_template(TEMPLATE, &guarded.text).map_err(|error| {
            let (offset, message) = located(&error, &guarded);
            vec![source.error(offset, message)]
        })?;
        let names = tera.get_template_variables(TEMPLATE).map_err(|error| vec![source.error(0, error.to_string())])?;
        let used = names.into_iter().map(str::to_owned).collect();
        let guarded = std::sync::Arc::new(guarded);
        Ok(Self {
            function: None,
            description: None,
            outputs: Vec::new(),
            timeout: None,
            required: Vec::new(),
            optional,
            source,
            tera,
            guarded,
            used,
        })
    }

    /// The command template's text.
    pub(super) fn text(&self) -> &str {
        self.source.command()
    }

    /// The names of all variables that the template mentions.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.used.iter().map(String::as_str)
    }

    /// Renders the command from a job's variables, which override the site's constants.
    ///
    /// `limit` is in bytes: the sum of all arguments with one byte more for each.
    pub fn render(
        &self,
        vars: &Map<String, Value>,
        site: &Map<String, Value>,
        limit: usize,
    ) -> Result<Command, TemplateError> {
        let lookup = |name: &str| vars.get(name).or_else(|| site.get(name));
        for name in &self.required {
            if lookup(name).is_none_or(Value::is_null) {
                return Err(self.source.error(0, self.missing(name, lookup(name).is_some(), vars, site)));
            }
        }
        let mut context = Context::new();
        for name in &self.used {
            if let Some(value) = lookup(name)
                && !(value.is_null() && self.optional.contains(name))
            {
                let value = tera::Value::try_from_serializable(value)
                    .map_err(|error| self.source.error(0, format!("variable `{name}`: {error}")))?;
                context.insert_value(name.clone(), value);
            }
        }
        let mut rendered =
            Limited { bytes: Vec::new(), most: limit.saturating_mul(2).saturating_add(65_536), full: false };
        let outcome = self.tera.render_to(TEMPLATE, &context, &mut rendered);
        if rendered.full {
            return Err(self.source.error(0, too_long(format!("more than {limit}"), limit, None)));
        }
        outcome.map_err(|error| self.render_error(&error, vars, site))?;
        let rendered = String::from_utf8(rendered.bytes)
            .map_err(|error| self.source.error(0, format!("the rendered command is not UTF-8: {error}")))?;
        let pieces = marks::read(&rendered)
            .ok_or_else(|| self.source.error(0, "the rendered command cannot be read: this is a bug in zeebe2faas"))?;
        let args = words::split(&pieces, self.source.command())
            .map_err(|(offset, message)| self.source.error(offset, message))?;
        let size = args.iter().map(|arg| arg.len() + 1).sum::<usize>();
        if size > limit {
            return Err(self.too_long(size, limit, &pieces));
        }
        Ok(Command { args })
    }

    fn too_long(&self, size: usize, limit: usize, pieces: &[marks::Rendered<'_>]) -> TemplateError {
        let largest = pieces
            .iter()
            .filter_map(|piece| match piece {
                marks::Rendered::Value { place, items, .. } => Some((items.iter().map(|item| item.len()).sum(), place)),
                marks::Rendered::Text { .. } => None,
            })
            .max_by_key(|(length, _): &(usize, _)| *length);
        let offset = largest.as_ref().map_or(0, |(_, place)| place.start);
        let largest = largest.map(|(length, place)| (length, &self.source.command()[place.clone()]));
        self.source.error(offset, too_long(size.to_string(), limit, largest))
    }

    fn render_error(&self, error: &tera::Error, vars: &Map<String, Value>, site: &Map<String, Value>) -> TemplateError {
        if let ErrorKind::RenderingError(report) = error.kind()
            && let Some((refusal, place)) = engine::refusal(report.message())
        {
            return self.source.error(place.start, self.refused(&refusal, place, vars, site));
        }
        let (offset, message) = located(error, &self.guarded);
        self.source.error(offset, message)
    }

    fn refused(
        &self,
        refusal: &Refusal,
        place: Range<usize>,
        vars: &Map<String, Value>,
        site: &Map<String, Value>,
    ) -> String {
        let expression = &self.source.command()[place];
        let root = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or(expression);
        let root_is_there = vars.get(root).or_else(|| site.get(root)).is_some_and(|value| !value.is_null());
        match refusal {
            Refusal::Unknown | Refusal::Null if self.optional.iter().any(|name| name == root) && !root_is_there => {
                format!(
                    "the optional variable `{root}` is not set here; put its placeholder between `{{% if {root} %}}` and \
                 `{{% endif %}}`, or write `{{{{ {root} | default(value=…) }}}}`"
                )
            }
            Refusal::Unknown | Refusal::Null if root == expression && self.used.contains(root) => {
                self.missing(root, *refusal == Refusal::Null, vars, site)
            }
            Refusal::Unknown => format!(
                "`{expression}` is not known{}; correct the name, or write `{expression} | default(value=…)` if it may \
                 be missing",
                fields(vars.get(root).or_else(|| site.get(root)), root)
            ),
            Refusal::Null => format!(
                "`{expression}` is null; give it a value in the process, or write `{expression} | default(value=…)` if \
                 it may be missing"
            ),
            Refusal::Nul => format!(
                "the value of `{expression}` contains a NUL byte (or a mark of `| args` or `| option`, which must come \
                 last), which no argument can; remove it"
            ),
            Refusal::Compound("an array") => format!(
                "`{expression}` is an array; write `{{{{ {expression} | args }}}}` for one argument for each element, or \
                 `{{{{ {expression} | join(sep=\",\") }}}}` for one argument"
            ),
            Refusal::Compound(what) => {
                format!("`{expression}` is {what}; write which field is meant, as in `{{{{ {expression}.name }}}}`")
            }
            Refusal::Element("") => {
                format!("`{expression}`: `| args` needs an array; for one argument write `{{{{ … }}}}` without it")
            }
            Refusal::Element(what) => {
                format!("`{expression}`: an element of the array is {what}; `| args` takes strings and numbers")
            }
        }
    }

    fn missing(&self, name: &str, null: bool, vars: &Map<String, Value>, site: &Map<String, Value>) -> String {
        let names: BTreeSet<&str> = vars.keys().chain(site.keys()).map(String::as_str).collect();
        let mut listed: Vec<&str> = names.iter().copied().take(NAMES_SHOWN).collect();
        let more = format!("and {} more", names.len().saturating_sub(NAMES_SHOWN));
        if names.len() > NAMES_SHOWN {
            listed.push(&more);
        }
        let listed = if listed.is_empty() { "none".to_owned() } else { listed.join(", ") };
        let what = if null { "is null" } else { "is not known" };
        format!(
            "variable `{name}` {what}; set it in the process (an input mapping of the task), or as a site constant under \
             [vars] in the configuration. Known here: {listed}"
        )
    }
}

fn fields(value: Option<&Value>, root: &str) -> String {
    match value {
        Some(Value::Object(fields)) => {
            format!(" (`{root}` has {})", fields.keys().take(NAMES_SHOWN).cloned().collect::<Vec<_>>().join(", "))
        }
        _ => String::new(),
    }
}

fn too_long(size: String, limit: usize, largest: Option<(usize, &str)>) -> String {
    let largest = largest.map_or(String::new(), |(length, expression)| {
        format!("; the largest value is `{{{{ {expression} }}}}` with {length} bytes")
    });
    format!("the command is {size} bytes long, over the limit of {limit}{largest}; hand large data over in a file")
}

/// Where an error of Tera's points in the original source, and its text in one line.
fn located(error: &tera::Error, guarded: &Guarded) -> (usize, String) {
    match error.kind() {
        ErrorKind::SyntaxError(report) | ErrorKind::RenderingError(report) => {
            (guarded.original(report.span().range.start), first_line(report.message()))
        }
        _ => (0, first_line(&error.to_string())),
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// A buffer with a limit, so that no loop can fill the memory.
struct Limited {
    bytes: Vec<u8>,
    most: usize,
    full: bool,
}

impl Write for Limited {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + more.len() > self.most {
            self.full = true;
            return Err(io::Error::other("the rendered command is too long"));
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
