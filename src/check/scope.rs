//! Who sets a variable, and whether it is set where it is read.

use super::{
    model::{Event, Kind},
    view::{Role, View},
};
use std::collections::BTreeSet;

/// What is known of a variable at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// It is set, or may be.
    Set,
    /// Only this element sets it, which comes later.
    Later(usize),
    /// Nothing in the process sets it.
    Never,
}

impl View<'_> {
    /// Whether the variable is known where `reader` reads it.
    pub fn known(&self, name: &str, reader: usize, role: Role) -> Known {
        let element = self.element(reader);
        let answered = matches!(role, Role::Output | Role::OutputElement | Role::Completion | Role::Condition);
        // Whatever the called process, the job, the message or the error brings can be mapped.
        let brought = answered && (element.kind == Kind::Call || self.brings_anything(reader));
        if brought || self.is_local(name, reader, role) {
            return Known::Set;
        }
        // What is within the reader is done when its own outputs are made.
        let within = |setter: usize| answered && self.process.around(setter).any(|around| around == reader);
        let before = |setter: usize| self.graph.precedes(setter, reader) || within(setter);
        if self.open.iter().any(|index| before(*index)) {
            return Known::Set;
        }
        let around: Vec<usize> = self.process.around(reader).collect();
        let mut later = None;
        for (setter, from) in self.setters(name) {
            let kept = from.into_iter().flat_map(|from| self.process.around(from));
            let hidden = kept.into_iter().any(|scope| self.element(scope).keeps(name) && !around.contains(&scope));
            if !hidden && before(setter) {
                return Known::Set;
            }
            later = later.or(Some(setter));
        }
        later.map_or(Known::Never, Known::Later)
    }

    /// Whether it is a local variable of the reader, or of what is around it.
    fn is_local(&self, name: &str, reader: usize, role: Role) -> bool {
        let element = self.element(reader);
        let own = match role {
            Role::Input(place) => element.inputs[..place].iter().any(|mapping| mapping.name() == name),
            Role::Collection => false,
            _ => element.inputs.iter().any(|mapping| mapping.name() == name),
        };
        let activity = element.attached_to.is_some_and(|activity| self.element(activity).keeps(name));
        own || activity
            || self.process.around(reader).any(|scope| {
                let repeated =
                    self.element(scope).repeated.as_ref().filter(|_| role != Role::Collection || scope != reader);
                let brought = repeated.is_some_and(|repeated| {
                    name == "loopCounter"
                        || repeated.element.as_deref() == Some(name)
                        || repeated.output_collection.as_deref() == Some(name)
                });
                brought || (scope != reader && self.element(scope).keeps(name))
            })
    }

    /// Elements that set a variable of this name, each with the innermost scope that it is set in; none for the process.
    fn setters<'n>(&'n self, name: &'n str) -> impl Iterator<Item = (usize, Option<usize>)> + 'n {
        let mapped = self.elements().flat_map(move |(index, element)| {
            let outputs = element.outputs.iter().any(|mapping| mapping.name() == name);
            let collects =
                element.repeated.as_ref().is_some_and(|repeated| repeated.output_collection.as_deref() == Some(name));
            let own = element.results.iter().any(|result| result == name) && element.outputs.is_empty();
            (outputs || collects || own).then_some((index, element.scope))
        });
        let calls = self.calls.iter().filter(move |call| call.result.as_deref().is_none_or(|result| result == name));
        // The outcome comes with the message.
        let calls = calls.flat_map(move |call| {
            let place = self.calls.iter().position(|other| other.index == call.index);
            let waiters = self.waits.matched.iter().filter(move |(matched, _)| Some(*matched) == place);
            std::iter::once(call.index).chain(waiters.map(|(_, waiter)| *waiter))
        });
        let unmapped = calls.filter(|index| self.element(*index).outputs.is_empty()).map(|index| (index, Some(index)));
        mapped.chain(unmapped)
    }

    /// Whether mappings or loops set it to something, too.
    pub fn is_set_elsewhere(&self, name: &str) -> bool {
        self.elements().any(|(_, element)| {
            let mut mappings = element.inputs.iter().chain(&element.outputs);
            let repeated = element.repeated.as_ref().and_then(|repeated| repeated.element.as_deref());
            repeated == Some(name) || mappings.any(|mapping| mapping.name() == name && !is_null(&mapping.source.text))
        })
    }

    /// Whether it may set variables of any name: output mappings say which.
    pub fn may_set_anything(&self, index: usize) -> bool {
        self.element(index).outputs.is_empty() && self.brings_anything(index)
    }

    /// Whether what it brings is only known at run time: jobs of other workers, people, messages, called processes.
    fn brings_anything(&self, index: usize) -> bool {
        let element = self.element(index);
        let ours = self.calls.iter().any(|call| call.index == index);
        let brings = match &element.event {
            Some(Event::Message(_)) => element.waits() && !self.waits.is_matched(index),
            Some(Event::Other) => element.waits(),
            Some(Event::Error(_)) if element.waits() => {
                !element.attached_to.is_some_and(|activity| self.calls.iter().any(|call| call.index == activity))
            }
            _ => false,
        };
        let called = element.called.as_ref().is_some_and(|called| called.all_out);
        brings || called || (element.job_type.is_some() && !ours) || matches!(element.kind, Kind::User | Kind::AdHoc)
    }

    /// Names that some expression gets by without: they may be missing.
    pub fn optional(&self) -> BTreeSet<String> {
        let readings = self.uses.iter().filter_map(|found| found.text.expression()).flat_map(|found| found.readings());
        readings
            .filter(|reading| reading.may_be_missing)
            .filter_map(|reading| reading.path.into_iter().next())
            .collect()
    }
}

fn is_null(source: &str) -> bool {
    source.strip_prefix('=').is_some_and(|feel| feel.trim() == "null")
}
