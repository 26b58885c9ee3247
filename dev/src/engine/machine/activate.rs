//! Entering an element: input mappings, then its jobs and subscriptions, or its way on.

use super::{Event, Failure, Instance, Machine, State, Step};
use crate::engine::bpmn::{ElementIx, FlowIx, Kind, Process};
use std::sync::Arc;

impl Machine {
    /// Enters an element in its scope, if that still runs.
    pub(super) fn activate(&mut self, key: i64, scope: i64, element: ElementIx) {
        let Some(surrounding) = self.instances.get_mut(&scope) else { return };
        if !surrounding.is_active() || surrounding.interrupted_by.is_some_and(|by| by != element) {
            return;
        }
        let definition = Arc::clone(&surrounding.definition);
        let entered = &definition.process.elements[element];
        let parallel = matches!(entered.kind, Kind::Parallel);
        if parallel && surrounding.flows_taken_into(element) < entered.incoming.len() {
            return;
        }
        let mut instance = Instance::new(element, Arc::clone(&definition), surrounding.process_instance);
        instance.scope = Some(scope);
        surrounding.use_flows_into(element);
        surrounding.children.insert(key);
        surrounding.active_flows -= used_flows(&definition.process, element).min(surrounding.active_flows);
        if let Kind::MultiInstance(_) = surrounding.kind() {
            surrounding.loop_counter += 1;
            instance.loop_counter = surrounding.loop_counter;
        }
        self.enter(key, instance);
        self.activate_again(key);
    }

    /// Puts a new element instance where others find it.
    pub(super) fn enter(&mut self, key: i64, instance: Instance) {
        self.events.push(Event::ElementEntered {
            key,
            instance: instance.process_instance,
            element: instance.element().id.to_string(),
        });
        self.instances.insert(key, instance);
    }

    /// What activating does after the element instance is there; also when an incident of it was resolved.
    pub(super) fn activate_again(&mut self, key: i64) {
        if let Err(failure) = self.try_activate(key) {
            self.raise(key, failure);
        }
    }

    fn try_activate(&mut self, key: i64) -> Result<(), Failure> {
        let Some(instance) = self.instances.get(&key) else { return Ok(()) };
        let (definition, element) = (Arc::clone(&instance.definition), instance.element);
        if let Some(body) = instance.scope.filter(|_| instance.loop_counter > 0 && self.is_repeated(key)) {
            self.enter_iteration(body, key)?;
        }
        let element = &definition.process.elements[element];
        match &element.kind {
            Kind::Service(_) | Kind::Receive(_) | Kind::SubProcess { .. } | Kind::Call(_) | Kind::Catch(_) => {
                if let Some(inputs) = &element.inputs {
                    let variables = self.evaluate_mapping(inputs, key)?;
                    self.merge_local(key, variables);
                }
            }
            _ => {}
        }
        match &element.kind {
            Kind::Process { .. } => Ok(()),
            Kind::Service(job) => self.activate_service(key, job),
            Kind::Receive(_) | Kind::Catch(_) => {
                self.subscribe(key)?;
                self.set_active(key);
                Ok(())
            }
            Kind::SubProcess { start } => {
                self.set_active(key);
                self.queue_child(key, *start);
                Ok(())
            }
            Kind::MultiInstance(repeated) => self.activate_body(key, repeated),
            Kind::Call(called) => self.activate_call(key, called, element.inputs.is_some()),
            Kind::Exclusive { default } => self.pass_exclusive(key, &element.outgoing, *default),
            Kind::Parallel => {
                self.set_active(key);
                self.leave(key)
            }
            Kind::ErrorEnd(code) => self.activate_error_end(key, code),
            Kind::Start(_) | Kind::Throw | Kind::End | Kind::TerminateEnd | Kind::Boundary { .. } => {
                self.set_active(key);
                self.queue.push_back(Step::Complete(key));
                Ok(())
            }
        }
    }

    pub(super) fn set_active(&mut self, key: i64) {
        if let Some(instance) = self.instances.get_mut(&key) {
            instance.state = State::Active;
        }
    }

    pub(super) fn queue_child(&mut self, scope: i64, element: ElementIx) {
        let key = self.next_key();
        self.queue.push_back(Step::Activate { key, scope, element });
    }

    fn pass_exclusive(&mut self, key: i64, outgoing: &[FlowIx], default: Option<FlowIx>) -> Result<(), Failure> {
        let Some(instance) = self.instances.get(&key) else { return Ok(()) };
        let definition = Arc::clone(&instance.definition);
        let flow = self.choose(key, &definition.process, outgoing, default)?;
        self.set_active(key);
        let Some(flow) = flow else { return self.leave(key) };
        let scope = self.end_well(key)?;
        if let Some(scope) = scope {
            self.take(scope, &definition.process, flow);
        }
        Ok(())
    }

    /// The flow that an exclusive gateway takes; none when it has none.
    fn choose(
        &self,
        key: i64,
        process: &Process,
        outgoing: &[FlowIx],
        default: Option<FlowIx>,
    ) -> Result<Option<FlowIx>, Failure> {
        match outgoing {
            [] => return Ok(None),
            [only] if process.flows[*only].condition.is_none() => return Ok(Some(*only)),
            _ => {}
        }
        for flow in outgoing.iter().filter(|flow| Some(**flow) != default) {
            if let Some(condition) = &process.flows[*flow].condition
                && self.evaluate_condition(condition, key)?
            {
                return Ok(Some(*flow));
            }
        }
        default.map(Some).ok_or_else(|| Failure {
            error_type: "CONDITION_ERROR",
            message: "Expected at least one condition to evaluate to true, or to have a default flow".to_owned(),
        })
    }
}

/// How many of the flows that are on their way arrive when an element is entered.
fn used_flows(process: &Process, element: ElementIx) -> u32 {
    let entered = &process.elements[element];
    let repeated = entered.scope.is_some_and(|scope| matches!(process.elements[scope].kind, Kind::MultiInstance(_)));
    match entered.kind {
        Kind::Start(_) | Kind::Boundary { .. } => 0,
        Kind::Parallel => u32::try_from(entered.incoming.len()).unwrap_or(u32::MAX),
        _ if repeated => 0,
        _ => 1,
    }
}
