//! Deployed processes, by key and by id and version, with what starts them.

use super::{DEFAULT_TENANT, Machine, Rejection, Reply, start_events::StartSubscription};
use crate::engine::bpmn::{self, Process};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};
use zeebe2faas::zeebe::proto;

/// A version of a process.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) key: i64,
    pub(super) version: i32,
    pub(super) process: Process,
    resource: Arc<proto::Resource>,
}

/// All deployed processes.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    by_key: HashMap<i64, Arc<Definition>>,
    /// The last one is the latest version.
    by_id: HashMap<Arc<str>, Vec<Arc<Definition>>>,
    /// Start events of latest versions, by message name and key of the definition.
    message_starts: BTreeMap<(String, i64), StartSubscription>,
    /// Timers of start events of latest versions.
    timer_starts: HashMap<Arc<str>, Vec<i64>>,
}

impl Definitions {
    pub(super) fn latest(&self, id: &str) -> Option<Arc<Definition>> {
        self.by_id.get(id)?.last().map(Arc::clone)
    }

    /// What an instance is to be created of.
    pub(super) fn find(&self, request: &proto::CreateProcessInstanceRequest) -> Result<Arc<Definition>, Rejection> {
        let (id, version, key) = (&request.bpmn_process_id, request.version, request.process_definition_key);
        let not_found = |what: String| {
            Err(Rejection::not_found(
                "CREATE",
                format!("Expected to find process definition with {what}, but none found"),
            ))
        };
        if id.is_empty() {
            if key < 0 {
                let reason = "Expected at least a bpmnProcessId or a key greater than -1, but none given";
                return Err(Rejection::rejected(tonic::Code::InvalidArgument, "CREATE", "INVALID_ARGUMENT", reason));
            }
            return self.by_key.get(&key).map(Arc::clone).map_or_else(|| not_found(format!("key '{key}'")), Ok);
        }
        if version < 0 {
            return self.latest(id).map_or_else(|| not_found(format!("process ID '{id}'")), Ok);
        }
        let versions = self.by_id.get(id.as_str()).map(Vec::as_slice).unwrap_or_default();
        match versions.iter().find(|definition| definition.version == version) {
            Some(definition) => Ok(Arc::clone(definition)),
            None => not_found(format!("process ID '{id}' and version '{version}'")),
        }
    }

    /// Start events that wait for a message, in the order of their definitions' keys.
    pub(super) fn message_starts(&self, name: &str) -> Vec<StartSubscription> {
        let range = (name.to_owned(), i64::MIN)..=(name.to_owned(), i64::MAX);
        self.message_starts.range(range).map(|(_, subscription)| subscription.clone()).collect()
    }

    /// Message start events of the process, with the names of their messages.
    pub(super) fn message_starts_of(&self, id: &str) -> Vec<(String, StartSubscription)> {
        let Some(latest) = self.latest(id) else { return Vec::new() };
        let of_latest = self.message_starts.iter().filter(|((_, key), _)| *key == latest.key);
        of_latest.map(|((name, _), subscription)| (name.clone(), subscription.clone())).collect()
    }
}

/// A process that a resource of a request has.
struct Parsed {
    process: Process,
    resource: Arc<proto::Resource>,
}

impl Machine {
    pub(super) fn deploy(&mut self, request: proto::DeployResourceRequest) -> Result<Reply, Rejection> {
        Rejection::check_tenant("DeployResource", &request.tenant_id)?;
        let parsed = parse(request.resources).map_err(|reason| {
            Rejection::rejected(tonic::Code::InvalidArgument, "CREATE", "INVALID_ARGUMENT", &reason)
        })?;
        for one in &parsed {
            self.check_constants(&one.process)?;
        }
        let unchanged = |one: &Parsed| {
            let latest = self.definitions.latest(&one.process.id);
            latest.is_some_and(|latest| latest.resource == one.resource)
        };
        let all_unchanged = parsed.iter().all(unchanged);
        let key = self.next_key();
        let mut deployments = Vec::new();
        for one in parsed {
            let known = self.definitions.latest(&one.process.id).filter(|_| all_unchanged);
            let definition = known.unwrap_or_else(|| self.add_version(one));
            deployments.push(metadata(&definition));
        }
        let tenant_id = DEFAULT_TENANT.to_owned();
        Ok(Reply::Deployed(proto::DeployResourceResponse { key, deployments, tenant_id }))
    }

