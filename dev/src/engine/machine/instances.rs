//! Process instances: created, ended, cancelled.

use super::{
    DEFAULT_TENANT, Event, Failure, Instance, Machine, Rejection, Reply, State, Step, Variables,
    definitions::Definition,
    variables::{document, into_object},
};
use crate::engine::bpmn::{ElementIx, ROOT};
use std::sync::Arc;
use zeebe2faas::zeebe::proto;

/// A process instance that is about to begin.
#[derive(Debug)]
pub(super) struct Beginning {
    pub(super) key: i64,
    pub(super) definition: Arc<Definition>,
    pub(super) caller: Option<i64>,
    pub(super) variables: Variables,
    /// The start event, with what came with it; else the none start event.
    pub(super) start: Option<(ElementIx, Variables)>,
}

impl Machine {
    pub(super) fn create_instance(
        &mut self,
        request: &proto::CreateProcessInstanceRequest,
    ) -> Result<Reply, Rejection> {
        Rejection::check_tenant("CreateProcessInstance", &request.tenant_id)?;
        let variables = document(&request.variables)?;
        let definition = self.definitions.find(request)?;
        if definition.process.none_start().is_none() {
            let reason = "Expected to create instance of process with none start event, but there is no such event";
            return Err(Rejection::invalid_state("CREATE", reason));
        }
        let key = self.next_key();
        let created = proto::CreateProcessInstanceResponse {
            process_definition_key: definition.key,
            bpmn_process_id: definition.process.id.to_string(),
            version: definition.version,
            process_instance_key: key,
            tenant_id: DEFAULT_TENANT.to_owned(),
        };
        self.queue.push_back(Step::Begin(Box::new(Beginning {
            key,
            definition,
            caller: None,
            variables,
            start: None,
        })));
        Ok(Reply::Created(created))
    }

    pub(super) fn begin(&mut self, beginning: Beginning) {
        let Beginning { key, definition, caller, variables, start } = beginning;
        if let Some(caller) = caller {
            let Some(calling) = self.instances.get_mut(&caller).filter(|calling| calling.is_active()) else { return };
            calling.called = Some(key);
        }
        let mut instance = Instance::new(ROOT, Arc::clone(&definition), key);
        instance.caller = caller;
        instance.variables = variables;
        instance.state = State::Active;
        self.enter(key, instance);
        match start {
            Some((event, variables)) => self.enter_event(key, Instance::new(event, definition, key), variables),
            None => {
                if let Some(start) = definition.process.none_start() {
                    self.queue_child(key, start);
                }
            }
        }
    }

    pub(super) fn complete_process(&mut self, key: i64) -> Result<(), Failure> {
        self.unsubscribe(key);
        self.end_process(key, true);
        Ok(())
    }

    pub(super) fn terminate_process(&mut self, key: i64) {
        self.end_process(key, false);
    }

    fn end_process(&mut self, key: i64, completed: bool) {
        let Some(instance) = self.remove(key, completed) else { return };
        let definition = Arc::clone(&instance.definition);
        if let Some(caller) = instance.caller {
            self.after_called_ended(caller, &instance.variables, completed);
        }
        self.events.push(Event::InstanceEnded {
            key,
            process_definition_key: definition.key,
            bpmn_process_id: definition.process.id.to_string(),
            version: definition.version,
            tenant: DEFAULT_TENANT.to_owned(),
            completed,
            variables: into_object(instance.variables),
        });
        self.after_started_instance(key, &definition);
    }

    pub(super) fn cancel(&mut self, request: &proto::CancelProcessInstanceRequest) -> Result<Reply, Rejection> {
        let key = request.process_instance_key;
        self.check_partition(key)?;
        let expected = format!("Expected to cancel a process instance with key '{key}', but ");
        let found = self.instances.get(&key);
        let Some(instance) = found.filter(|found| found.state != State::Terminating && found.scope.is_none()) else {
            return Err(Rejection::not_found("CANCEL", expected + "no such process was found"));
        };
        if instance.caller.is_some() {
            let root = self.root_of(key);
            let reason = format!(
                "it is created by a parent process instance. Cancel the root process instance '{root}' instead."
            );
            return Err(Rejection::invalid_state("CANCEL", expected + &reason));
        }
        self.queue.push_back(Step::Terminate(key));
        Ok(Reply::Done)
    }

    fn root_of(&self, mut key: i64) -> i64 {
        while let Some(caller) = self.instances.get(&key).and_then(|instance| instance.caller)
            && let Some(calling) = self.instances.get(&caller)
        {
            key = calling.process_instance;
        }
        key
    }
}
