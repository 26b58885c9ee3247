//! Which receive task or message event waits for which call.

use super::{
    call::Call,
    flow::FlowGraph,
    model::{Document, Message, Process},
};

/// What waits for what; indices of calls and elements.
#[derive(Debug, Default)]
pub(super) struct Waits {
    /// A call, and what waits for it.
    pub matched: Vec<(usize, usize)>,
    /// A call, and what looks as if it were meant to wait for it; none where nothing does.
    pub missed: Vec<(usize, Option<Miss>)>,
}

/// What is wrong with something that was meant to wait for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Miss {
    /// Another message is waited for.
    Name(usize),
    /// The correlation key is another one.
    Key(usize),
}

impl Waits {
    /// Whether it waits for a call, or is meant to.
    pub fn concerns(&self, element: usize) -> bool {
        let missed = |miss: &Miss| matches!(miss, Miss::Name(waiter) | Miss::Key(waiter) if *waiter == element);
        self.is_matched(element) || self.missed.iter().any(|(_, miss)| miss.as_ref().is_some_and(missed))
    }

    pub fn is_matched(&self, element: usize) -> bool {
        self.matched.iter().any(|(_, waiter)| *waiter == element)
    }
}

pub(super) fn find(document: &Document, process: &Process, graph: &FlowGraph, calls: &[Call<'_>]) -> Waits {
    let message = |index: usize| process.elements[index].message().map(|message| &document.messages[message]);
    let mut waits = Waits::default();
    let mut left = Vec::new();
    for (place, call) in calls.iter().enumerate() {
        let Some((name, result)) = call.awaited() else { continue };
        let after = graph.nearest_after(call.index);
        let fits = |message: &Message| has_name(message, name) && has_key(message, result);
        match after.iter().copied().find(|index| message(*index).is_some_and(fits)) {
            Some(waiter) => waits.matched.push((place, waiter)),
            None => left.push((place, name, result, after)),
        }
    }
    for (place, name, result, after) in left {
        let free = after.into_iter().filter(|index| !waits.is_matched(*index));
        let miss = free.into_iter().find_map(|index| {
            let message = message(index)?;
            match (has_name(message, name), has_key(message, result)) {
                (true, _) => Some(Miss::Key(index)),
                (false, true) => Some(Miss::Name(index)),
                (false, false) => None,
            }
        });
        waits.missed.push((place, miss));
    }
    waits
}

/// A name that is only known at run time may be any.
fn has_name(message: &Message, name: &str) -> bool {
    message.name.constant().is_none_or(|constant| constant == name)
}

/// A key that does not parse may be any: that it does not is another rule's finding.
fn has_key(message: &Message, result: &str) -> bool {
    let Some(key) = &message.key else { return false };
    match (&key.feel, key.expression()) {
        (Some(_), None) => true,
        (_, Some(expression)) => {
            expression.readings().iter().any(|reading| reading.path.iter().eq([result, "callId"].iter()))
        }
        (None, None) => false,
    }
}
