//! BPMN errors: thrown by a job or an end event, caught by a boundary event around it.

use super::{Failure, Machine, Variables};
use crate::engine::bpmn::{ElementIx, Expression};
use std::cmp::Reverse;

/// Who catches an error: an element instance, and the event attached to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Catcher {
    pub(super) instance: i64,
    pub(super) event: ElementIx,
}

impl Machine {
    pub(super) fn activate_error_end(&mut self, key: i64, code: &Expression) -> Result<(), Failure> {
        let code = self.evaluate_string(code, Some(key))?;
        let scope = self.instances.get(&key).and_then(|instance| instance.scope);
        let catcher = self.find_catcher(scope, &code, "")?;
        self.set_active(key);
        self.throw(catcher, Variables::new());
        Ok(())
    }

    pub(super) fn throw(&mut self, catcher: Catcher, variables: Variables) {
        if self.can_happen(catcher.instance, catcher.event) {
            self.happen(catcher.instance, catcher.event, variables);
        }
    }

    /// Looks for who catches the code, outwards from an element instance and through call activities.
    pub(super) fn find_catcher(&self, from: Option<i64>, code: &str, message: &str) -> Result<Catcher, Failure> {
        let mut available = Vec::new();
        let mut next = from;
        while let Some(key) = next
            && let Some(instance) = self.instances.get(&key)
            && instance.is_active()
        {
            let elements = &instance.definition.process.elements;
            let codes =
                instance.element().boundary.iter().filter_map(|event| Some((elements[*event].error_code()?, *event)));
            let mut codes: Vec<_> = codes.collect();
            codes.sort_by_key(|(code, _)| Reverse(*code));
            if instance.interrupted_by.is_none() {
                for (catching, event) in codes {
                    if catching.is_empty() || catching == code {
                        return Ok(Catcher { instance: key, event });
                    }
                    available.push(catching);
                }
            }
            next = if instance.interrupted_by.is_some() {
                self.instances.get(&instance.process_instance).and_then(|process| process.caller)
            } else {
                instance.scope.or(instance.caller)
            };
        }
        let with = if message.is_empty() { String::new() } else { format!(" with message '{message}'") };
        let available = match available.as_slice() {
            [] => " No error events are available in the scope.".to_owned(),
            codes => format!(" Available error events are [{}]", codes.join(", ")),
        };
        let message =
            format!("Expected to throw an error event with the code '{code}'{with}, but it was not caught.{available}");
        Err(Failure { error_type: "UNHANDLED_ERROR_EVENT", message })
    }
}
