use super::{
    Client, Error, Retry,
    client::{Command, Stub, json, millis},
    proto,
};
use serde_json::Value;
use std::time::Duration;

/// A message for a receive task or a message event.
#[derive(Debug, Clone, Default)]
pub struct Message {
    /// The message's name in the process.
    pub name: String,
    /// Must equal what the receiver's correlation key evaluates to.
    pub correlation_key: String,
    /// Makes repeating it harmless while Zeebe keeps it.
    pub id: String,
    /// How long Zeebe keeps it for a receiver that is not there yet.
    pub time_to_live: Duration,
    /// A JSON object, or null for none.
    pub variables: Value,
    /// Empty: the default tenant.
    pub tenant: String,
}

impl Client {
    /// PublishMessage; answers with the message's key.
    ///
    /// With an id it is repeated freely, and [`Error::AlreadyExists`] means that Zeebe has it: a success for whoever
    /// wants it delivered. Without an id it is sent again only when Zeebe certainly did not take it.
    pub async fn publish_message(&self, message: &Message, retry: Retry) -> Result<i64, Error> {
        const RPC: &str = "PublishMessage";
        let command = if message.id.is_empty() { Command::once(RPC) } else { Command::repeatable(RPC) };
        let request = proto::PublishMessageRequest {
            name: message.name.clone(),
            correlation_key: message.correlation_key.clone(),
            time_to_live: millis(message.time_to_live),
            message_id: message.id.clone(),
            variables: json(&message.variables),
            tenant_id: message.tenant.clone(),
        };
        let send = |mut stub: Stub, request| async move { stub.publish_message(request).await };
        Ok(self.command(command, retry, request, send).await?.key)
    }

    /// SetVariables in the scope of an element instance; `local` keeps them from spreading to outer scopes.
    /// Harmless to repeat.
    pub async fn set_variables(
        &self,
        element_instance_key: i64,
        variables: &Value,
        local: bool,
        retry: Retry,
    ) -> Result<(), Error> {
        let request = proto::SetVariablesRequest { element_instance_key, variables: json(variables), local };
        let send = |mut stub: Stub, request| async move { stub.set_variables(request).await };
        self.command(Command::repeatable("SetVariables"), retry, request, send).await?;
        Ok(())
    }

    /// ResolveIncident. A repeated one may find the incident gone ([`Error::NotFound`]).
    pub async fn resolve_incident(&self, incident_key: i64, retry: Retry) -> Result<(), Error> {
        let request = proto::ResolveIncidentRequest { incident_key };
        let send = |mut stub: Stub, request| async move { stub.resolve_incident(request).await };
        self.command(Command::repeatable("ResolveIncident"), retry, request, send).await?;
        Ok(())
    }
}
