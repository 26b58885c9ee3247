//! Reads one template file: TOML to a [`Template`], with every mistake found.

use super::error::{Source, TemplateError, error_at};
use super::size::parse_size;
use super::{Template, parse_duration};
use crate::config::Executor;
use std::ops::Range;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use zeebe2faas_contract::Resources;

/// In `outputs`: the command's last word, as the runner has it.
pub(super) const LAST_WORD: &str = "last";
const KEYS: &str = "description, function, command, outputs, timeout, memory, cores, executor, required, optional";

/// Most that `cores` may say.
const MAX_CORES: u32 = 1024;

/// Whether this can be a function's name: `[a-z0-9_-]+`, and perhaps a dot and a namespace. Kubernetes takes no `_`,
/// other providers of OpenFaaS do.
pub fn is_function_name(name: &str) -> bool {
    let is_part = |part: &str| {
        let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        !part.is_empty() && part.bytes().all(legal)
    };
    let (function, namespace) = name.split_once('.').map_or((name, None), |(name, namespace)| (name, Some(namespace)));
    is_part(function) && namespace.is_none_or(is_part)
}

/// Whether this can be a template's name: `[a-z0-9][a-z0-9-]*`.
pub(super) fn is_template_name(name: &str) -> bool {
    is_function_name(name) && !name.contains(['.', '_']) && !name.starts_with('-')
}

/// Reads a template from the text of its file.
pub(super) fn read(name: &str, text: &str) -> Result<Template, Vec<TemplateError>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader { name, text, errors: Vec::new() };
    for error in errors {
        reader.mistake(&error.span().unwrap_or(0..0), error.message().replace('\n', ", "));
    }
    if !reader.errors.is_empty() {
        return Err(reader.errors);
    }
    reader.template(table.get_ref())
}

struct Reader<'a> {
    name: &'a str,
    text: &'a str,
    errors: Vec<TemplateError>,
}

