//! Publishing a message: to who waits, to start events, and kept for its time to live.

use super::{
    DEFAULT_TENANT, Machine, Rejection, Reply,
    messages::{Address, Message},
    variables::document,
};
use std::collections::HashSet;
use zeebe2faas::zeebe::proto;

impl Machine {
    pub(super) fn publish(&mut self, request: proto::PublishMessageRequest) -> Result<Reply, Rejection> {
        Rejection::check_tenant("PublishMessage", &request.tenant_id)?;
        let variables = document(&request.variables)?;
        let address = Address { name: request.name, correlation_key: request.correlation_key };
        if self.messages.has_id(&address, &request.message_id) {
            return Err(Rejection::already_exists(
                "PUBLISH",
                format!(
                    "Expected to publish a new message with id '{}', but a message with that id was already published",
                    request.message_id
                ),
            ));
        }
        let key = self.next_key();
        let mut reached = HashSet::new();
        let mut receivers = Vec::new();
        for (subscription, waiting) in self.messages.ready(&address) {
            if reached.insert(waiting.process_id.clone()) {
                receivers.push(subscription);
            }
        }
        if request.time_to_live > 0 {
            let message = Message {
                address: address.clone(),
                id: request.message_id,
                variables: variables.clone(),
                deadline: self.now.saturating_add(request.time_to_live),
                correlated: HashSet::new(),
            };
            self.messages.keep(key, message);
        }
        self.start_by_message(key, &address, &variables, &reached);
        for receiver in receivers {
            self.send(receiver, key, variables.clone());
        }
        Ok(Reply::Published(proto::PublishMessageResponse { key, tenant_id: DEFAULT_TENANT.to_owned() }))
    }
}
