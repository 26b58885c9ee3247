use super::error::{Source, TemplateError};
use super::explain::{self, Variables};
use super::file::LAST_WORD;
use super::guard::{Guarded, guard};
use super::marks::{self, Rendered};
use super::{budget, engine, words};
use crate::config::Executor;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;
use tera::{Context, ErrorKind, Tera};
use zeebe2faas_contract::Resources;

/// The limit of a rendered command in bytes, unless the configuration says another.
pub const DEFAULT_COMMAND_LIMIT: usize = 200_000;

/// The longest command line that may stand in a header, in bytes.
const INLINE_LIMIT: usize = 65_536;
/// What marks and blanks may add, in bytes, to twice the limit before rendering is given up.
const MARKS_LIMIT: usize = 65_536;
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
    /// What the program is meant to get by with.
    pub resources: Resources,
    /// Memory for the tries after those that ran out of it, in bytes, growing.
    pub more_memory: Vec<u64>,
    /// What runs the function, unless a task header says it.
    pub executor: Executor,
    /// Names that must be there, used or not.
    pub required: Vec<String>,
    /// Names that may be missing or null.
    pub optional: Vec<String>,
    source: Source,
    tera: Tera,
    guarded: Arc<Guarded>,
    used: BTreeSet<String>,
    words: Vec<String>,
}

impl Template {
    /// Compiles a command line that stands in a task header; `source_name` says which, for errors.
    pub fn inline(cmdline: &str, source_name: &str) -> Result<Self, TemplateError> {
        let source = Source { name: source_name.to_owned(), text: cmdline.to_owned(), command: 0..cmdline.len() };
        if cmdline.len() > INLINE_LIMIT {
            return Err(
                source.error(0, format!("longer than {INLINE_LIMIT} bytes; put it into a file of the templates"))
            );
        }
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
        let words =
            words::skeleton(source.command()).map_err(|(offset, message)| vec![source.error(offset, message)])?;
        accepted.map_err(|error| vec![source.error(0, first_line(&error.to_string()))])?;
        tera.add_raw_template(TEMPLATE, &guarded.text).map_err(|error| {
            let (offset, message) = located(&error, &guarded);
            vec![source.error(offset, message)]
        })?;
        let names = tera.get_template_variables(TEMPLATE).map_err(|error| vec![source.error(0, error.to_string())])?;
        let used = names.into_iter().map(str::to_owned).collect();
        let guarded = Arc::new(guarded);
        Ok(Self {
            function: None,
            description: None,
            outputs: Vec::new(),
            timeout: None,
            resources: Resources::default(),
            more_memory: Vec::new(),
            executor: Executor::default(),
            required: Vec::new(),
            optional,
            source,
            tera,
            guarded,
            used,
            words,
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

    /// The names without which there is no command: those declared required, and those of which the template does not
    /// say what happens without them.
    pub fn needed(&self) -> impl Iterator<Item = &str> {
        let read = self.guarded.needed.iter().filter(|name| self.used.contains(*name) && !self.required.contains(name));
        self.required.iter().chain(read).map(String::as_str)
    }

    /// The command's words as far as the template itself says them: placeholders are empty, tags are left out. At least
    /// the program.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// The declared outputs that this command of it has: a condition may have left one out.
    pub fn outputs_of(&self, command: &Command) -> Vec<String> {
        let has = |output: &str| {
            let dashed = |arg: &String| arg.strip_prefix("--").or_else(|| arg.strip_prefix('-')) == Some(output);
            output == LAST_WORD || command.args.iter().skip(1).any(dashed)
        };
        self.outputs.iter().filter(|output| has(output)).cloned().collect()
    }

    /// Renders the command from a job's variables, which override the site's constants unless they are null.
    ///
    /// `limit` is in bytes: the sum of all arguments with one byte more for each.
    pub fn render(
        &self,
        vars: &Map<String, Value>,
        site: &Map<String, Value>,
        limit: usize,
    ) -> Result<Command, TemplateError> {
        let variables = Variables { job: vars, site };
        for name in &self.required {
            let value = variables.get(name);
            if value.is_none_or(Value::is_null) {
                return Err(self.source.error(0, explain::missing(name, value.is_some(), variables)));
            }
        }
        let context = self.context(variables)?;
        let most = limit.saturating_mul(2).saturating_add(MARKS_LIMIT);
        let mut rendered = Limited { bytes: Vec::new(), most, full: false };
        let outcome = budget::within(limit, || self.tera.render_to(TEMPLATE, &context, &mut rendered));
        if rendered.full {
            return Err(self.source.error(0, explain::too_long(&format!("more than {limit}"), limit, None)));
        }
        outcome.map_err(|error| self.render_error(&error, variables))?;
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

    /// Only what the template uses goes to Tera: a job's variables can be large.
    fn context(&self, variables: Variables<'_>) -> Result<Context, TemplateError> {
        let mut context = Context::new();
        for name in &self.used {
            let Some(value) = variables.get(name) else { continue };
            if !(value.is_null() && self.optional.contains(name)) {
                let value = tera::Value::try_from_serializable(value)
                    .map_err(|error| self.source.error(0, format!("variable `{name}`: {error}")))?;
                context.insert_value(name.clone(), value);
            }
        }
        Ok(context)
    }

    fn render_error(&self, error: &tera::Error, variables: Variables<'_>) -> TemplateError {
        if let ErrorKind::RenderingError(report) = error.kind()
            && let Some((refusal, place)) = engine::refusal(report.message())
        {
            let expression = &self.source.command()[place.clone()];
            let message = explain::refused(refusal, expression, &self.used, &self.optional, variables);
            return self.source.error(place.start, message);
        }
        let (offset, message) = located(error, &self.guarded);
        self.source.error(offset, message)
    }

    fn too_long(&self, size: usize, limit: usize, pieces: &[Rendered<'_>]) -> TemplateError {
        let lengths = pieces.iter().filter_map(|piece| match piece {
            Rendered::Value { place, items, .. } => Some((items.iter().map(|(_, item)| item.len()).sum(), place)),
            Rendered::Text { .. } => None,
        });
        let largest: Option<(usize, _)> = lengths.max_by_key(|(length, _)| *length);
        let offset = largest.map_or(0, |(_, place)| place.start);
        let largest = largest.map(|(length, place)| (length, &self.source.command()[place.clone()]));
        self.source.error(offset, explain::too_long(&size.to_string(), limit, largest))
    }
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
