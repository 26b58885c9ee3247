//! Process instances that messages and timers start.

use super::{Machine, Step, Variables, definitions::Definition, instances::Beginning, messages::Address};
use crate::engine::bpmn::ElementIx;
use std::{collections::HashSet, sync::Arc};

/// A start event of the latest version of a process.
#[derive(Debug, Clone)]
pub(super) struct StartSubscription {
    pub(super) definition: Arc<Definition>,
    pub(super) event: ElementIx,
}

impl Machine {
    /// Starts an instance of each process that waits for the message and does not have it.
    pub(super) fn start_by_message(
        &mut self,
        message: i64,
        address: &Address,
        variables: &Variables,
        reached: &HashSet<String>,
    ) {
        let mut reached = reached.clone();
        for subscription in self.definitions.message_starts(&address.name) {
            let process_id = subscription.definition.process.id.to_string();
            let key = &address.correlation_key;
            let runs = !key.is_empty() && self.messages.started.contains(&(process_id.clone(), key.clone()));
            if !runs && reached.insert(process_id) {
                self.start_with(&subscription, message, key, variables.clone());
            }
        }
    }

    fn start_with(
        &mut self,
        subscription: &StartSubscription,
        message: i64,
        correlation_key: &str,
        variables: Variables,
    ) {
        let process_id = subscription.definition.process.id.to_string();
        let key = self.next_key();
        self.messages.note(message, &process_id);
        if !correlation_key.is_empty() {
            self.messages.started.insert((process_id, correlation_key.to_owned()));
            self.messages.started_by.insert(key, correlation_key.to_owned());
        }
        self.queue_start(key, subscription, variables);
    }

    /// Queues an instance that begins at a start event.
    pub(super) fn queue_start(&mut self, key: i64, subscription: &StartSubscription, variables: Variables) {
        self.queue.push_back(Step::Begin(Box::new(Beginning {
            key,
            definition: Arc::clone(&subscription.definition),
            caller: None,
            variables: Variables::new(),
            start: Some((subscription.event, variables)),
        })));
    }

    /// An instance is over: the next message of its correlation key may start another one.
    pub(super) fn after_started_instance(&mut self, key: i64, definition: &Arc<Definition>) {
        let Some(correlation_key) = self.messages.started_by.remove(&key) else { return };
        let process_id = definition.process.id.to_string();
        self.messages.started.remove(&(process_id.clone(), correlation_key.clone()));
        let next = self
            .definitions
            .message_starts_of(&process_id)
            .into_iter()
            .filter_map(|(name, subscription)| {
                let address = Address { name, correlation_key: correlation_key.clone() };
                Some((self.messages.next_for(&address, &process_id)?, subscription))
            })
            .min_by_key(|(message, _)| *message);
        if let Some((message, subscription)) = next {
            let variables = self.messages.variables(message).cloned().unwrap_or_default();
            self.start_with(&subscription, message, &correlation_key, variables);
        }
    }
}
