//! What must hold of a process as a whole; mostly what Zeebe's validators say, in their words.

use super::{ElementIx, Kind, ROOT, Trigger, activities::Builder, straight_loops};
use std::collections::HashSet;

impl Builder<'_, '_> {
    pub(super) fn check(&mut self) {
        for index in 0..self.process.elements.len() {
            match &self.process.elements[index].kind {
                Kind::Process { .. } => self.check_process(),
                Kind::SubProcess { .. } => self.check_subprocess(index),
                Kind::Boundary { .. } => self.check_boundary(index),
                Kind::Exclusive { default } => {
                    let default = *default;
                    self.check_exclusive(index, default);
                }
                Kind::End | Kind::ErrorEnd(_) | Kind::TerminateEnd
                    if !self.process.elements[index].outgoing.is_empty() =>
                {
                    self.refuse(index, "End events must not have outgoing sequence flows to other elements.");
                }
                Kind::Start(_) if !self.process.elements[index].incoming.is_empty() => {
                    self.refuse(index, "Start events must not have incoming sequence flows");
                }
                _ => {}
            }
            self.check_attached(index);
        }
        if self.reader.refusals.is_empty()
            && let Some(index) = straight_loops::find(&self.process)
        {
            self.refuse(index, "Processes are not allowed to contain a straight-through processing loop");
        }
    }

    fn refuse(&mut self, index: ElementIx, reason: &str) {
        let node = self.nodes[index];
        self.reader.refuse(node, reason);
    }

    fn check_process(&mut self) {
        let starts = self.process.starts();
        let is_none = |start: &&ElementIx| matches!(self.process.elements[**start].kind, Kind::Start(None));
        let none_starts = starts.iter().filter(is_none).count();
        if starts.is_empty() {
            self.refuse(ROOT, "Must have at least one start event");
        } else if none_starts > 1 {
            self.refuse(ROOT, "Multiple none start events are not allowed");
        }
        let mut names = HashSet::new();
        let messages = self.process.starts().iter().filter_map(|start| self.process.elements[*start].message());
        let twice = messages.map(|message| message.name.text().to_owned()).any(|name| !names.insert(name));
        if twice {
            self.refuse(ROOT, "A message cannot be referred by more than one start event");
        }
    }

    fn check_subprocess(&mut self, index: ElementIx) {
        let inside = self.process.elements.iter().enumerate().filter(|(_, element)| element.scope == Some(index));
        let starts: Vec<_> = inside.filter(|(_, element)| matches!(element.kind, Kind::Start(_))).collect();
        match starts.as_slice() {
            [(start, element)] if matches!(element.kind, Kind::Start(None)) => {
                let start = *start;
                self.process.elements[index].kind = Kind::SubProcess { start };
            }
            [_] => self.refuse(index, "Start events in subprocesses must be of type none"),
            _ => self.refuse(index, "Must have exactly one start event"),
        }
    }

    fn check_boundary(&mut self, index: ElementIx) {
        let event = &self.process.elements[index];
        let (has_incoming, has_outgoing) = (!event.incoming.is_empty(), !event.outgoing.is_empty());
        let passing_error = matches!(event.kind, Kind::Boundary { trigger: Trigger::Error(_), interrupting: false });
        if has_incoming {
            self.refuse(index, "Cannot have incoming sequence flows");
        }
        if !has_outgoing {
            self.refuse(index, "Must have at least one outgoing sequence flow or association");
        }
        if passing_error {
            self.refuse(index, "Non-Interrupting event of type error is not allowed");
        }
    }

    fn check_exclusive(&mut self, index: ElementIx, default: Option<usize>) {
        let outgoing = &self.process.elements[index].outgoing;
        let open = |flow: &usize| self.process.flows[*flow].condition.is_none() && Some(*flow) != default;
        if outgoing.len() > 1 && outgoing.iter().any(open) {
            self.refuse(index, "each of several outgoing sequence flows must have a condition or be default flow");
        }
    }

    /// An activity's events must differ.
    fn check_attached(&mut self, index: ElementIx) {
        let element = &self.process.elements[index];
        let own = match &element.kind {
            Kind::Receive(message) => Some(message),
            _ => None,
        };
        let events = element.boundary.iter().map(|event| &self.process.elements[*event]);
        let attached = events.clone().filter_map(|event| event.message());
        let mut names = HashSet::new();
        let twice = own.into_iter().chain(attached).any(|message| !names.insert(message.name.text()));
        let mut codes = HashSet::new();
        let same_code = events.filter_map(|event| event.error_code()).any(|code| !codes.insert(code));
        if twice {
            self.refuse(index, "Multiple message catch events with the same name are not supported on the same scope");
        }
        if same_code {
            self.refuse(
                index,
                "Multiple error catch events with the same error code are not supported on the same scope",
            );
        }
    }
}
