//! Loops that never wait, with a call activity or a throw event in them: Zeebe refuses these.

use super::{Element, ElementIx, Kind, Process};
use std::collections::HashSet;

/// An element of such a loop.
pub(super) fn find(process: &Process) -> Option<ElementIx> {
    let refused = |element: &Element| matches!(element.kind, Kind::Throw | Kind::Call(_));
    (0..process.elements.len()).find(|index| refused(&process.elements[*index]) && returns(process, *index))
}

fn returns(process: &Process, start: ElementIx) -> bool {
    let mut seen = HashSet::new();
    let mut open = next(process, start);
    while let Some(index) = open.pop() {
        if index == start {
            return true;
        }
        if seen.insert(index) {
            open.extend(next(process, index));
        }
    }
    false
}

/// Where a token goes on at once.
fn next(process: &Process, from: ElementIx) -> Vec<ElementIx> {
    let element = &process.elements[from];
    let targets = |element: &Element| element.outgoing.iter().map(|flow| process.flows[*flow].target).collect();
    match &element.kind {
        Kind::SubProcess { start } => vec![*start],
        Kind::MultiInstance(repeated) => vec![repeated.inner],
        Kind::Call(called) if called.process_id.is_static() && called.process_id.text() == &*process.id => {
            process.none_start().into_iter().collect()
        }
        Kind::Call(_) | Kind::Service(_) | Kind::Receive(_) | Kind::Catch(_) | Kind::Boundary { .. } => Vec::new(),
        _ if element.outgoing.is_empty() => {
            element.scope.map(|scope| targets(&process.elements[scope])).unwrap_or_default()
        }
        _ => targets(element),
    }
}
