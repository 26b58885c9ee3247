//! Messages that are kept and subscriptions that wait for them, by name and correlation key.

use super::{Machine, Step, Variables};
use crate::engine::bpmn::ElementIx;
use std::collections::{BTreeSet, HashMap, HashSet};

/// What a message is addressed to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Address {
    pub(super) name: String,
    pub(super) correlation_key: String,
}

/// A message that is kept for who is not there yet.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) address: Address,
    pub(super) id: String,
    pub(super) variables: Variables,
    pub(super) deadline: i64,
    /// The processes that have it already.
    pub(super) correlated: HashSet<String>,
}

/// An element instance that waits for a message.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) instance: i64,
    pub(super) event: ElementIx,
    pub(super) process_id: String,
    pub(super) address: Address,
    pub(super) interrupting: bool,
    /// A message is on its way to it.
    pub(super) correlating: bool,
}

/// A message on its way to a subscription.
#[derive(Debug)]
pub(super) struct Correlation {
    pub(super) subscription: i64,
    pub(super) message: i64,
    pub(super) process_id: String,
    pub(super) variables: Variables,
}

/// All messages and subscriptions.
#[derive(Debug, Default)]
pub(super) struct Messages {
    kept: HashMap<i64, Message>,
    by_address: HashMap<Address, BTreeSet<i64>>,
    ids: HashSet<(Address, String)>,
    deadlines: BTreeSet<(i64, i64)>,
    pub(super) subscriptions: HashMap<i64, Subscription>,
    waiting: HashMap<Address, BTreeSet<(i64, i64)>>,
    /// Processes with an instance that a message of this correlation key started.
    pub(super) started: HashSet<(String, String)>,
    pub(super) started_by: HashMap<i64, String>,
}

impl Messages {
    pub(super) fn next_due(&self) -> Option<i64> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    pub(super) fn has_id(&self, address: &Address, id: &str) -> bool {
        !id.is_empty() && self.ids.contains(&(address.clone(), id.to_owned()))
    }

    pub(super) fn keep(&mut self, key: i64, message: Message) {
        self.by_address.entry(message.address.clone()).or_default().insert(key);
        self.deadlines.insert((message.deadline, key));
        if !message.id.is_empty() {
            self.ids.insert((message.address.clone(), message.id.clone()));
        }
        self.kept.insert(key, message);
    }

    pub(super) fn expire(&mut self, now: i64) {
        while let Some((deadline, key)) = self.deadlines.first().copied()
            && deadline <= now
        {
            self.deadlines.pop_first();
            let Some(message) = self.kept.remove(&key) else { continue };
            remove_from(&mut self.by_address, &message.address, &key);
            self.ids.remove(&(message.address, message.id));
        }
    }

    /// Notes that the process has the message.
    pub(super) fn note(&mut self, message: i64, process_id: &str) {
        if let Some(message) = self.kept.get_mut(&message) {
            message.correlated.insert(process_id.to_owned());
        }
    }

    /// The first kept message to the address that the process does not have yet.
    pub(super) fn next_for(&self, address: &Address, process_id: &str) -> Option<i64> {
        let keys = self.by_address.get(address)?.iter().copied();
        keys.into_iter().find(|key| self.kept.get(key).is_some_and(|message| !message.correlated.contains(process_id)))
    }

    pub(super) fn variables(&self, message: i64) -> Option<&Variables> {
        self.kept.get(&message).map(|message| &message.variables)
    }

    /// Lets messages find the subscription.
    fn open(&mut self, key: i64) {
        if let Some(subscription) = self.subscriptions.get(&key) {
            self.waiting.entry(subscription.address.clone()).or_default().insert((subscription.instance, key));
        }
    }

    pub(super) fn unsubscribe(&mut self, key: i64) -> Option<Subscription> {
        let subscription = self.subscriptions.remove(&key)?;
        remove_from(&mut self.waiting, &subscription.address, &(subscription.instance, key));
        Some(subscription)
    }

