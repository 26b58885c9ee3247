//! What an element instance waits for, and what happens when it comes.

use super::{Failure, Instance, Machine, State, Step, Triggered, Variables, timers::Due};
use crate::engine::bpmn::{ElementIx, Kind, Message};
use std::sync::Arc;

/// A subscription or a timer with all its expressions evaluated.
enum Awaited {
    Message { event: ElementIx, name: String, correlation_key: String },
    Timer { event: ElementIx, due: Due },
}

impl Machine {
    /// Opens subscriptions and timers for all that the element waits for, if every expression of them is well.
    pub(super) fn subscribe(&mut self, key: i64) -> Result<(), Failure> {
        let Some(instance) = self.instances.get(&key) else { return Ok(()) };
        let definition = Arc::clone(&instance.definition);
        let element = &definition.process.elements[instance.element];
        let waits_itself = matches!(element.kind, Kind::Receive(_) | Kind::Catch(_)).then_some(instance.element);
        let mut awaited = Vec::new();
        for event in waits_itself.into_iter().chain(element.boundary.iter().copied()) {
            let catching = &definition.process.elements[event];
            if let Some(message) = catching.message() {
                awaited.push(self.await_message(key, event, message)?);
            } else if let Some(timer) = catching.timer() {
                awaited.push(Awaited::Timer { event, due: self.evaluate_timer(timer, Some(key))? });
            }
        }
        awaited.sort_by_key(|awaited| matches!(awaited, Awaited::Timer { .. }));
        for awaited in awaited {
            match awaited {
                Awaited::Message { event, name, correlation_key } => {
                    self.create_subscription(key, event, name, correlation_key);
                }
                Awaited::Timer { event, due } => self.create_timer(key, event, &due),
            }
        }
        Ok(())
    }

    fn await_message(&self, key: i64, event: ElementIx, message: &Message) -> Result<Awaited, Failure> {
        let name = self.evaluate_string(&message.name, Some(key))?;
        let Some(instance) = self.instances.get(&key) else { return Err(Failure::extract_value(String::new())) };
        let is_boundary = instance.element().boundary.contains(&event);
        let scope = instance.scope.filter(|_| is_boundary).unwrap_or(key);
        let correlation_key = match &message.correlation_key {
            Some(expression) => self.evaluate_correlation_key(expression, scope)?,
            None => String::new(),
        };
        Ok(Awaited::Message { event, name, correlation_key })
    }

    /// Takes back all that the element instance waits for.
    pub(super) fn unsubscribe(&mut self, key: i64) {
        let Some(instance) = self.instances.get_mut(&key) else { return };
        let timers = std::mem::take(&mut instance.timers);
        let subscriptions = std::mem::take(&mut instance.subscriptions);
        for timer in timers {
            self.timers.remove(timer);
        }
        for subscription in subscriptions {
            self.messages.unsubscribe(subscription);
        }
    }

    /// Whether the event can still happen to the element instance.
    pub(super) fn can_happen(&self, key: i64, event: ElementIx) -> bool {
        let Some(instance) = self.instances.get(&key) else { return false };
        let scope = instance.scope.and_then(|scope| self.instances.get(&scope));
        instance.is_active() && instance.takes(event) && scope.is_none_or(|scope| scope.interrupted_by.is_none())
    }

    /// An event happens to an element instance that waits for it.
    pub(super) fn happen(&mut self, key: i64, event: ElementIx, variables: Variables) {
        let Some(instance) = self.instances.get_mut(&key) else { return };
        let is_own = event == instance.element;
        let interrupting = instance.definition.process.elements[event].is_interrupting();
        instance.trigger(Triggered { element: event, variables });
        if is_own {
            self.queue.push_back(Step::Complete(key));
        } else if interrupting {
            self.queue.push_back(Step::Terminate(key));
        } else if let Some(scope) = instance.scope
            && let Some(triggered) = instance.events.triggers.pop_back()
        {
            let (definition, process_instance) = (Arc::clone(&instance.definition), instance.process_instance);
            let beside = Instance::new(triggered.element, definition, process_instance);
            self.enter_event(scope, beside, triggered.variables);
        }
    }

    /// An event that has happened goes on in a scope.
    pub(super) fn enter_event(&mut self, scope: i64, mut event: Instance, variables: Variables) {
        let key = self.next_key();
        event.scope = Some(scope);
        event.state = State::Active;
        event.variables = variables;
        if let Some(around) = self.instances.get_mut(&scope) {
            around.children.insert(key);
        }
        self.enter(key, event);
        self.queue.push_back(Step::Complete(key));
    }
}
