//! What an observer outside of the product saw.

use std::collections::{BTreeMap, BTreeSet};
use zeebe2faas_contract::CallId;

#[derive(Default)]
pub struct Seen {
    /// Every start of a program or of a function without a runner, in order.
    pub runs: Vec<Run>,
    /// When the calls that OpenFaaS was asked for must have ended, as it was said first.
    pub deadlines: BTreeMap<CallId, u64>,
    /// Ends of calls that were told, and for which 2xx was sent.
    pub acknowledged: Vec<Acknowledged>,
    /// How many messages Zeebe took, by correlation key.
    pub published: BTreeMap<String, u32>,
    /// From when to when replicas were not there.
    pub absences: Vec<Absence>,
    /// Process instances that have ended.
    pub ended: BTreeMap<i64, Vec<End>>,
    /// Those that were cancelled.
    pub cancelled: BTreeSet<i64>,
    pub complaints: Vec<String>,
}

pub struct Run {
    pub product: String,
    pub call: CallId,
    pub guarded: bool,
    pub begun_ms: u64,
    pub ended: Option<(u64, How)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    Exited(i32),
    /// With the pod, or because it was told to end.
    Killed,
    Cancelled,
    AtDeadline,
}

pub struct Acknowledged {
    pub call: CallId,
    pub at_ms: u64,
    pub run: usize,
    /// The replica that has it.
    pub by: usize,
}

pub struct Absence {
    pub replica: usize,
    pub from_ms: u64,
    pub to_ms: u64,
}

pub struct End {
    pub completed: bool,
    pub variables: serde_json::Map<String, serde_json::Value>,
    pub at_ms: u64,
}
