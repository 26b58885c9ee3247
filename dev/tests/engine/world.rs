//! A machine with a clock, and BPMN in few words.

use serde_json::{Value, json};
use zeebe2faas::zeebe::proto;
use zeebe2faas_dev::engine::machine::{Command, Event, Machine, Rejection, Reply};

/// Its clock starts here: 2026-01-01T00:00:00Z.
pub const START: i64 = 1_767_225_600_000;

pub struct World {
    pub machine: Machine,
    pub now: i64,
    pub events: Vec<Event>,
}

/// An executable process `p` of these elements, and after it these root elements.
pub fn process(elements: &str, roots: &str) -> String {
    named("p", elements, roots)
}

pub fn named(id: &str, elements: &str, roots: &str) -> String {
    format!(
        r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="t">
<process id="{id}" isExecutable="true">{elements}</process>{roots}</definitions>"#
    )
}

/// A service task with the job type of its id, and more of its inside.
pub fn service(id: &str, more: &str) -> String {
    format!(
        r#"<serviceTask id="{id}"><extensionElements><zeebe:taskDefinition type="{id}"/>{more}</extensionElements></serviceTask>"#
    )
}

/// A receive task of the message `message`.
pub fn receive(id: &str) -> String {
    format!(r#"<receiveTask id="{id}" messageRef="message"/>"#)
}

/// The message `m` with the correlation key `=key`.
pub const MESSAGE: &str = r#"<message id="message" name="m"><extensionElements><zeebe:subscription correlationKey="=key"/></extensionElements></message>"#;

/// A sequence flow; `condition` may be empty.
pub fn flow(id: &str, source: &str, target: &str, condition: &str) -> String {
    let condition = match condition {
        "" => String::new(),
        text => format!("<conditionExpression>{text}</conditionExpression>"),
    };
    format!(r#"<sequenceFlow id="{id}" sourceRef="{source}" targetRef="{target}">{condition}</sequenceFlow>"#)
}

/// Sequence flows along ids.
pub fn path(ids: &[&str]) -> String {
    ids.windows(2).map(|pair| flow(&format!("{}-{}", pair[0], pair[1]), pair[0], pair[1], "")).collect()
}

/// A start event `start`, the elements, an end event `end`, and flows along the ids.
pub fn straight(elements: &str, ids: &[&str]) -> String {
    let ids: Vec<_> = ["start"].into_iter().chain(ids.iter().copied()).chain(["end"]).collect();
    format!(r#"<startEvent id="start"/>{elements}<endEvent id="end"/>{}"#, path(&ids))
}

impl World {
    pub fn new() -> Self {
        Self { machine: Machine::new(1), now: START, events: Vec::new() }
    }

    pub fn with(bpmn: &str) -> Self {
        let mut world = Self::new();
        world.deploy(bpmn).unwrap();
        world
    }

    pub fn apply(&mut self, command: Command) -> Result<Reply, Rejection> {
        let reply = self.machine.apply(self.now, command);
        self.events.extend(self.machine.take_events());
        reply
    }

    pub fn deploy(&mut self, bpmn: &str) -> Result<Vec<proto::ProcessMetadata>, Rejection> {
        self.deploy_as("p.bpmn", bpmn)
    }

    pub fn deploy_as(&mut self, name: &str, bpmn: &str) -> Result<Vec<proto::ProcessMetadata>, Rejection> {
        let resource = proto::Resource { name: name.to_owned(), content: bpmn.as_bytes().to_vec() };
        let request = proto::DeployResourceRequest { resources: vec![resource], tenant_id: String::new() };
        let Reply::Deployed(deployed) = self.apply(Command::Deploy(request))? else { panic!("not deployed") };
        let metadata = |deployment: proto::Deployment| match deployment.metadata {
            Some(proto::deployment::Metadata::Process(process)) => process,
            None => panic!("no process"),
        };
        Ok(deployed.deployments.into_iter().map(metadata).collect())
    }

    /// Starts an instance of `p`.
    pub fn start(&mut self, variables: Value) -> i64 {
        self.start_of("p", variables).unwrap()
    }

    pub fn start_of(&mut self, id: &str, variables: Value) -> Result<i64, Rejection> {
        let request = proto::CreateProcessInstanceRequest {
            bpmn_process_id: id.to_owned(),
            version: -1,
            variables: variables.to_string(),
            ..Default::default()
        };
        match self.apply(Command::CreateInstance(request))? {
            Reply::Created(created) => Ok(created.process_instance_key),
            other => panic!("{other:?}"),
        }
    }

    /// Locks all jobs of a type for a minute.
    pub fn jobs(&mut self, job_type: &str) -> Vec<proto::ActivatedJob> {
        let request = proto::ActivateJobsRequest {
            r#type: job_type.to_owned(),
            worker: "w".to_owned(),
            timeout: 60_000,
            max_jobs_to_activate: 1000,
            ..Default::default()
        };
        match self.apply(Command::ActivateJobs(request)).unwrap() {
            Reply::Jobs(jobs) => jobs,
            other => panic!("{other:?}"),
        }
    }

    /// Locks the only job of a type.
    pub fn job(&mut self, job_type: &str) -> proto::ActivatedJob {
        let jobs = self.jobs(job_type);
        assert_eq!(jobs.len(), 1, "jobs of type {job_type}; events: {:#?}", self.events);
        jobs.into_iter().next().unwrap()
    }

    pub fn complete(&mut self, job: i64, variables: Value) -> Result<Reply, Rejection> {
        self.apply(Command::CompleteJob(proto::CompleteJobRequest { job_key: job, variables: variables.to_string() }))
    }

    /// Locks and completes the only job of a type.
    pub fn work(&mut self, job_type: &str, variables: Value) -> Value {
        let job = self.job(job_type);
        self.complete(job.key, variables).unwrap();
        variables_of(&job)
    }

    pub fn fail(&mut self, job: i64, retries: i32, back_off: i64) -> Result<Reply, Rejection> {
        self.apply(Command::FailJob(proto::FailJobRequest {
            job_key: job,
            retries,
            error_message: "broken".to_owned(),
            retry_back_off: back_off,
            variables: String::new(),
        }))
    }

    pub fn throw(&mut self, job: i64, code: &str, variables: Value) -> Result<Reply, Rejection> {
        self.apply(Command::ThrowError(proto::ThrowErrorRequest {
            job_key: job,
            error_code: code.to_owned(),
            error_message: "why".to_owned(),
            variables: variables.to_string(),
        }))
    }

    pub fn publish(&mut self, key: &str, time_to_live: i64, id: &str, variables: Value) -> Result<Reply, Rejection> {
        self.apply(Command::PublishMessage(proto::PublishMessageRequest {
            name: "m".to_owned(),
            correlation_key: key.to_owned(),
            time_to_live,
            message_id: id.to_owned(),
            variables: variables.to_string(),
            tenant_id: String::new(),
        }))
    }

    pub fn cancel(&mut self, instance: i64) -> Result<Reply, Rejection> {
        self.apply(Command::Cancel(proto::CancelProcessInstanceRequest { process_instance_key: instance }))
    }

    pub fn resolve(&mut self, incident: i64) -> Result<Reply, Rejection> {
        self.apply(Command::ResolveIncident(proto::ResolveIncidentRequest { incident_key: incident }))
    }

    pub fn set_variables(&mut self, scope: i64, variables: Value, local: bool) -> Result<Reply, Rejection> {
        self.apply(Command::SetVariables(proto::SetVariablesRequest {
            element_instance_key: scope,
            variables: variables.to_string(),
            local,
        }))
    }

    /// Lets time pass.
    pub fn pass(&mut self, milliseconds: i64) {
        self.now += milliseconds;
        self.machine.advance(self.now);
        self.events.extend(self.machine.take_events());
    }

    /// The instance's own variables when it completed.
    pub fn result(&self, instance: i64) -> Option<Value> {
        self.events.iter().find_map(|event| match event {
            Event::InstanceEnded { key, completed: true, variables, .. } if *key == instance => {
                Some(Value::Object(variables.clone()))
            }
            _ => None,
        })
    }

    pub fn was_cancelled(&self, instance: i64) -> bool {
        let cancelled =
            |event: &Event| matches!(event, Event::InstanceEnded { key, completed: false, .. } if *key == instance);
        self.events.iter().any(cancelled)
    }

    /// Ids of elements in the order in which they were entered, but for the process.
    pub fn entered(&self) -> Vec<&str> {
        let ids = self.events.iter().filter_map(|event| match event {
            Event::ElementEntered { element, .. } if element != "p" => Some(element.as_str()),
            _ => None,
        });
        ids.collect()
    }

    /// Key, type, element and text of the last incident.
    pub fn incident(&self) -> (i64, &'static str, String, String) {
        let found = self.events.iter().rev().find_map(|event| match event {
            Event::IncidentCreated { key, error_type, element, message, .. } => {
                Some((*key, *error_type, element.clone(), message.clone()))
            }
            _ => None,
        });
        found.unwrap_or_else(|| panic!("no incident in {:#?}", self.events))
    }

    pub fn is_resolved(&self, incident: i64) -> bool {
        self.events.contains(&Event::IncidentResolved { key: incident })
    }
}

pub fn variables_of(job: &proto::ActivatedJob) -> Value {
    serde_json::from_str(&job.variables).unwrap()
}

pub fn none() -> Value {
    json!({})
}
