//! An element ends well: output mappings, its end, and the flows that leave it.

use super::{Event, Failure, Machine, State, Step, Variables};
use crate::engine::bpmn::{FlowIx, Kind, Process};
use std::sync::Arc;

impl Machine {
    /// Ends an element instance well, if its scope still runs.
    pub(super) fn complete(&mut self, key: i64) {
        let Some(instance) = self.instances.get(&key) else { return };
        if !matches!(instance.state, State::Active | State::Completing) || !self.surroundings_run(key) {
            return;
        }
        if let Some(instance) = self.instances.get_mut(&key) {
            instance.state = State::Completing;
        }
        if let Err(failure) = self.try_complete(key) {
            self.raise(key, failure);
        }
    }

    /// Whether the scope around an element instance, or the call activity that called it, is active.
    pub(super) fn surroundings_run(&self, key: i64) -> bool {
        let Some(instance) = self.instances.get(&key) else { return false };
        let Some(around) = instance.scope.or(instance.caller) else { return true };
        self.instances
            .get(&around)
            .is_some_and(|around| around.is_active() && around.interrupted_by.is_none_or(|by| by == instance.element))
    }

    fn try_complete(&mut self, key: i64) -> Result<(), Failure> {
        let Some(instance) = self.instances.get(&key) else { return Ok(()) };
        let definition = Arc::clone(&instance.definition);
        let element = &definition.process.elements[instance.element];
        match &element.kind {
            Kind::Process { .. } => return self.complete_process(key),
            Kind::MultiInstance(repeated) => self.complete_body(key, repeated),
            Kind::TerminateEnd => return self.complete_terminate_end(key),
            Kind::Start(_) => {
                self.apply_outputs(key)?;
                if let Some(scope) = self.instances.get(&key).and_then(|instance| instance.scope) {
                    self.subscribe(scope)?;
                }
            }
            Kind::Service(_) | Kind::Receive(_) | Kind::SubProcess { .. } | Kind::Call(_) | Kind::Catch(_) => {
                self.apply_outputs(key)?;
                self.unsubscribe(key);
            }
            Kind::Throw | Kind::End | Kind::Boundary { .. } => self.apply_outputs(key)?,
            Kind::Exclusive { .. } | Kind::Parallel | Kind::ErrorEnd(_) => {}
        }
        self.leave(key)
    }

    /// The variables that the element leaves, by its output mapping or as they came with its event.
    fn apply_outputs(&mut self, key: i64) -> Result<(), Failure> {
        let Some(instance) = self.instances.get_mut(&key) else { return Ok(()) };
        let event = instance.events.triggers.pop_front().map_or_else(Variables::new, |event| event.variables);
        let definition = Arc::clone(&instance.definition);
        let element = &definition.process.elements[instance.element];
        let around = if instance.loop_counter > 0 { Some(key) } else { instance.scope };
        let Some(around) = around else { return Ok(()) };
        if let Some(outputs) = &element.outputs {
            self.merge_local(key, event);
            let variables = self.evaluate_mapping(outputs, key)?;
            self.merge(around, variables);
        } else if !event.is_empty() {
            self.merge(key, event);
        } else if leaves_local_variables(&element.kind) {
            let variables = self.instances.get(&key).map(|instance| instance.variables.clone()).unwrap_or_default();
            self.merge(around, variables);
        }
        Ok(())
    }

    /// Ends the element instance and takes all flows that leave it.
    pub(super) fn leave(&mut self, key: i64) -> Result<(), Failure> {
        let Some(instance) = self.instances.get(&key) else { return Ok(()) };
        let (definition, element) = (Arc::clone(&instance.definition), instance.element);
        if let Some(scope) = self.end_well(key)? {
            for flow in &definition.process.elements[element].outgoing {
                self.take(scope, &definition.process, *flow);
            }
        }
        Ok(())
    }

    /// Ends the element instance, which its scope hears of when no flow leaves it; returns the scope.
    pub(super) fn end_well(&mut self, key: i64) -> Result<Option<i64>, Failure> {
        let Some(instance) = self.instances.get_mut(&key) else { return Ok(None) };
        instance.state = State::Completing;
        let is_last = instance.element().outgoing.is_empty();
        let Some(scope) = instance.scope else { return Ok(None) };
        let satisfied = if is_last { self.before_path_ends(scope, key)? } else { false };
        self.remove(key, true);
        if is_last {
            self.after_path_ends(scope, satisfied);
        }
        Ok(Some(scope))
    }

    /// Takes an element instance away, with all that others hold of it.
    pub(super) fn remove(&mut self, key: i64, completed: bool) -> Option<super::Instance> {
        let instance = self.instances.remove(&key)?;
        if let Some(scope) = instance.scope.and_then(|scope| self.instances.get_mut(&scope)) {
            scope.children.remove(&key);
            if completed {
                scope.completed_children += 1;
            } else {
                scope.terminated_children += 1;
            }
        }
        self.events.push(Event::ElementLeft {
            key,
            instance: instance.process_instance,
            element: instance.element().id.to_string(),
            completed,
        });
        Some(instance)
    }

    /// A token goes along a sequence flow.
    pub(super) fn take(&mut self, scope: i64, process: &Process, flow: FlowIx) {
        let target = process.flows[flow].target;
        let Some(instance) = self.instances.get_mut(&scope) else { return };
        let id = process.flows[flow].id.to_string();
        self.events.push(Event::FlowTaken { instance: instance.process_instance, flow: id });
        instance.active_flows += 1;
        if matches!(process.elements[target].kind, Kind::Parallel) {
            *instance.taken.entry(target).or_default().entry(flow).or_default() += 1;
        }
        self.queue_child(scope, target);
    }

    /// A terminate end event ends all else in its scope.
    fn complete_terminate_end(&mut self, key: i64) -> Result<(), Failure> {
        let Some(instance) = self.instances.get(&key) else { return Ok(()) };
        let (element, Some(scope)) = (instance.element, instance.scope) else { return Ok(()) };
        let satisfied = self.before_path_ends(scope, key)?;
        self.remove(key, true);
        if let Some(around) = self.instances.get_mut(&scope) {
            around.active_flows = 0;
            around.interrupted_by = Some(element);
        }
        self.after_path_ends(scope, satisfied);
        self.terminate_children(scope);
        Ok(())
    }

    /// Queues the end of a scope when nothing in it is left.
    pub(super) fn complete_if_idle(&mut self, scope: i64) {
        if self.instances.get(&scope).is_some_and(super::Instance::is_idle) {
            self.queue.push_back(Step::Complete(scope));
        }
    }
}

/// Whether what came with the event stands in the event's own scope.
fn leaves_local_variables(kind: &Kind) -> bool {
    match kind {
        Kind::Start(_) => true,
        Kind::Boundary { trigger, .. } => !matches!(trigger, crate::engine::bpmn::Trigger::Error(_)),
        _ => false,
    }
}
