use super::{Context, Failure, block_on, print_json, print_line, variables};
use crate::{
    app::zeebe_settings,
    config,
    zeebe::{Client, Error, NewInstance, Retry, Version},
};
use clap::Args;
use serde_json::{Value, json};
use std::time::Duration;

#[derive(Args)]
#[command(after_help = "Example: zeebe2faas start phr-pair --vars @couple.json --wait")]
pub(super) struct Start {
    /// The process id, as in BPMN
    process: String,
    /// Variables: a JSON object, or @FILE
    #[arg(long, default_value = "{}")]
    vars: String,
    /// A version of the process [default: the newest]
    #[arg(long)]
    version: Option<i32>,
    /// The tenant
    #[arg(long, default_value = "")]
    tenant: String,
    /// Wait for the end and print the instance's variables
    #[arg(long)]
    wait: bool,
    /// How long --wait waits at most, in seconds
    #[arg(long, default_value_t = 86_400)]
    timeout: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Start {
    pub(super) fn execute(&self, context: &Context) -> Result<(), Failure> {
        let zeebe = config::load_zeebe(context.config.as_deref(), &context.environment)?;
        let instance = NewInstance {
            version: self.version.map_or(Version::Latest, Version::Number),
            variables: variables(&self.vars)?,
            tenant: self.tenant.clone(),
            bpmn_process_id: self.process.clone(),
        };
        block_on(async {
            let client = Client::new(&zeebe_settings(&zeebe))?;
            if self.wait { self.wait_for(&client, &instance).await } else { self.begin(&client, &instance).await }
        })
    }

    async fn begin(&self, client: &Client, instance: &NewInstance) -> Result<(), Failure> {
        let key = client.create_process_instance(instance, Retry::within(Duration::from_secs(30))).await?;
        if self.json { print_json(&json!({ "processInstanceKey": key })) } else { print_line(&key.to_string()) }
    }

    async fn wait_for(&self, client: &Client, instance: &NewInstance) -> Result<(), Failure> {
        let timeout = Duration::from_secs(self.timeout);
        let result = client.create_process_instance_with_result(instance, &[], timeout, Retry::Never).await;
        let result = result.map_err(|error| match error {
            Error::Timeout { .. } => Failure::Instance(format!(
                "the instance did not end within {timeout:?}; it goes on: see Operate, or `zeebe2faas calls`"
            )),
            other => other.into(),
        })?;
        let variables: Value = serde_json::from_str(&result.variables).unwrap_or(Value::Null);
        if self.json {
            return print_json(&json!({ "processInstanceKey": result.process_instance_key, "variables": variables }));
        }
        print_line(&format!("instance {} has ended with", result.process_instance_key))?;
        print_json(&variables)
    }
}