    /// Open subscriptions to the address to which no message is on its way, with their processes.
    pub(super) fn ready(&self, address: &Address) -> impl Iterator<Item = (i64, &Subscription)> {
        let waiting = self.waiting.get(address).into_iter().flatten();
        let found = waiting.filter_map(|(_, key)| Some((*key, self.subscriptions.get(key)?)));
        found.filter(|(_, subscription)| !subscription.correlating)
    }
}

impl Machine {
    pub(super) fn create_subscription(
        &mut self,
        instance: i64,
        event: ElementIx,
        name: String,
        correlation_key: String,
    ) {
        let key = self.next_key();
        let Some(waiting) = self.instances.get_mut(&instance) else { return };
        waiting.subscriptions.insert(key);
        let process = &waiting.definition.process;
        let subscription = Subscription {
            instance,
            event,
            process_id: process.id.to_string(),
            address: Address { name, correlation_key },
            interrupting: process.elements[event].is_interrupting(),
            correlating: false,
        };
        self.messages.subscriptions.insert(key, subscription);
        self.queue.push_back(Step::Open(key));
    }

    pub(super) fn open_subscription(&mut self, key: i64) {
        self.messages.open(key);
        self.correlate_kept(key);
    }

    /// A subscription that stays takes the next message.
    pub(super) fn reopen_subscription(&mut self, key: i64) {
        if let Some(subscription) = self.messages.subscriptions.get_mut(&key) {
            subscription.correlating = false;
            self.correlate_kept(key);
        }
    }

    fn correlate_kept(&mut self, key: i64) {
        let Some(subscription) = self.messages.subscriptions.get(&key) else { return };
        if let Some(message) = self.messages.next_for(&subscription.address, &subscription.process_id) {
            let variables = self.messages.variables(message).cloned().unwrap_or_default();
            self.send(key, message, variables);
        }
    }

    /// Sends a message to a subscription.
    pub(super) fn send(&mut self, subscription: i64, message: i64, variables: Variables) {
        let Some(waiting) = self.messages.subscriptions.get_mut(&subscription) else { return };
        waiting.correlating = true;
        let process_id = waiting.process_id.clone();
        self.messages.note(message, &process_id);
        self.queue.push_back(Step::Correlate(Box::new(Correlation { subscription, message, process_id, variables })));
    }

    /// A message arrives.
    pub(super) fn correlate(&mut self, correlation: Correlation) {
        let key = correlation.subscription;
        let taken = self
            .messages
            .subscriptions
            .get(&key)
            .map(|subscription| (subscription.instance, subscription.event, subscription.interrupting))
            .filter(|(instance, event, _)| self.can_happen(*instance, *event));
        let Some((instance, event, interrupting)) = taken else { return self.send_elsewhere(&correlation) };
        if interrupting {
            self.messages.unsubscribe(key);
            if let Some(instance) = self.instances.get_mut(&instance) {
                instance.subscriptions.remove(&key);
            }
        }
        self.happen(instance, event, correlation.variables);
        if !interrupting {
            self.queue.push_back(Step::Reopen(key));
        }
    }

    /// Who should have had the message is gone: another instance of the process may have it.
    fn send_elsewhere(&mut self, correlation: &Correlation) {
        self.messages.unsubscribe(correlation.subscription);
        let Some(message) = self.messages.kept.get_mut(&correlation.message) else { return };
        message.correlated.remove(&correlation.process_id);
        let (address, variables) = (message.address.clone(), message.variables.clone());
        let other = self
            .messages
            .ready(&address)
            .find(|(_, subscription)| subscription.process_id == correlation.process_id)
            .map(|(key, _)| key);
        if let Some(other) = other {
            self.send(other, correlation.message, variables);
        }
    }

    pub(super) fn expire_messages(&mut self) {
        self.messages.expire(self.now);
    }
}

/// Takes a value out of a map of sets, and an empty set out of the map.
fn remove_from<K: std::hash::Hash + Eq, V: Ord>(map: &mut HashMap<K, BTreeSet<V>>, key: &K, value: &V) {
    if let Some(set) = map.get_mut(key) {
        set.remove(value);
        if set.is_empty() {
            map.remove(key);
        }
    }
}
