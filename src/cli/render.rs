use super::{Context, Failure, print_json, print_line};
use crate::{
    bridge::{
        render::{Template, Templates},
        submit::command_line,
    },
    config, display,
};
use clap::Args;
use serde_json::{Map, Value, json};
use std::{io::Read, path::PathBuf};

/// Largest rendered command, in bytes, as in the configuration's default.
const LIMIT_BYTES: usize = 200_000;

#[derive(Args)]
#[command(after_help = "Example: zeebe2faas render ortho-rectification --vars vars.json --json")]
pub(super) struct Render {
    /// A template's name, or with --inline the command line itself
    template: String,
    /// A JSON file of variables, - for standard input
    #[arg(long)]
    vars: PathBuf,
    /// TEMPLATE is a command line, as in the task header `cmdline`
    #[arg(long)]
    inline: bool,
    /// Print the argument vector and the resources as JSON
    #[arg(long)]
    json: bool,
}

impl Render {
    pub(super) fn execute(&self, context: &Context) -> Result<(), Failure> {
        let (folder, site) = config::load_templates(context.config.as_deref(), &context.environment)?;
        let failed = |error: String| Failure::Failed(error);
        let variables = self.variables()?;
        let (command, resources) = if self.inline {
            let template = Template::inline(&self.template, "command line").map_err(|e| failed(e.to_string()))?;
            (template.render(&variables, &site, LIMIT_BYTES), template.resources)
        } else {
            let templates = Templates::load(&folder).map_err(|errors| failed(lines(&errors)))?;
            let template = templates.get(&self.template).ok_or_else(|| {
                let names = templates.names().collect::<Vec<_>>().join(", ");
                Failure::Usage(format!("no template `{}` in {}; there are: {names}", self.template, folder.display()))
            })?;
            (template.render(&variables, &site, LIMIT_BYTES), template.resources)
        };
        let command = command.map_err(|error| failed(error.to_string()))?;
        if self.json {
            return print_json(&json!({ "args": command.args, "resources": resources }));
        }
        if !resources.is_unknown() {
            eprintln!("{}", display::resources(&resources));
        }
        print_line(&command_line(&command.args))
    }

    fn variables(&self) -> Result<Map<String, Value>, Failure> {
        let path = self.vars.display();
        let usage = |error: String| Failure::Usage(format!("--vars {path}: {error}"));
        let mut text = String::new();
        if self.vars.as_os_str() == "-" {
            std::io::stdin().read_to_string(&mut text).map_err(|error| usage(error.to_string()))?;
        } else {
            text = std::fs::read_to_string(&self.vars).map_err(|error| usage(error.to_string()))?;
        }
        serde_json::from_str(&text).map_err(|error| usage(format!("expected a JSON object: {error}")))
    }
}

fn lines(errors: &[impl ToString]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