impl Reader<'_> {
    fn template(mut self, table: &DeTable<'_>) -> Result<Template, Vec<TemplateError>> {
        for key in table.keys() {
            if !KEYS.split(", ").any(|known| known == key.get_ref().as_ref()) {
                self.mistake(&key.span(), format!("the key `{}` is not known; these are: {KEYS}", key.get_ref()));
            }
        }
        let function = self.function(table);
        let description = table.get("description").and_then(|value| self.string(value, "description"));
        let timeout = self.timeout(table);
        let mut memory = self.memory(table).into_iter();
        let resources = Resources { memory_bytes: memory.next(), cores: self.cores(table) };
        let executor = self.executor(table);
        let outputs = self.outputs(table);
        let required = self.names(table, "required");
        let optional = self.names(table, "optional");
        for (place, name) in &required {
            if optional.iter().any(|(_, other)| other == name) {
                self.mistake(place, format!("`{name}` is both required and optional; remove it from one of the lists"));
            }
        }
        let optional = plain(optional);
        let template = self.command(table, &optional);
        for (place, output) in &outputs {
            if output != LAST_WORD
                && template.as_ref().is_some_and(|template| !template.text().contains(&format!("-{output}")))
            {
                self.mistake(place, format!("the command has no parameter `-{output}`; correct the name or remove it"));
            }
        }
        match template {
            Some(mut template) if self.errors.is_empty() => {
                template.function = function;
                template.description = description;
                template.timeout = timeout;
                template.resources = resources;
                template.more_memory = memory.collect();
                template.executor = executor;
                template.outputs = plain(outputs);
                template.required = plain(required);
                Ok(template)
            }
            _ => {
                self.errors.sort_by_key(|error| error.position);
                Err(self.errors)
            }
        }
    }

    fn function(&mut self, table: &DeTable<'_>) -> Option<String> {
        let Some(value) = table.get("function") else {
            self.whole_file("the key `function` is missing; write for example `function = \"otbcli\"`");
            return None;
        };
        let function = self.string(value, "function")?;
        if !is_function_name(&function) {
            self.mistake(
                &value.span(),
                format!("`{function}` is not a function's name: lower-case letters, digits, `-` and `_`, then perhaps `.NAMESPACE`"),
            );
        }
        Some(function)
    }

    fn timeout(&mut self, table: &DeTable<'_>) -> Option<Duration> {
        let value = table.get("timeout")?;
        let text = self.string(value, "timeout")?;
        parse_duration(&text).map_err(|message| self.mistake(&value.span(), message)).ok()
    }

    /// For the first try, and for each one after lack of memory.
    fn memory(&mut self, table: &DeTable<'_>) -> Vec<u64> {
        let Some(value) = table.get("memory") else { return Vec::new() };
        let Some(list) = value.get_ref().as_array() else { return self.size(value).into_iter().collect() };
        let sizes: Vec<u64> = list.iter().filter_map(|item| self.size(item)).collect();
        if sizes.len() == list.len() && (sizes.is_empty() || !sizes.is_sorted_by(|less, more| less < more)) {
            self.mistake(&value.span(), "a list of `memory` grows, as in `memory = [\"16Gi\", \"32Gi\"]`");
        }
        sizes
    }

    /// A string with a unit, or a number of bytes.
    fn size(&mut self, value: &Spanned<DeValue<'_>>) -> Option<u64> {
        let text = match value.get_ref() {
            DeValue::Integer(number) => number.to_string(),
            _ => self.string(value, "memory")?,
        };
        parse_size(&text).map_err(|message| self.mistake(&value.span(), message)).ok()
    }

    fn executor(&mut self, table: &DeTable<'_>) -> Executor {
        let read = |reader: &mut Self| {
            let value = table.get("executor")?;
            let text = reader.string(value, "executor")?;
            text.parse().map_err(|message: String| reader.mistake(&value.span(), message)).ok()
        };
        read(self).unwrap_or_default()
    }

    fn cores(&mut self, table: &DeTable<'_>) -> Option<u32> {
        let value = table.get("cores")?;
        let cores = match value.get_ref() {
            DeValue::Integer(number) => number.to_string().parse().ok(),
            _ => None,
        };
        let cores = cores.filter(|cores| (1..=MAX_CORES).contains(cores));
        if cores.is_none() {
            self.mistake(
                &value.span(),
                format!("`cores` must be a whole number from 1 to {MAX_CORES}, as in `cores = 4`"),
            );
        }
        cores
    }

    /// The command, taken from the file as it stands there, so that positions are the file's own.
    fn command(&mut self, table: &DeTable<'_>, optional: &[String]) -> Option<Template> {
        let Some(value) = table.get("command") else {
            self.whole_file(
                "the key `command` is missing; write for example `command = '''otbcli … -out {{ OUT }}'''`",
            );
            return None;
        };
        let decoded = self.string(value, "command")?;
        let span = value.span();
        let raw = &self.text[span.clone()];
        let quotes = if raw.starts_with("'''") || raw.starts_with("\"\"\"") { 3 } else { 1 };
        let inner = &raw[quotes..raw.len() - quotes];
        let newline = if quotes == 1 { 0 } else { inner.len() - inner.trim_start_matches('\r').len() };
        let newline = if quotes == 3 && inner[newline..].starts_with('\n') { newline + 1 } else { 0 };
        if inner[newline..].replace("\r\n", "\n") != decoded.replace("\r\n", "\n") {
            self.mistake(&span, "escapes in the command hide where its mistakes are; write it between `'''` and `'''`");
            return None;
        }
        let command = span.start + quotes + newline..span.end - quotes;
        let source = Source { name: self.name.to_owned(), text: self.text.to_owned(), command };
        Template::compile(source, optional.to_vec()).map_err(|errors| self.errors.extend(errors)).ok()
    }

    fn outputs(&mut self, table: &DeTable<'_>) -> Vec<(Range<usize>, String)> {
        let outputs = self.strings(table, "outputs");
        for (place, output) in &outputs {
            if output.starts_with('-') {
                let bare = output.trim_start_matches('-');
                self.mistake(place, format!("write the parameter's name without dashes: `{bare}`"));
            } else if output.is_empty() || output.contains(char::is_whitespace) {
                self.mistake(place, "a parameter's name is one word, for example `out`".to_owned());
            }
        }
        outputs
    }

    fn names(&mut self, table: &DeTable<'_>, key: &str) -> Vec<(Range<usize>, String)> {
        let names = self.strings(table, key);
        for (place, name) in &names {
            let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                && name.bytes().next().is_some_and(|first| !first.is_ascii_digit());
            if !is_name {
                self.mistake(place, format!("`{name}` is not a variable's name: letters, digits and `_`"));
            }
        }
        names
    }

    fn strings(&mut self, table: &DeTable<'_>, key: &str) -> Vec<(Range<usize>, String)> {
        let Some(value) = table.get(key) else { return Vec::new() };
        let Some(list) = value.get_ref().as_array() else {
            self.mistake(&value.span(), format!("`{key}` must be a list of strings, for example `{key} = [\"…\"]`"));
            return Vec::new();
        };
        list.iter().filter_map(|item| Some((item.span(), self.string(item, key)?))).collect()
    }

    fn string(&mut self, value: &Spanned<DeValue<'_>>, key: &str) -> Option<String> {
        let text = value.get_ref().as_str().map(str::to_owned);
        if text.is_none() {
            let found = value.get_ref().type_str();
            self.mistake(&value.span(), format!("`{key}` must be given as a string; this is of type {found}"));
        }
        text
    }

    fn mistake(&mut self, place: &Range<usize>, message: impl Into<String>) {
        self.errors.push(error_at(self.name, self.text, place.start, message));
    }

    fn whole_file(&mut self, message: &str) {
        let error = TemplateError { source_name: self.name.to_owned(), position: None, message: message.to_owned() };
        self.errors.push(error);
    }
}

fn plain(items: Vec<(Range<usize>, String)>) -> Vec<String> {
    items.into_iter().map(|(_, item)| item).collect()
}
