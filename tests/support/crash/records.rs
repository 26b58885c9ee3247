//! What Zeebe wrote down, as its exporter logs it: a JSON record a line, among the other lines of the broker's log.

use super::LOOK_EVERY;
use crate::soon;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{BufRead, BufReader, Seek, SeekFrom},
    path::PathBuf,
    time::{Duration, Instant},
};

/// The records of one process in a broker's log.
pub struct Records {
    log: PathBuf,
    process_id: &'static str,
    /// Where the log ended when nothing of the process was in it.
    begins_at: u64,
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
    pub(super) fn new(log: PathBuf, process_id: &'static str) -> Self {
        let begins_at = log.metadata().expect("the broker has a log").len();
        Self { log, process_id, begins_at }
    }

    /// Waits until there were so many jobs.
    pub async fn jobs(&self, count: usize) {
        let job = |record: &&Value| record["valueType"] == "JOB" && record["intent"] == "CREATED";
        self.until(|records| (records.iter().filter(job).count() >= count).then_some(())).await;
    }

    /// The instances that have ended as they should, with what each had in the variable `name` at last: as soon as there
    /// are so many, else those there are when none has come to its end for as long as `patience`.
    pub async fn ended_with(&self, name: &str, count: usize, patience: Duration) -> BTreeMap<i64, Value> {
        let (mut log, mut values, mut ended) = (self.reader(), BTreeMap::new(), BTreeMap::new());
        let (mut line, mut last) = (String::new(), Instant::now());
        while ended.len() < count && last.elapsed() < patience {
            while log.read_line(&mut line).expect("the log is text") > 0 && line.ends_with('\n') {
                if let Some(record) = self.record(&line) {
                    let value = &record["value"];
                    let instance = value["processInstanceKey"].as_i64().unwrap_or_default();
                    if record["valueType"] == "VARIABLE" && value["name"] == name && value["scopeKey"] == instance {
                        let text = value["value"].as_str().unwrap_or_default();
                        values.insert(instance, serde_json::from_str(text).unwrap_or_default());
                    } else if whole_process(&record) {
                        ended.insert(instance, values.get(&instance).cloned().unwrap_or_default());
                        last = Instant::now();
                    }
                }
                line.clear();
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        ended
    }

    /// What the incidents raised so far say.
    pub fn incidents(&self) -> Vec<String> {
        let raised = |record: &Value| record["valueType"] == "INCIDENT" && record["intent"] == "CREATED";
        let lines = self.reader().lines().map_while(Result::ok);
        let records = lines.filter_map(|line| self.record(&line)).filter(raised);
        records.map(|record| record["value"]["errorMessage"].as_str().unwrap_or_default().to_owned()).collect()
    }

    fn reader(&self) -> BufReader<File> {
        let mut log = File::open(&self.log).expect("the broker has a log");
        log.seek(SeekFrom::Start(self.begins_at)).expect("the log only grows");
        BufReader::new(log)
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
        let ended = |record: &Value| whole_process(record).then(|| record["key"].as_i64()).flatten();
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
        let (mut log, mut line) = (self.reader(), String::new());
        let (mut positions, mut records) = (BTreeSet::new(), Vec::new());
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
        // Most lines are of others; reading them as JSON would be most of the work.
        line.contains(self.process_id).then_some(())?;
        let record: Value = serde_json::from_str(&line[line.find('{')?..]).ok()?;
        (record["recordType"] == "EVENT" && record["value"]["bpmnProcessId"] == self.process_id).then_some(record)
    }
}

/// Whether it tells of an instance that has ended as it should.
fn whole_process(record: &Value) -> bool {
    record["value"]["bpmnElementType"] == "PROCESS" && record["intent"] == "ELEMENT_COMPLETED"
}
