//! Element instances: what is alive of a process instance, a process instance itself among them.

use super::{definitions::Definition, variables::Variables};
use crate::engine::bpmn::{Element, ElementIx, FlowIx, Kind};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

/// Where an element instance is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Activating,
    Active,
    Completing,
    Terminating,
}

/// One execution of an element.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) element: ElementIx,
    pub(super) definition: Arc<Definition>,
    pub(super) process_instance: i64,
    /// The instance of the process, subprocess or multi-instance body around it; none for a process instance.
    pub(super) scope: Option<i64>,
    /// The call activity that a process instance was called by.
    pub(super) caller: Option<i64>,
    /// The process instance that a call activity has called.
    pub(super) called: Option<i64>,
    pub(super) state: State,
    pub(super) children: BTreeSet<i64>,
    /// Sequence flows taken, their targets not yet begun.
    pub(super) active_flows: u32,
    /// How often each flow into each parallel gateway was taken, the gateway not yet begun.
    pub(super) taken: BTreeMap<ElementIx, BTreeMap<FlowIx, u32>>,
    /// The terminate end event that ends this scope.
    pub(super) interrupted_by: Option<ElementIx>,
    pub(super) variables: Variables,
    pub(super) events: EventScope,
    pub(super) job: Option<i64>,
    pub(super) timers: BTreeSet<i64>,
    pub(super) subscriptions: BTreeSet<i64>,
    /// Those of the element, not of its job.
    pub(super) incidents: Vec<i64>,
    /// In a multi-instance body: how many were begun. In what it repeats: which one this is, from 1. Else 0.
    pub(super) loop_counter: usize,
    pub(super) completed_children: usize,
    pub(super) terminated_children: usize,
}

/// Which events an element instance still takes, and those that it took and has not acted on.
#[derive(Debug, Default)]
pub(super) struct EventScope {
    pub(super) closed: bool,
    pub(super) interrupted: bool,
    pub(super) triggers: VecDeque<Triggered>,
}

/// An event that happened to an element instance.
#[derive(Debug, Clone)]
pub(super) struct Triggered {
    /// The event; the element itself when its job or its message came.
    pub(super) element: ElementIx,
    pub(super) variables: Variables,
}

impl Instance {
    pub(super) fn new(element: ElementIx, definition: Arc<Definition>, process_instance: i64) -> Self {
        Self {
            element,
            definition,
            process_instance,
            scope: None,
            caller: None,
            called: None,
            state: State::Activating,
            children: BTreeSet::new(),
            active_flows: 0,
            taken: BTreeMap::new(),
            interrupted_by: None,
            variables: Variables::new(),
            events: EventScope::default(),
            job: None,
            timers: BTreeSet::new(),
            subscriptions: BTreeSet::new(),
            incidents: Vec::new(),
            loop_counter: 0,
            completed_children: 0,
            terminated_children: 0,
        }
    }

    pub(super) fn element(&self) -> &Element {
        &self.definition.process.elements[self.element]
    }

    pub(super) fn kind(&self) -> &Kind {
        &self.element().kind
    }

    pub(super) fn is_active(&self) -> bool {
        self.state == State::Active
    }

    /// Whether nothing in this scope runs or is about to.
    pub(super) fn is_idle(&self) -> bool {
        self.children.is_empty() && self.active_flows == 0
    }

    /// Whether the event can still happen to it.
    pub(super) fn takes(&self, event: ElementIx) -> bool {
        !self.events.closed && (!self.events.interrupted || self.element().boundary.contains(&event))
    }

    /// Remembers an event, unless it came too late.
    pub(super) fn trigger(&mut self, triggered: Triggered) {
        if !self.takes(triggered.element) {
            return;
        }
        let definition = Arc::clone(&self.definition);
        let is_boundary = self.element().boundary.contains(&triggered.element);
        if is_boundary && definition.process.elements[triggered.element].is_interrupting() {
            self.events.interrupted = true;
            self.events.closed = true;
        }
        self.events.triggers.push_back(triggered);
    }

    /// The first event that happened to it and is not its own end.
    pub(super) fn boundary_event(&self) -> Option<&Triggered> {
        self.events.triggers.front().filter(|triggered| triggered.element != self.element)
    }

    /// Each flow into a gateway was taken at least once.
    pub(super) fn flows_taken_into(&self, gateway: ElementIx) -> usize {
        self.taken.get(&gateway).map_or(0, BTreeMap::len)
    }

    /// A parallel gateway begins: it uses up one of each of its flows.
    pub(super) fn use_flows_into(&mut self, gateway: ElementIx) {
        if let Some(taken) = self.taken.get_mut(&gateway) {
            taken.retain(|_, count| {
                *count -= 1;
                *count > 0
            });
        }
    }
}
