//! What the end of an element means to the process, subprocess, multi-instance body or call activity around it.

use super::{Failure, Machine, State, Step};
use crate::engine::bpmn::Kind;
use std::sync::Arc;

impl Machine {
    /// Before a child that no flow leaves is gone; true when a multi-instance body needs no more children.
    pub(super) fn before_path_ends(&mut self, scope: i64, child: i64) -> Result<bool, Failure> {
        let Some(instance) = self.instances.get(&scope) else { return Ok(false) };
        let (definition, element) = (Arc::clone(&instance.definition), instance.element);
        match &definition.process.elements[element].kind {
            Kind::MultiInstance(repeated) => self.before_iteration_ends(scope, child, repeated),
            _ => Ok(false),
        }
    }

    /// After a child that no flow leaves is gone.
    pub(super) fn after_path_ends(&mut self, scope: i64, satisfied: bool) {
        let Some(instance) = self.instances.get(&scope) else { return };
        let (definition, element) = (Arc::clone(&instance.definition), instance.element);
        match &definition.process.elements[element].kind {
            Kind::MultiInstance(repeated) => self.after_iteration_ended(scope, repeated, satisfied),
            _ => self.complete_if_idle(scope),
        }
    }

    /// A child was ended from outside.
    pub(super) fn after_child_terminated(&mut self, scope: i64) {
        let Some(instance) = self.instances.get(&scope) else { return };
        if !instance.children.is_empty() {
            return;
        }
        let by_terminate_end = instance.is_active() && instance.interrupted_by.is_some();
        let terminating = instance.state == State::Terminating;
        match instance.kind() {
            Kind::MultiInstance(_) if terminating => self.after_content_ended(scope),
            Kind::MultiInstance(_) => self.complete_if_idle(scope),
            _ if terminating => self.after_content_ended(scope),
            _ if by_terminate_end => self.queue.push_back(Step::Complete(scope)),
            _ => {}
        }
    }
}
