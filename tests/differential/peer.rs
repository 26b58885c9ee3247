//! Who runs the processes: the real broker or the embedded engine, behind the same door.

use crate::{
    embedded::Embedded,
    facts::Facts,
    zeebe::{SENTINEL, Zeebe},
};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::sync::RwLock;
use tonic::transport::{Channel, Endpoint};
use zeebe2faas::zeebe::{
    Client, FailJob, JobQuery, Message, NewInstance, Retry, Settings, proto::gateway_client::GatewayClient,
};
use zeebe2faas_tests::{PATIENCE, soon};

/// The timer and the two jobs by which the broker tells that all that was due has happened.
const SENTINELS: &str = r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" targetNamespace="http://zeebe2faas/tests">
  <process id="sentinel_process" isExecutable="true">
    <startEvent id="start"/>
    <sequenceFlow id="f0" sourceRef="start" targetRef="split"/>
    <parallelGateway id="split"/>
    <sequenceFlow id="f1" sourceRef="split" targetRef="timer"/>
    <intermediateCatchEvent id="timer">
      <timerEventDefinition id="d"><timeDuration>=duration(wait)</timeDuration></timerEventDefinition>
    </intermediateCatchEvent>
    <sequenceFlow id="f2" sourceRef="split" targetRef="lock"/>
    <serviceTask id="lock"><extensionElements><zeebe:taskDefinition type="sentinel_lock"/></extensionElements></serviceTask>
    <sequenceFlow id="f3" sourceRef="split" targetRef="pause"/>
    <serviceTask id="pause"><extensionElements><zeebe:taskDefinition type="sentinel_pause"/></extensionElements></serviceTask>
  </process>
</definitions>"#;

/// A peer, and the right to move its clock: scenarios that do have it for themselves.
pub struct Peer {
    engine: Engine,
    pub client: Client,
    /// For requests that the client has no method for.
    pub stub: GatewayClient<Channel>,
    /// Held for reading by scenarios that leave the clock alone.
    pub clock: RwLock<()>,
}

enum Engine {
    Zeebe(Box<Zeebe>),
    Embedded(Embedded),
}

impl Peer {
    /// A real broker of its own.
    pub async fn zeebe() -> Self {
        let zeebe = Zeebe::start().await;
        let address = zeebe.broker.grpc_address();
        let peer = Self::at(address, Engine::Zeebe(Box::new(zeebe)));
        let file = ("sentinel.bpmn".to_owned(), SENTINELS.into());
        peer.client.deploy_resource(vec![file], "", Retry::within(PATIENCE)).await.unwrap();
        peer
    }

    /// The embedded engine, over a socket like the broker.
    pub async fn embedded() -> Self {
        let embedded = Embedded::start().await;
        let address = embedded.address();
        Self::at(address, Engine::Embedded(embedded))
    }

    fn at(address: String, engine: Engine) -> Self {
        let client = Client::new(&Settings::new(&address)).unwrap();
        let stub = GatewayClient::new(Endpoint::from_shared(address).unwrap().connect_lazy());
        Self { engine, client, stub, clock: RwLock::new(()) }
    }

    pub fn facts(&self) -> &Arc<Facts> {
        match &self.engine {
            Engine::Zeebe(zeebe) => &zeebe.facts,
            Engine::Embedded(embedded) => &embedded.facts,
        }
    }

    /// Waits until all that follows from what was asked so far has happened, and is in the facts.
    pub async fn settle(&self, tag: &str) {
        match &self.engine {
            Engine::Zeebe(zeebe) => soon(self.settle_zeebe(zeebe, tag)).await,
            Engine::Embedded(embedded) => embedded.settle().await,
        }
    }

    /// Moves the clock, and waits until all that is due has happened.
    pub async fn advance(&self, by: Duration) {
        match &self.engine {
            Engine::Zeebe(zeebe) => soon(self.advance_zeebe(zeebe, by)).await,
            Engine::Embedded(embedded) => embedded.advance(by).await,
        }
    }

    /// What is written behind a message was there before it; what it leads to may be written behind it.
    async fn settle_zeebe(&self, zeebe: &Zeebe, tag: &str) {
        let mut before = None;
        while before != Some(zeebe.facts.records(tag)) {
            before = Some(zeebe.facts.records(tag));
            let key = self.publish_sentinel("barrier", Duration::ZERO).await;
            zeebe.sentinel("MESSAGE PUBLISHED sentinel_barrier", key).await;
        }
    }

    /// What is due is done in the order in which it is due, kind by kind: one of each kind, due last, tells the end.
    async fn advance_zeebe(&self, zeebe: &Zeebe, by: Duration) {
        let retry = Retry::within(PATIENCE);
        let process = NewInstance {
            bpmn_process_id: format!("{SENTINEL}process"),
            variables: json!({ "wait": format!("PT{}S", by.as_secs_f64()) }),
            ..NewInstance::default()
        };
        let instance = self.client.create_process_instance(&process, retry).await.unwrap();
        let lock = self.sentinel_job("lock", by).await;
        let pause = self.sentinel_job("pause", by).await;
        let failure = FailJob { key: pause, retries: 1, back_off: by, ..FailJob::default() };
        self.client.fail_job(&failure, retry).await.unwrap();
        let message = self.publish_sentinel("message", by).await;
        zeebe.broker.advance_clock(by + Duration::from_millis(1)).await.unwrap();
        zeebe.sentinel("PROCESS_INSTANCE ELEMENT_COMPLETED timer", instance).await;
        zeebe.sentinel("JOB TIMED_OUT sentinel_lock", lock).await;
        zeebe.sentinel("JOB RECURRED_AFTER_BACKOFF sentinel_pause", pause).await;
        zeebe.sentinel("MESSAGE EXPIRED ", message).await;
        self.client.cancel_process_instance(instance, retry).await.unwrap();
    }

    async fn publish_sentinel(&self, name: &str, time_to_live: Duration) -> i64 {
        let name = format!("{SENTINEL}{name}");
        let message = Message { name, correlation_key: "-".to_owned(), time_to_live, ..Message::default() };
        self.client.publish_message(&message, Retry::within(PATIENCE)).await.unwrap()
    }

    async fn sentinel_job(&self, name: &str, lock: Duration) -> i64 {
        let query = JobQuery {
            job_type: format!("{SENTINEL}{name}"),
            worker: "tests".to_owned(),
            lock,
            variables: Vec::new(),
            tenants: Vec::new(),
        };
        self.client.activate_jobs(&query, 1, PATIENCE).await.unwrap()[0].key
    }
}
