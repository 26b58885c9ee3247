use super::{Context, Failure, block_on, print_json, print_line, variables};
use crate::{
    app::zeebe_settings,
    config,
    zeebe::{Client, Message, Retry},
};
use clap::Args;
use serde_json::json;
use std::time::Duration;

#[derive(Args)]
#[command(after_help = "Example: zeebe2faas publish faas-decision CALLID --vars '{\"decision\": \"retry\"}'")]
pub(super) struct Publish {
    /// The message's name, as in BPMN
    message: String,
    /// What the receiver's correlation key evaluates to
    key: String,
    /// Variables: a JSON object, or @FILE
    #[arg(long, default_value = "{}")]
    vars: String,
    /// How long Zeebe keeps it for a receiver that is not there yet, in seconds
    #[arg(long, default_value_t = 3600)]
    ttl: u32,
    /// The tenant
    #[arg(long, default_value = "")]
    tenant: String,
    /// How long to wait for Zeebe, in seconds
    #[arg(long, default_value_t = 30)]
    wait: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Publish {
    pub(super) fn execute(&self, context: &Context) -> Result<(), Failure> {
        let zeebe = config::load_zeebe(context.config.as_deref(), &context.environment)?;
        let message = Message {
            name: self.message.clone(),
            correlation_key: self.key.clone(),
            id: String::new(),
            time_to_live: Duration::from_secs(self.ttl.into()),
            variables: variables(&self.vars)?.to_string(),
            tenant: self.tenant.clone(),
        };
        let key = block_on(async {
            let client = Client::new(&zeebe_settings(&zeebe))?;
            Ok(client.publish_message(&message, Retry::within(Duration::from_secs(self.wait))).await?)
        })?;
        if self.json { print_json(&json!({ "messageKey": key })) } else { print_line(&key.to_string()) }
    }
}
