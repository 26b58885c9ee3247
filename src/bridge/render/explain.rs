//! What is wrong with a value, and what to write instead.

use super::engine::Refusal;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// How many of the known names an error lists.
const NAMES_SHOWN: usize = 20;

/// A job's variables, and the site's constants that they override.
#[derive(Clone, Copy)]
pub(super) struct Variables<'a> {
    pub(super) job: &'a Map<String, Value>,
    pub(super) site: &'a Map<String, Value>,
}

impl<'a> Variables<'a> {
    /// A null of the job does not hide a constant: an input mapping of something optional gives null.
    pub(super) fn get(self, name: &str) -> Option<&'a Value> {
        let job = self.job.get(name);
        job.filter(|value| !value.is_null()).or_else(|| self.site.get(name)).or(job)
    }
}

/// A variable that is not there, or null.
pub(super) fn missing(name: &str, null: bool, variables: Variables<'_>) -> String {
    let names: BTreeSet<&str> = variables.job.keys().chain(variables.site.keys()).map(String::as_str).collect();
    let what = if null { "is null" } else { "is not known" };
    format!(
        "variable `{name}` {what}; set it in the process (an input mapping of the task), or as a site constant under \
         [vars] in the configuration. Known here: {}",
        listed(names)
    )
}

/// A value that cannot be used; `expression` is the template's text for it.
pub(super) fn refused(
    refusal: Refusal,
    expression: &str,
    used: &BTreeSet<String>,
    optional: &[String],
    variables: Variables<'_>,
) -> String {
    match refusal {
        Refusal::Unknown | Refusal::Null => absent(refusal, expression, used, optional, variables),
        Refusal::Nul => format!(
            "the value of `{expression}` contains a NUL byte (or text made of `| args` or `| option`, which must come \
             last), which no argument can; remove it"
        ),
        Refusal::Array => format!(
            "`{expression}` is an array; write `{{{{ {expression} | args }}}}` for one argument for each element, or \
             `{{{{ {expression} | join(sep=\",\") }}}}` for one argument"
        ),
        Refusal::Object => {
            format!("`{expression}` is an object; write which field is meant, as in `{{{{ {expression}.name }}}}`")
        }
        Refusal::NotAnArray => {
            format!("`{expression}`: `| args` needs an array; for one argument write `{{{{ … }}}}` without it")
        }
        Refusal::NullElement => element(expression, "null"),
        Refusal::ArrayElement => element(expression, "an array"),
        Refusal::ObjectElement => element(expression, "an object"),
        Refusal::BooleanElement => element(expression, "a boolean"),
    }
}

fn element(expression: &str, what: &str) -> String {
    format!("`{expression}`: an element of the array is {what}; `| args` takes strings and numbers")
}

fn absent(
    refusal: Refusal,
    expression: &str,
    used: &BTreeSet<String>,
    optional: &[String],
    variables: Variables<'_>,
) -> String {
    let root = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or(expression);
    let value = variables.get(root).filter(|value| !value.is_null());
    if value.is_none() && optional.iter().any(|name| name == root) {
        return format!(
            "the optional variable `{root}` is not set here; put its placeholder between `{{% if {root} %}}` and \
             `{{% endif %}}`, or write `{{{{ {root} | default(value=…) }}}}`"
        );
    }
    if root == expression && used.contains(root) && value.is_none() {
        return missing(root, variables.get(root).is_some(), variables);
    }
    if refusal == Refusal::Null {
        return format!(
            "`{expression}` is null; give it a value in the process, or write `{expression} | default(value=…)` if it \
             may be missing"
        );
    }
    let fields = match value {
        Some(Value::Object(fields)) => {
            format!(" (`{root}` has {})", listed(fields.keys().map(String::as_str).collect()))
        }
        _ => String::new(),
    };
    format!(
        "`{expression}` is not known{fields}; correct the name, or write `{expression} | default(value=…)` if it may be \
         missing"
    )
}

/// A command over the limit, and the value that is most to blame.
pub(super) fn too_long(size: &str, limit: usize, largest: Option<(usize, &str)>) -> String {
    let largest = largest.map_or(String::new(), |(length, expression)| {
        format!("; the largest value is `{{{{ {expression} }}}}` with {length} bytes")
    });
    format!("the command is {size} bytes long, over the limit of {limit}{largest}; hand large data over in a file")
}

fn listed(names: BTreeSet<&str>) -> String {
    let more = names.len().saturating_sub(NAMES_SHOWN);
    let shown = names.into_iter().take(NAMES_SHOWN).collect::<Vec<_>>().join(", ");
    match (shown.is_empty(), more) {
        (true, _) => "none".to_owned(),
        (false, 0) => shown,
        (false, more) => format!("{shown}, and {more} more"),
    }
}
