#![expect(clippy::unwrap_used, reason = "tests")]

use super::{DEFAULT_COMMAND_LIMIT, Template, Templates};
use serde_json::{Map, Value};

mod arguments;
mod files;
mod messages;
mod properties;

fn object(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

/// Renders a command line; the error is the message as a user sees it.
fn render(cmdline: &str, vars: Value) -> Result<Vec<String>, String> {
    let template = Template::inline(cmdline, "cmdline").map_err(|error| error.to_string())?;
    let rendered = template.render(&object(vars), &Map::new(), DEFAULT_COMMAND_LIMIT);
    rendered.map(|command| command.args).map_err(|error| error.to_string())
}
