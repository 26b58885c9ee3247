//! The embedded engine as a peer: over a socket, its clock standing, its events heard.

use crate::facts::{Change, Fact, Facts, Incident};
use std::{collections::HashMap, sync::Arc, time::Duration};
use zeebe2faas_dev::engine::{
    machine::Event,
    serve::{Clock, Engine},
};

/// Some day in 2026.
const BEGIN_MS: i64 = 1_780_000_000_000;

pub struct Embedded {
    engine: Engine,
    pub facts: Arc<Facts>,
}

impl Embedded {
    pub async fn start() -> Self {
        let engine = Engine::start(([127, 0, 0, 1], 0).into(), Clock::standing_at(BEGIN_MS)).await.unwrap();
        let facts = Arc::new(Facts::default());
        let (told, mut processes) = (facts.clone(), HashMap::new());
        engine.watch(move |event| note(event, &mut processes, &told)).await;
        Self { engine, facts }
    }

    pub fn address(&self) -> String {
        self.engine.grpc_address()
    }

    pub async fn advance(&self, by: Duration) {
        self.engine.advance(by).await;
    }

    /// Its answers may overtake its events, never the next request.
    pub async fn settle(&self) {
        self.engine.advance(Duration::ZERO).await;
    }
}

/// `processes`: the process ids of instances, by the instance's key.
fn note(event: &Event, processes: &mut HashMap<i64, String>, facts: &Facts) {
    let tell = |instance: &i64, fact| facts.tell(processes.get(instance).map_or("", String::as_str), Some(fact));
    match event {
        Event::ElementEntered { key, instance, element } if key == instance => {
            processes.insert(*key, element.clone());
            facts.tell(element, Some(Fact::Element { element: element.clone(), what: Change::Entered }));
        }
        Event::ElementEntered { instance, element, .. } => {
            tell(instance, Fact::Element { element: element.clone(), what: Change::Entered });
        }
        Event::FlowTaken { instance, flow } => tell(instance, Fact::Taken { flow: flow.clone() }),
        // The end of the instance itself has an event of its own.
        Event::ElementLeft { key, instance, element, completed } if key != instance => {
            let what = if *completed { Change::Completed } else { Change::Terminated };
            tell(instance, Fact::Element { element: element.clone(), what });
        }
        Event::IncidentCreated { key, instance, element, error_type, message, .. } => {
            let (element, error_type, message) = (element.clone(), (*error_type).to_owned(), message.clone());
            processes.insert(*key, processes.get(instance).cloned().unwrap_or_default());
            let incident = Incident { key: *key, element, error_type, message };
            facts.tell(processes.get(key).map_or("", String::as_str), Some(Fact::Raised(incident)));
        }
        Event::IncidentResolved { key } => tell(key, Fact::Resolved { incident: *key }),
        Event::InstanceEnded { key, bpmn_process_id, completed, variables, .. } => {
            let (process, variables) = (bpmn_process_id.clone(), variables.clone());
            let ended = Fact::Ended { process, instance: *key, completed: *completed, variables };
            facts.tell(bpmn_process_id, Some(ended));
        }
        Event::JobActivatable { .. } | Event::ElementLeft { .. } => {}
    }
}
