//! What became of a cell's calls: in Zeebe's own records, in the functions' own counts, and in the ledgers.

use super::stage::{OTHER, Stage};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};

/// Without the end of any call for so long, the rest are lost. Far beyond a lock, an outage and a start together.
const PATIENCE: Duration = Duration::from_secs(90);

/// Whether every call ended, well, as itself, and ran once; and whether the bridge knows it.
///
/// # Errors
/// What is wrong with which calls.
pub(super) async fn read(stage: &Stage) -> Result<(), String> {
    let other = usize::from(stage.cell.fault == super::Fault::OtherToken);
    let ended = stage.site.records.ended_with("call", stage.calls + other, PATIENCE).await;
    let mut wrong = Vec::new();
    for (instance, name) in &stage.names {
        match ended.get(instance) {
            None => wrong.push(format!("{name} (instance {instance}) has not ended: lost")),
            Some(call) if !is_of(call, name) => wrong.push(format!("{name} (instance {instance}) ended wrong: {call}")),
            Some(_) => {}
        }
    }
    let open = unsettled(stage).await;
    let mut runs: BTreeMap<String, usize> = BTreeMap::new();
    for run in stage.site.runs() {
        *runs.entry(run).or_default() += 1;
    }
    runs.remove(OTHER);
    for name in stage.names.values() {
        match runs.get(name).copied().unwrap_or_default() {
            1 => {}
            times => wrong.push(format!("the function of {name} ran {times} times")),
        }
    }
    if !open.is_empty() {
        wrong.push(format!("the bridge takes for open: {open:?}"));
    }
    if !wrong.is_empty() {
        wrong.extend(stage.site.records.incidents().into_iter().map(|text| format!("incident: {text}")));
        return Err(wrong.join("\n"));
    }
    Ok(())
}

/// The program prints its call's name, and its report is the call's outcome.
fn is_of(call: &Value, name: &str) -> bool {
    call["status"] == "succeeded" && call["logTail"].as_str().is_some_and(|log| log.trim() == name)
}

/// The calls in the ledgers that are neither delivered nor known never to have been queued, once time has passed.
async fn unsettled(stage: &Stage) -> Vec<Value> {
    let looked = tokio::time::timeout(PATIENCE, async {
        for bridge in &stage.bridges {
            bridge.calls(|calls| calls.iter().all(is_settled)).await;
        }
    });
    match looked.await {
        Ok(()) => Vec::new(),
        Err(_) => {
            let mut open = Vec::new();
            for bridge in &stage.bridges {
                open.extend(bridge.calls(|_| true).await.into_iter().filter(|call| !is_settled(call)));
            }
            open
        }
    }
}

fn is_settled(call: &Value) -> bool {
    call["delivered"] == true
}
