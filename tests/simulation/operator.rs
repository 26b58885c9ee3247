//! Who starts and cancels process instances, and resolves incidents: undisturbed.

use crate::{processes::PROCESSES, seen::End, world::World};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{Notify, mpsc},
    time::sleep,
};
use tonic::service::Routes;
use zeebe2faas::{
    clock::now_ms,
    zeebe::proto::{gateway_client::GatewayClient, *},
};
use zeebe2faas_dev::engine::machine::Event;

#[derive(Clone)]
pub struct Operator {
    world: Arc<World>,
    zeebe: GatewayClient<Routes>,
    changed: Arc<Notify>,
}

impl Operator {
    pub fn new(world: Arc<World>, zeebe: GatewayClient<Routes>) -> Self {
        Self { world, zeebe, changed: Arc::default() }
    }

    pub async fn deploy(&self) {
        let resource = |process: crate::processes::Process| Resource {
            name: format!("{}.bpmn", process.id),
            content: process.bpmn().into_bytes(),
        };
        let resources = PROCESSES.map(resource).to_vec();
        let request = DeployResourceRequest { resources, ..Default::default() };
        self.zeebe.clone().deploy_resource(request).await.expect("they are deployed");
    }

    pub async fn start(&self, process: &str, product: usize) -> i64 {
        let request = CreateProcessInstanceRequest {
            bpmn_process_id: process.to_owned(),
            version: -1,
            variables: format!(r#"{{"product":{product}}}"#),
            ..Default::default()
        };
        let created = self.zeebe.clone().create_process_instance(request).await.expect("it is started").into_inner();
        self.world.line(format_args!("{process} {} begins, product {product}", created.process_instance_key));
        created.process_instance_key
    }

    pub fn cancel_later(&self, key: i64, after: Duration) {
        let operator = self.clone();
        tokio::spawn(async move {
            sleep(after).await;
            let request = CancelProcessInstanceRequest { process_instance_key: key };
            // It may have ended.
            if operator.zeebe.clone().cancel_process_instance(request).await.is_ok() {
                operator.world.line(format_args!("{key} is cancelled"));
                operator.world.seen().cancelled.insert(key);
            }
        });
    }

    /// Takes note of what ends, and resolves incidents a little later.
    pub async fn listen(self, mut events: mpsc::UnboundedReceiver<Event>) {
        while let Some(event) = events.recv().await {
            match event {
                Event::InstanceEnded { key, completed, variables, .. } => {
                    self.world.line(format_args!("{key} has ended: {completed} {variables:?}"));
                    let end = End { completed, variables, at_ms: now_ms() };
                    self.world.seen().ended.entry(key).or_default().push(end);
                    self.changed.notify_one();
                }
                Event::IncidentCreated { key, job_key, instance, element, error_type, message } => {
                    let line = message.lines().next().unwrap_or_default();
                    self.world.line(format_args!("incident {error_type} of {instance} at {element}: {line}"));
                    let operator = self.clone();
                    tokio::spawn(async move { operator.resolve(key, job_key).await });
                }
                _ => {}
            }
        }
    }

    async fn resolve(&self, incident_key: i64, job_key: i64) {
        sleep(self.world.dice.seconds(10..120)).await;
        let request = UpdateJobRetriesRequest { job_key, retries: 3 };
        // The task may be gone.
        let given = self.zeebe.clone().update_job_retries(request).await;
        let request = ResolveIncidentRequest { incident_key };
        let resolved = self.zeebe.clone().resolve_incident(request).await;
        self.world.line(format_args!("resolved: {} {}", given.is_ok(), resolved.is_ok()));
    }

    pub async fn until_ended(&self, instances: usize) {
        while self.world.seen().ended.len() < instances {
            self.changed.notified().await;
        }
    }
}
