//! What a kubelet or scheduler writes into a pod's status.

use serde_json::{Value, json};

pub(super) fn unschedulable() -> Value {
    let message = "0/1 nodes are available: 1 Insufficient memory.";
    let condition = json!({ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message });
    json!({ "phase": "Pending", "conditions": [condition] })
}

pub(super) fn running() -> Value {
    let state = json!({ "running": { "startedAt": "2026-11-24T00:00:00Z" } });
    json!({ "phase": "Running", "conditions": [scheduled()], "containerStatuses": [with(&state)] })
}

pub(super) fn missing() -> Value {
    let state = json!({ "waiting": { "reason": "ImagePullBackOff", "message": "no such image" } });
    json!({ "phase": "Pending", "conditions": [scheduled()], "containerStatuses": [with(&state)] })
}

pub(super) fn ended(exit_code: i32, reason: &str, last_words: &str) -> Value {
    let phase = if exit_code == 0 { "Succeeded" } else { "Failed" };
    let state = json!({ "terminated": { "exitCode": exit_code, "reason": reason, "message": last_words } });
    json!({ "phase": phase, "containerStatuses": [with(&state)] })
}

pub(super) fn evicted() -> Value {
    let message = "The node was low on resource: memory.";
    let why = disruption("TerminationByKubelet", message);
    json!({ "phase": "Failed", "reason": "Evicted", "message": message, "conditions": [scheduled(), why] })
}

pub(super) fn preempted() -> Value {
    let why = disruption("PreemptionByScheduler", "default-scheduler: preempting to accommodate a higher priority pod");
    json!({ "conditions": [scheduled(), why] })
}

fn scheduled() -> Value {
    json!({ "type": "PodScheduled", "status": "True" })
}

fn disruption(reason: &str, message: &str) -> Value {
    json!({ "type": "DisruptionTarget", "status": "True", "reason": reason, "message": message })
}

fn with(state: &Value) -> Value {
    json!({ "name": "function", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state })
}
