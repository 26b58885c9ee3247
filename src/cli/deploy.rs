use super::{
    Context, Failure, block_on,
    check::{sources, summary},
    print_json, print_line,
};
use crate::{
    app::zeebe_settings,
    check::{Severity, check, output},
    config,
    zeebe::{Client, Retry},
};
use clap::Args;
use serde_json::json;
use std::{collections::BTreeSet, path::PathBuf, time::Duration};

#[derive(Args)]
pub(super) struct Deploy {
    /// BPMN, DMN or form files; deployed together or not at all
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The tenant
    #[arg(long, default_value = "")]
    tenant: String,
    /// Deploy without checking first
    #[arg(long)]
    no_check: bool,
    /// How long to wait for Zeebe, in seconds
    #[arg(long, default_value_t = 30)]
    wait: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Deploy {
    pub(super) fn execute(&self, context: &Context) -> Result<(), Failure> {
        let zeebe = config::load_zeebe(context.config.as_deref(), &context.environment)?;
        if !self.no_check {
            self.check(context)?;
        }
        let resources = self.files.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let deployed = block_on(async {
            let client = Client::new(&zeebe_settings(&zeebe))?;
            let retry = Retry::within(Duration::from_secs(self.wait));
            Ok(client.deploy_resource(resources, &self.tenant, retry).await?)
        })?;
        let rows = deployed.processes.iter().map(|process| {
            json!({ "processId": process.bpmn_process_id, "version": process.version,
                    "key": process.definition_key, "resource": process.resource })
        });
        if self.json {
            return print_json(&rows.collect::<Vec<_>>());
        }
        for process in &deployed.processes {
            print_line(&format!("{} version {} from {}", process.bpmn_process_id, process.version, process.resource))?;
        }
        Ok(())
    }

    /// Errors stop it; warnings are told.
    fn check(&self, context: &Context) -> Result<(), Failure> {
        let is_bpmn = |file: &&PathBuf| file.extension().is_some_and(|extension| extension == "bpmn");
        let files: Vec<PathBuf> = self.files.iter().filter(is_bpmn).cloned().collect();
        let mut findings = check(&files, &sources(context, None, BTreeSet::new())).map_err(Failure::Usage)?;
        findings.retain(|finding| finding.severity() != Severity::Note);
        if !findings.is_empty() {
            eprintln!("{}", output::text(&findings));
        }
        if output::count(&findings, Severity::Error) == 0 {
            return Ok(());
        }
        let summary = summary(&files, &findings);
        Err(Failure::Failed(format!("nothing is deployed: {summary}; --no-check deploys all the same")))
    }
}

fn read(file: &PathBuf) -> Result<(String, Vec<u8>), Failure> {
    let content = std::fs::read(file).map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))?;
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok((name, content))
}