    fn add_version(&mut self, parsed: Parsed) -> Arc<Definition> {
        let key = self.next_key();
        let id = Arc::clone(&parsed.process.id);
        let versions = self.definitions.by_id.entry(Arc::clone(&id)).or_default();
        let version = versions.last().map_or(1, |latest| latest.version + 1);
        let Parsed { process, resource } = parsed;
        let definition = Arc::new(Definition { key, version, process, resource });
        if let Some(previous) = versions.last().map(|previous| previous.key) {
            self.definitions.message_starts.retain(|(_, key), _| *key != previous);
        }
        versions.push(Arc::clone(&definition));
        self.definitions.by_key.insert(key, Arc::clone(&definition));
        for timer in self.definitions.timer_starts.remove(&id).unwrap_or_default() {
            self.timers.remove(timer);
        }
        self.open_start_events(&definition);
        definition
    }

    /// Evaluates what needs no variables: what start events wait for, and timers that are not FEEL.
    fn check_constants(&self, process: &Process) -> Result<(), Rejection> {
        for (index, element) in process.elements.iter().enumerate() {
            let starts = process.starts().contains(&index);
            let checked = match (element.message(), element.timer()) {
                (Some(message), _) if starts => self.evaluate_string(&message.name, None).map(|_| ()),
                (_, Some(timer)) if starts || timer.expression().is_static() => {
                    self.evaluate_timer(timer, None).map(|_| ())
                }
                _ => Ok(()),
            };
            checked.map_err(|failure| {
                let reason = format!("element '{}': {}", element.id, failure.message);
                Rejection::rejected(tonic::Code::InvalidArgument, "CREATE", "INVALID_ARGUMENT", &reason)
            })?;
        }
        Ok(())
    }

    fn open_start_events(&mut self, definition: &Arc<Definition>) {
        for event in definition.process.starts().iter().copied() {
            let element = &definition.process.elements[event];
            let subscription = StartSubscription { definition: Arc::clone(definition), event };
            if let Some(message) = element.message() {
                if let Ok(name) = self.evaluate_string(&message.name, None) {
                    self.definitions.message_starts.insert((name, definition.key), subscription);
                }
            } else if let Some(timer) = element.timer()
                && let Ok(due) = self.evaluate_timer(timer, None)
            {
                let timer = self.create_start_timer(subscription, &due);
                self.note_start_timer(&definition.process.id, timer);
            }
        }
    }

    /// Remembers a timer that the next version takes back.
    pub(super) fn note_start_timer(&mut self, process_id: &Arc<str>, timer: i64) {
        self.definitions.timer_starts.entry(Arc::clone(process_id)).or_default().push(timer);
    }
}

fn metadata(definition: &Definition) -> proto::Deployment {
    proto::Deployment {
        metadata: Some(proto::deployment::Metadata::Process(proto::ProcessMetadata {
            bpmn_process_id: definition.process.id.to_string(),
            version: definition.version,
            process_definition_key: definition.key,
            resource_name: definition.resource.name.clone(),
            tenant_id: DEFAULT_TENANT.to_owned(),
        })),
    }
}

/// All processes of all resources, or all that is wrong with them.
fn parse(resources: Vec<proto::Resource>) -> Result<Vec<Parsed>, String> {
    if resources.is_empty() {
        return Err("Expected to deploy at least one resource, but none given".to_owned());
    }
    let mut parsed: Vec<Parsed> = Vec::new();
    let mut errors = Vec::new();
    for resource in resources.into_iter().map(Arc::new) {
        let name = &resource.name;
        if !name.ends_with(".bpmn") && !name.ends_with(".xml") {
            errors.push(format!("'{name}': only .bpmn is supported by this engine"));
            continue;
        }
        let processes = match bpmn::parse(&resource.content) {
            Ok(processes) => processes,
            Err(refusals) => {
                errors.extend(refusals.iter().map(|refusal| format!("'{name}': {refusal}")));
                continue;
            }
        };
        for process in processes {
            if let Some(other) = parsed.iter().find(|other| other.process.id == process.id) {
                errors.push(format!("Duplicated process id in resources '{}' and '{name}'", other.resource.name));
            }
            parsed.push(Parsed { process, resource: Arc::clone(&resource) });
        }
    }
    if errors.is_empty() {
        return Ok(parsed);
    }
    Err(format!("Expected to deploy new resources, but encountered the following errors:\n{}", errors.join("\n")))
}
