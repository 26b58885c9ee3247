use super::{Context, Failure, block_on, print_line};
use crate::{
    bridge::render::{is_function_name, parse_duration},
    config,
    otb::{Application, command, element, launcher},
};
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};

/// What a file that we made says in its beginning, so that nobody else's is written over.
const MARKS: [&str; 2] = ["# Made by `zeebe2faas templates otb ", "\"id\": \"zeebe2faas.otb."];
/// Where a mark stands at the latest, in bytes.
const MARK_LIMIT: usize = 1024;

#[derive(Args)]
pub(super) struct Templates {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write command templates and element templates of OTB applications, from their own descriptions
    Otb(Otb),
}

const EXAMPLES: &str = "\
Examples:\n  \
  zeebe2faas templates otb Superimpose Mosaic\n  \
  zeebe2faas templates otb --all --templates all/templates --element-templates all/.camunda/element-templates\n\n\
For each application it writes otb-NAME.toml, which the bridge reads, and otb-NAME.json, which Camunda Modeler offers for \
tasks (docs/modeler.md).";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
struct Otb {
    /// Names of applications, such as OrthoRectification
    #[arg(required_unless_present = "all")]
    applications: Vec<String>,
    /// Every application that OTB finds
    #[arg(long, conflicts_with = "applications")]
    all: bool,
    /// Where the command templates go [default: the folder of the configuration]
    #[arg(long)]
    templates: Option<PathBuf>,
    /// Where the element templates go
    #[arg(long, default_value = "bpmn/.camunda/element-templates")]
    element_templates: PathBuf,
    /// The function that runs the applications
    #[arg(long, default_value = "otbcli")]
    function: String,
    /// How long a call may take, unless a task says it
    #[arg(long, default_value = "4h")]
    timeout: String,
    /// OTB's launcher
    #[arg(long, default_value = "otbcli")]
    otbcli: PathBuf,
    /// Write over files that were not made by this command
    #[arg(long)]
    force: bool,
}

impl Templates {
    pub(super) fn execute(self, context: &Context) -> Result<(), Failure> {
        match self.command {
            Command::Otb(otb) => otb.execute(context),
        }
    }
}

impl Otb {
    fn execute(self, context: &Context) -> Result<(), Failure> {
        if !is_function_name(&self.function) {
            return Err(Failure::Usage(format!("`{}` is not an OpenFaaS function name", self.function)));
        }
        parse_duration(&self.timeout).map_err(|error| Failure::Usage(format!("--timeout: {error}")))?;
        let templates = match &self.templates {
            Some(folder) => folder.clone(),
            None => config::load_templates(context.config.as_deref(), &context.environment)?.0,
        };
        block_on(async {
            let applications = match self.all {
                true => launcher::applications(&self.otbcli).await.map_err(failure)?,
                false => self.applications.clone(),
            };
            let mut refused = Vec::new();
            for name in &applications {
                match launcher::describe(&self.otbcli, name).await {
                    Ok(application) => self.write(&application, &templates)?,
                    Err(error @ launcher::Error::Unknown { .. }) => refused.push(error.to_string()),
                    Err(error) => return Err(failure(error)),
                }
            }
            if refused.is_empty() { Ok(()) } else { Err(Failure::Failed(refused.join("\n"))) }
        })
    }

    /// Both files, and their names on stdout.
    fn write(&self, application: &Application, templates: &Path) -> Result<(), Failure> {
        let name = application.template_name();
        let element = element::template(application).map_err(|error| Failure::Failed(error.to_string()))?;
        let files = [
            (templates.join(format!("{name}.toml")), command::template(application, &self.function, &self.timeout)),
            (self.element_templates.join(format!("{name}.json")), element),
        ];
        for (path, text) in files {
            self.write_file(&path, &text).map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))?;
            print_line(&path.display().to_string())?;
        }
        Ok(())
    }

    fn write_file(&self, path: &Path, text: &str) -> Result<(), String> {
        match std::fs::read(path) {
            Ok(present) if !self.force && !is_ours(&present) => {
                return Err("it is there, and not made by this command; remove it, or say --force".to_owned());
            }
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.to_string()),
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
        }
        std::fs::write(path, text).map_err(|error| error.to_string())
    }
}

fn is_ours(content: &[u8]) -> bool {
    let beginning = String::from_utf8_lossy(&content[..content.len().min(MARK_LIMIT)]);
    MARKS.iter().any(|mark| beginning.contains(mark))
}

fn failure(error: launcher::Error) -> Failure {
    match error {
        launcher::Error::Missing { .. } => Failure::Usage(error.to_string()),
        other => Failure::Failed(other.to_string()),
    }
}
