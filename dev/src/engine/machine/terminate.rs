//! An element instance is ended from outside: what it waited for is taken back, and a boundary event may go on.

use super::{Instance, Machine, State, Step};
use crate::engine::bpmn::Kind;

impl Machine {
    /// Ends an element instance, with all that runs in it.
    pub(super) fn terminate(&mut self, key: i64) {
        let Some(instance) = self.instances.get_mut(&key) else { return };
        if instance.state == State::Terminating {
            return;
        }
        instance.state = State::Terminating;
        let called = instance.called;
        let job = instance.job.take();
        self.unsubscribe(key);
        if let Some(job) = job {
            self.cancel_job(job);
        }
        let is_body = matches!(self.instances.get(&key).map(|instance| instance.kind()), Some(Kind::MultiInstance(_)));
        if !is_body {
            self.resolve_incidents_of(key);
        }
        if let Some(called) = called.filter(|called| self.instances.contains_key(called)) {
            self.queue.push_back(Step::Terminate(called));
        } else if self.terminate_children(key) {
            self.after_content_ended(key);
        }
    }

    /// Queues the end of all in a scope; true when there is nothing.
    pub(super) fn terminate_children(&mut self, scope: i64) -> bool {
        if self.instances.get(&scope).is_none_or(|instance| instance.children.is_empty()) {
            return true;
        }
        self.queue.push_back(Step::TerminateChildren(scope));
        false
    }

    /// Queues the end of what is in a scope by now.
    pub(super) fn terminate_children_now(&mut self, scope: i64) {
        let Some(instance) = self.instances.get(&scope) else { return };
        let running = |child: &&i64| self.instances.get(child).is_some_and(|child| child.state != State::Terminating);
        let children = instance.children.iter().filter(running);
        self.queue.extend(children.copied().map(Step::Terminate));
    }

    /// What was in a terminating element instance is gone; so is the instance, and its scope hears of it.
    pub(super) fn after_content_ended(&mut self, key: i64) {
        let Some(instance) = self.instances.get(&key) else { return };
        let is_body = matches!(instance.kind(), Kind::MultiInstance(_));
        let Some(scope) = instance.scope else { return self.terminate_process(key) };
        let scope_goes_on =
            self.instances.get(&scope).is_some_and(|scope| scope.is_active() && scope.interrupted_by.is_none());
        let event = instance.boundary_event().filter(|_| scope_goes_on).cloned();
        if is_body {
            self.resolve_incidents_of(key);
        }
        let Some(removed) = self.remove(key, false) else { return };
        let has_event = event.is_some();
        if let Some(event) = event {
            let beside = Instance::new(event.element, removed.definition, removed.process_instance);
            self.enter_event(scope, beside, event.variables);
        }
        if is_body || !has_event {
            self.after_child_terminated(scope);
        }
    }
}
