//! What a peer tells of process instances, besides its answers.

use serde_json::{Map, Value};
use std::{collections::BTreeMap, fmt, sync::Mutex};

/// Something that happened in a process instance.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// An element's instance began or is over.
    Element { element: String, what: Change },
    /// A sequence flow was taken.
    Taken { flow: String },
    /// Something needs an operator.
    Raised(Incident),
    /// It no longer does.
    Resolved { incident: i64 },
    /// An instance is over.
    Ended { process: String, instance: i64, completed: bool, variables: Map<String, Value> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Entered,
    Completed,
    Terminated,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    pub key: i64,
    pub element: String,
    pub error_type: String,
    pub message: String,
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Element { element, what } => write!(f, "{element} {what:?}"),
            Self::Taken { flow } => write!(f, "{flow} taken"),
            Self::Raised(Incident { key, element, error_type, message }) => {
                write!(f, "incident {key} {error_type} at {element}: {message}")
            }
            Self::Resolved { incident } => write!(f, "incident {incident} gone"),
            Self::Ended { process, instance, completed: true, variables } => {
                write!(f, "instance {instance} of {process} completed with {}", Value::from(variables.clone()))
            }
            Self::Ended { process, instance, .. } => write!(f, "instance {instance} of {process} terminated"),
        }
    }
}

/// The facts of each scenario: its tag stands in the ids of its processes.
#[derive(Debug, Default)]
pub struct Facts(Mutex<BTreeMap<String, Told>>);

#[derive(Debug, Default)]
struct Told {
    facts: Vec<Fact>,
    /// How much was told, also what is no fact.
    records: usize,
}

impl Facts {
    /// Notes a record of the scenario that the process belongs to, and the fact in it.
    pub fn tell(&self, process: &str, fact: Option<Fact>) {
        let Some(tag) = tag_of(process) else { return };
        let mut facts = self.0.lock().unwrap();
        let told = facts.entry(tag.to_owned()).or_default();
        told.records += 1;
        told.facts.extend(fact);
    }

    /// How much was told of this scenario.
    pub fn records(&self, tag: &str) -> usize {
        self.0.lock().unwrap().get(tag).map_or(0, |told| told.records)
    }

    /// What was told of this scenario since this was asked last.
    pub fn take(&self, tag: &str) -> Vec<Fact> {
        self.0.lock().unwrap().get_mut(tag).map(|told| std::mem::take(&mut told.facts)).unwrap_or_default()
    }
}

/// The tag that an id begins with: up to its first `_`.
pub fn tag_of(id: &str) -> Option<&str> {
    id.find('_').map(|end| &id[..=end])
}
