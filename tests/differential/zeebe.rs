//! The real broker as a peer: its clock, and its log, where its exporter writes a JSON record a line.

use crate::facts::{Change, Fact, Facts, Incident};
use serde_json::{Map, Value};
use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
    sync::Arc,
    time::Duration,
};
use tokio::sync::watch;
use zeebe2faas_dev::broker::{Broker, BrokerOptions};

const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What a message or process is called by which a peer is asked whether it has done all that came before.
pub const SENTINEL: &str = "sentinel_";

/// A broker, and what its log says.
pub struct Zeebe {
    pub broker: Broker,
    pub facts: Arc<Facts>,
    /// The sentinels seen in the log: the record's type and intent, and its key; the last of each.
    pub sentinels: watch::Receiver<HashMap<String, i64>>,
}

impl Zeebe {
    pub async fn start() -> Self {
        let options = BrokerOptions { log_records: true, controlled_clock: true, ..BrokerOptions::default() };
        let broker = Broker::start(options).await.unwrap();
        let facts = Arc::new(Facts::default());
        let (tell, sentinels) = watch::channel(HashMap::new());
        tokio::spawn(read(broker.log(), facts.clone(), tell));
        Self { broker, facts, sentinels }
    }

    /// Waits until a sentinel's record of this kind and key, or one after it, stands in the log.
    pub async fn sentinel(&self, kind: &str, key: i64) {
        let mut sentinels = self.sentinels.clone();
        sentinels.wait_for(|seen| seen.get(kind).is_some_and(|seen| *seen >= key)).await.unwrap();
    }
}

async fn read(log: impl AsRef<Path>, facts: Arc<Facts>, tell: watch::Sender<HashMap<String, i64>>) {
    let mut log = BufReader::new(File::open(log).unwrap());
    let (mut line, mut variables) = (String::new(), Variables::default());
    while !tell.is_closed() {
        while log.read_line(&mut line).unwrap() > 0 && line.ends_with('\n') {
            if let Some(record) = event(&line) {
                note(&record, &mut variables, &facts, &tell);
            }
            line.clear();
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn event(line: &str) -> Option<Value> {
    // Most lines are none; reading them as JSON would be most of the work.
    line.contains("\"recordType\":\"EVENT\"").then(|| serde_json::from_str(&line[line.find('{')?..]).ok())?
}

/// The variables of the scopes that are instances, by the instance's key.
type Variables = HashMap<i64, Map<String, Value>>;

fn note(record: &Value, variables: &mut Variables, facts: &Facts, tell: &watch::Sender<HashMap<String, i64>>) {
    let value = &record["value"];
    let key = record["key"].as_i64().unwrap_or_default();
    let [value_type, intent] = [&record["valueType"], &record["intent"]].map(|text| text.as_str().unwrap_or_default());
    let process = text(value, "bpmnProcessId");
    let name = text(value, if value_type == "JOB" { "type" } else { "name" });
    // Messages expire without their names.
    let expired = intent == "EXPIRED" && name.is_empty();
    if expired || name.starts_with(SENTINEL) || process.starts_with(SENTINEL) {
        let name = if name.is_empty() { text(value, "elementId") } else { name };
        tell.send_modify(|seen| {
            seen.insert(format!("{value_type} {intent} {name}"), key);
        });
    } else {
        facts.tell(&process, fact(value_type, intent, key, value, variables));
    }
}

fn fact(value_type: &str, intent: &str, key: i64, value: &Value, variables: &mut Variables) -> Option<Fact> {
    let instance = value["processInstanceKey"].as_i64()?;
    match (value_type, intent) {
        ("VARIABLE", "CREATED" | "UPDATED") if value["scopeKey"] == instance => {
            let json = serde_json::from_str(value["value"].as_str()?).ok()?;
            variables.entry(instance).or_default().insert(text(value, "name"), json);
            None
        }
        ("INCIDENT", "CREATED") => Some(Fact::Raised(Incident {
            key,
            element: text(value, "elementId"),
            error_type: text(value, "errorType"),
            message: text(value, "errorMessage"),
        })),
        ("INCIDENT", "RESOLVED") => Some(Fact::Resolved { incident: key }),
        ("PROCESS_INSTANCE", _) => {
            let what = match intent {
                // Where it has an incident then, it is not activated yet.
                "ELEMENT_ACTIVATING" => Change::Entered,
                "SEQUENCE_FLOW_TAKEN" => return Some(Fact::Taken { flow: text(value, "elementId") }),
                "ELEMENT_COMPLETED" => Change::Completed,
                "ELEMENT_TERMINATED" => Change::Terminated,
                _ => return None,
            };
            if value["bpmnElementType"] == "PROCESS" && what != Change::Entered {
                let variables = variables.remove(&instance).unwrap_or_default();
                let process = text(value, "bpmnProcessId");
                return Some(Fact::Ended { process, instance, completed: what == Change::Completed, variables });
            }
            Some(Fact::Element { element: text(value, "elementId"), what })
        }
        _ => None,
    }
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}
