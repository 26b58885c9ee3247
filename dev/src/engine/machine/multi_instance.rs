//! Multi-instance activities: a body, and in it one instance for each item of a list.

use super::{Failure, Machine, Step};
use crate::engine::bpmn::{Kind, Loop};
use serde_json::Value;
use std::sync::Arc;

impl Machine {
    /// Whether the element instance is one of a multi-instance body's.
    pub(super) fn is_repeated(&self, key: i64) -> bool {
        let scope = self.instances.get(&key).and_then(|instance| instance.scope);
        let around = scope.and_then(|scope| self.instances.get(&scope));
        around.is_some_and(|around| matches!(around.kind(), Kind::MultiInstance(_)))
    }

    pub(super) fn activate_body(&mut self, key: i64, repeated: &Loop) -> Result<(), Failure> {
        let count = self.evaluate_list(&repeated.input_collection, key)?.len();
        self.subscribe(key)?;
        self.set_active(key);
        if let Some((collection, _)) = &repeated.output {
            self.set_local(key, collection, Value::Array(vec![Value::Null; count]));
        }
        if count == 0 {
            self.queue.push_back(Step::Complete(key));
        } else if repeated.sequential {
            self.queue_child(key, repeated.inner);
        } else {
            self.queue.push_back(Step::ActivateEach { body: key, count });
        }
        Ok(())
    }

    pub(super) fn activate_each(&mut self, body: i64, count: usize) {
        let Some(instance) = self.instances.get(&body) else { return };
        let Kind::MultiInstance(repeated) = instance.kind() else { return };
        let inner = repeated.inner;
        for _ in 0..count {
            self.queue_child(body, inner);
        }
    }

    /// Gives one instance its item.
    pub(super) fn enter_iteration(&mut self, body: i64, key: i64) -> Result<(), Failure> {
        let Some(around) = self.instances.get(&body) else { return Ok(()) };
        let (definition, element) = (Arc::clone(&around.definition), around.element);
        let Kind::MultiInstance(repeated) = &definition.process.elements[element].kind else { return Ok(()) };
        let counter = self.instances.get(&key).map_or(0, |instance| instance.loop_counter);
        let items = self.evaluate_list(&repeated.input_collection, key)?;
        if counter > items.len() {
            return Err(Failure::extract_value(format!(
                "Expected to read item at index {} of the multiInstanceBody input collection but it contains only {} \
                 elements. The input collection might be modified while iterating over it.",
                counter - 1,
                items.len()
            )));
        }
        let input = repeated.input_element.as_deref();
        if let Some(name) = input {
            self.set_local(key, name, items[counter - 1].clone());
        }
        let result = repeated.output.as_ref().and_then(|(_, expression)| expression.variable());
        if let Some(name) = result.filter(|name| Some(*name) != input && *name != "loopCounter") {
            self.set_local(key, name, Value::Null);
        }
        self.set_local(key, "loopCounter", counter.into());
        Ok(())
    }

    /// One instance is about to end: its result is collected; true when the completion condition holds.
    pub(super) fn before_iteration_ends(&mut self, body: i64, child: i64, repeated: &Loop) -> Result<bool, Failure> {
        if let Some((collection, element)) = &repeated.output {
            let result = self.evaluate(element, Some(child))?.value;
            self.collect_result(body, child, collection, result)?;
        }
        let satisfied = match &repeated.completion_condition {
            Some(condition) => {
                let Some(around) = self.instances.get(&body) else { return Ok(false) };
                let numbers = [
                    ("numberOfInstances", around.loop_counter),
                    ("numberOfActiveInstances", around.children.len().saturating_sub(1)),
                    ("numberOfCompletedInstances", around.completed_children + 1),
                    ("numberOfTerminatedInstances", around.terminated_children),
                ];
                self.evaluate_condition_covered(condition, child, &numbers)?
            }
            None => false,
        };
        self.evaluate_list(&repeated.input_collection, body)?;
        Ok(satisfied)
    }

    fn collect_result(&mut self, body: i64, child: i64, name: &str, result: Value) -> Result<(), Failure> {
        let counter = self.instances.get(&child).map_or(0, |instance| instance.loop_counter);
        let Some(around) = self.instances.get_mut(&body) else { return Ok(()) };
        let Some(collection) = around.variables.get_mut(name) else {
            return Err(Failure::extract_value(format!(
                "Expected the output collection variable '{name}' to be of type list, but it was NIL"
            )));
        };
        let hint = "This may happen when multiple BPMN elements write to the same variable.";
        let items = match Arc::make_mut(collection) {
            Value::Array(items) => items,
            other => {
                let actual = super::variables::message_pack_type(other);
                return Err(Failure::extract_value(format!(
                    "Unable to update an item in output collection '{name}' because the type of the output collection \
                     is: {actual}. {hint}"
                )));
            }
        };
        let size = items.len();
        match counter.checked_sub(1).and_then(|index| items.get_mut(index)) {
            Some(item) => *item = result,
            None => {
                return Err(Failure::extract_value(format!(
                    "Unable to update an item in output collection '{name}' at position {counter} because the size of \
                     the collection is: {size}. {hint}"
                )));
            }
        }
        Ok(())
    }

    pub(super) fn after_iteration_ended(&mut self, body: i64, repeated: &Loop, satisfied: bool) {
        if satisfied {
            if self.terminate_children(body) || repeated.sequential {
                self.queue.push_back(Step::Complete(body));
            }
            return;
        }
        let Ok(items) = self.evaluate_list(&repeated.input_collection, body) else { return };
        let Some(around) = self.instances.get(&body) else { return };
        if repeated.sequential && around.loop_counter < items.len() {
            self.queue_child(body, repeated.inner);
        } else if around.is_idle() && around.completed_children + around.terminated_children == items.len() {
            self.queue.push_back(Step::Complete(body));
        }
    }

    /// The collected results go out to where their variable is.
    pub(super) fn complete_body(&mut self, key: i64, repeated: &Loop) {
        self.unsubscribe(key);
        let Some((name, _)) = &repeated.output else { return };
        let Some(value) = self.variable(key, name).map(Arc::clone) else { return };
        if let Some(scope) = self.instances.get(&key).and_then(|instance| instance.scope) {
            self.merge(scope, super::Variables::from([(name.to_string(), value)]));
        }
    }
}
