//! What can come after what in a process, and what runs side by side.

use super::model::{Kind, Process};
use std::collections::VecDeque;

/// Each element has two places: where it is entered (twice its index) and where it is left (one more).
#[derive(Debug)]
pub(super) struct FlowGraph {
    next: Vec<Vec<usize>>,
    /// Places that can be reached from where each element is left.
    after: Vec<Vec<bool>>,
    /// Of each fork, the places that can be reached on each of its branches.
    forks: Vec<Vec<Vec<bool>>>,
}

const fn entry(element: usize) -> usize {
    2 * element
}

const fn exit(element: usize) -> usize {
    2 * element + 1
}

impl FlowGraph {
    pub fn new(process: &Process) -> Self {
        let mut next = vec![Vec::new(); 2 * process.elements.len()];
        for flow in &process.flows {
            next[exit(flow.source)].push(entry(flow.target));
        }
        for (index, element) in process.elements.iter().enumerate() {
            if !element.is_scope() {
                next[entry(index)].push(exit(index));
            }
            if let Some(activity) = element.attached_to {
                // The event may come at any time, and bring what its activity's answer brings.
                let inner =
                    (0..process.elements.len()).filter(|other| process.around(*other).any(|around| around == activity));
                inner.for_each(|inner| next[exit(inner)].push(entry(index)));
                next[entry(activity)].push(entry(index));
            }
            let Some(scope) = element.scope else { continue };
            let begins = element.incoming.is_empty() && element.attached_to.is_none();
            if begins {
                next[entry(scope)].push(entry(index));
            }
            if element.outgoing.is_empty() || process.elements[scope].kind == Kind::AdHoc {
                next[exit(index)].push(exit(scope));
            }
        }
        // An event subprocess may begin at any time in its scope.
        for (index, element) in process.elements.iter().enumerate().filter(|(_, element)| element.event_triggered) {
            let siblings = process
                .elements
                .iter()
                .enumerate()
                .filter(|(other, sibling)| *other != index && sibling.scope == element.scope);
            siblings.for_each(|(other, _)| next[exit(other)].push(entry(index)));
        }
        let after = (0..process.elements.len()).map(|element| reached(&next, exit(element))).collect();
        let forks = (0..process.elements.len()).map(|fork| branches(process, fork)).filter(|starts| !starts.is_empty());
        let forks =
            forks.map(|starts| starts.into_iter().map(|start| reached(&next, entry(start))).collect()).collect();
        Self { next, after, forks }
    }

    /// Whether `later` can begin once `earlier` has ended.
    pub fn precedes(&self, earlier: usize, later: usize) -> bool {
        self.after[earlier][entry(later)]
    }

    /// All elements that can come after `element`, the nearest first.
    pub fn nearest_after(&self, element: usize) -> Vec<usize> {
        let mut seen = vec![false; self.next.len()];
        let (mut queue, mut found) = (VecDeque::from([exit(element)]), Vec::new());
        while let Some(place) = queue.pop_front() {
            for &place in &self.next[place] {
                if !std::mem::replace(&mut seen[place], true) {
                    if place % 2 == 0 {
                        found.push(place / 2);
                    }
                    queue.push_back(place);
                }
            }
        }
        found
    }

    /// Whether the two can be under way at the same time: behind different branches of a fork, and not behind its join.
    pub fn side_by_side(&self, process: &Process, left: usize, right: usize) -> bool {
        let Some((left, right)) = siblings(process, left, right) else { return false };
        self.forks.iter().any(|branches| {
            let only = |element: usize| {
                let mut holding = branches.iter().enumerate().filter(|(_, branch)| branch[entry(element)]);
                holding.next().filter(|_| holding.next().is_none()).map(|(index, _)| index)
            };
            matches!((only(left), only(right)), (Some(left), Some(right)) if left != right)
        })
    }
}

fn reached(next: &[Vec<usize>], start: usize) -> Vec<bool> {
    let mut seen = vec![false; next.len()];
    let mut stack = vec![start];
    seen[start] = true;
    while let Some(place) = stack.pop() {
        for &place in &next[place] {
            if !std::mem::replace(&mut seen[place], true) {
                stack.push(place);
            }
        }
    }
    seen
}

/// Where the branches of a fork begin, if it is one.
fn branches(process: &Process, fork: usize) -> Vec<usize> {
    let element = &process.elements[fork];
    let splits = !matches!(element.kind, Kind::Exclusive | Kind::EventBased);
    let flows = element.outgoing.iter().map(|flow| process.flows[*flow].target);
    let mut starts: Vec<usize> = if splits { flows.collect() } else { flows.take(1).collect() };
    starts.extend(process.boundary(fork).filter(|(_, event)| !event.interrupting).map(|(index, _)| index));
    if starts.len() < 2 { Vec::new() } else { starts }
}

/// The two, or what they stand in, in the innermost scope that has both; none where one stands in the other.
fn siblings(process: &Process, left: usize, right: usize) -> Option<(usize, usize)> {
    for left in process.around(left) {
        for right in process.around(right) {
            if process.elements[left].scope == process.elements[right].scope {
                return (left != right).then_some((left, right));
            }
        }
    }
    None
}
