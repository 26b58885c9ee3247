//! A call activity: the latest version of a process, with variables in and out.

use super::{Failure, Machine, State, Step, Triggered, Variables, instances::Beginning};
use crate::engine::bpmn::{CalledElement, Kind};
use std::sync::Arc;

impl Machine {
    pub(super) fn activate_call(&mut self, key: i64, called: &CalledElement, has_inputs: bool) -> Result<(), Failure> {
        let process_id = self.evaluate_string(&called.process_id, Some(key))?;
        let error = |message: String| Failure { error_type: "CALLED_ELEMENT_ERROR", message };
        let definition = self.definitions.latest(&process_id).ok_or_else(|| {
            error(format!("Expected process with BPMN process id '{process_id}' to be deployed, but not found."))
        })?;
        if definition.process.none_start().is_none() {
            return Err(error(format!(
                "Expected process with BPMN process id '{process_id}' to have a none start event, but not found."
            )));
        }
        self.subscribe(key)?;
        self.set_active(key);
        let variables = if called.propagate_all_parent_variables {
            self.visible_document(key)
        } else if has_inputs {
            self.instances.get(&key).map(|instance| instance.variables.clone()).unwrap_or_default()
        } else {
            Variables::new()
        };
        let beginning = Beginning { key: self.next_key(), definition, caller: Some(key), variables, start: None };
        self.queue.push_back(Step::Begin(Box::new(beginning)));
        Ok(())
    }

    /// The called instance is over.
    pub(super) fn after_called_ended(&mut self, caller: i64, variables: &Variables, completed: bool) {
        let Some(instance) = self.instances.get_mut(&caller) else { return };
        let definition = Arc::clone(&instance.definition);
        let element = &definition.process.elements[instance.element];
        let Kind::Call(called) = &element.kind else { return };
        instance.called = None;
        if completed && (called.propagate_all_child_variables || element.outputs.is_some()) {
            let event = instance.element;
            instance.trigger(Triggered { element: event, variables: variables.clone() });
        }
        match instance.state {
            State::Active if completed => self.queue.push_back(Step::Complete(caller)),
            State::Terminating => self.queue.push_back(Step::ContentEnded(caller)),
            _ => {}
        }
    }
}
