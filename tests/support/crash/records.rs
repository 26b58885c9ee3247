//! What Zeebe wrote down, as its exporter logs it: a JSON record a line, among the other lines of the broker's log.

use super::LOOK_EVERY;
use crate::soon;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead, BufReader},
    path::PathBuf,
};

/// The records of one process in a broker's log.
pub struct Records {
    log: PathBuf,
    process_id: &'static str,
}

/// An incident that was raised at a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// Names it.
    pub key: i64,
    /// The job.
    pub job_key: i64,
    /// The process instance.
    pub process_instance_key: i64,
    /// What the operator reads.
    pub message: String,
}

impl Records {
    pub(super) const fn new(log: PathBuf, process_id: &'static str) -> Self {
        Self { log, process_id }
    }

    /// Waits until so many incidents were raised, and gives the last one.
    pub async fn incident(&self, count: usize) -> Incident {
        let incident = |record: &Value| -> Option<Incident> {
            let value = &record["value"];
            (record["valueType"] == "INCIDENT" && record["intent"] == "CREATED").then_some(())?;
            Some(Incident {
                key: record["key"].as_i64()?,
                job_key: value["jobKey"].as_i64()?,
                process_instance_key: value["processInstanceKey"].as_i64()?,
                message: value["errorMessage"].as_str()?.to_owned(),
            })
        };
        let incidents = self.until(|records| {
            let incidents: Vec<Incident> = records.iter().filter_map(incident).collect();
            (incidents.len() >= count).then_some(incidents)
        });
        incidents.await.pop().expect("there is one")
    }

    /// Waits until so many instances have ended, and gives their keys.
    pub async fn ended_instances(&self, count: usize) -> BTreeSet<i64> {
        let ended = |record: &Value| {
            let whole = record["value"]["bpmnElementType"] == "PROCESS" && record["intent"] == "ELEMENT_COMPLETED";
            whole.then(|| record["key"].as_i64()).flatten()
        };
        self.until(|records| {
            let ended: BTreeSet<i64> = records.iter().filter_map(ended).collect();
            (ended.len() >= count).then_some(ended)
        })
        .await
    }

    /// How many records of this kind there are so far.
    pub async fn count(&self, value_type: &str, intent: &str) -> usize {
        let of_kind = |record: &&Value| record["valueType"] == value_type && record["intent"] == intent;
        self.until(|records| Some(records.iter().filter(of_kind).count())).await
    }

    /// Reads on until what was read is as wanted.
    async fn until<T>(&self, wanted: impl Fn(&[Value]) -> Option<T>) -> T {
        let mut log = BufReader::new(File::open(&self.log).expect("the broker has a log"));
        let (mut line, mut positions, mut records) = (String::new(), BTreeSet::new(), Vec::new());
        soon(async {
            loop {
                while log.read_line(&mut line).expect("the log is text") > 0 && line.ends_with('\n') {
                    // Once each: an exporter that starts again may repeat what it told before.
                    let new = |record: &Value| positions.insert(record["position"].as_i64());
                    records.extend(self.record(&line).filter(new));
                    line.clear();
                }
                if let Some(found) = wanted(&records) {
                    return found;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        })
        .await
    }

    /// The record in a line of the log, if it is an event of this process.
    fn record(&self, line: &str) -> Option<Value> {
        let record: Value = serde_json::from_str(&line[line.find('{')?..]).ok()?;
        (record["recordType"] == "EVENT" && record["value"]["bpmnProcessId"] == self.process_id).then_some(record)
    }
}
