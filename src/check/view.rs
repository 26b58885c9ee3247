//! One process, with all that the rules ask about it.

use super::{
    call::{Call, is_ours},
    finding::{Finding, Place, Rule},
    flow::FlowGraph,
    model::{Document, Element, Message, Process, Text},
    site::Site,
    waits::{self, Waits},
};

pub(super) struct View<'a> {
    pub document: &'a Document,
    pub process: &'a Process,
    pub site: &'a Site,
    pub graph: FlowGraph,
    pub calls: Vec<Call<'a>>,
    pub waits: Waits,
    pub uses: Vec<Use<'a>>,
    /// Elements that may set variables of any name.
    pub open: Vec<usize>,
}

/// An expression, or a text in its place.
pub(super) struct Use<'a> {
    /// Where it is evaluated.
    pub element: usize,
    /// The id that people know it by: the element's or the sequence flow's.
    pub id: &'a str,
    pub role: Role,
    pub text: &'a Text,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The input mapping of this place.
    Input(usize),
    Output,
    Condition,
    Collection,
    OutputElement,
    Completion,
    Key,
    Timer,
    Other,
}

impl<'a> View<'a> {
    /// The executable processes of a document.
    pub fn of(document: &'a Document, site: &'a Site) -> Vec<Self> {
        let executable = document.processes.iter().filter(|process| process.executable);
        executable.map(|process| Self::new(document, process, site)).collect()
    }

    fn new(document: &'a Document, process: &'a Process, site: &'a Site) -> Self {
        let graph = FlowGraph::new(process);
        let elements = process.elements.iter().enumerate();
        let ours = elements.filter(|(_, element)| is_ours(element, site));
        let calls: Vec<Call<'a>> = ours.map(|(index, element)| Call::read(index, element, site)).collect();
        let waits = waits::find(document, process, &graph, &calls);
        let uses = uses(document, process);
        let mut view = Self { document, process, site, graph, calls, waits, uses, open: Vec::new() };
        view.open = (0..process.elements.len()).filter(|index| view.may_set_anything(*index)).collect();
        view
    }

    pub fn element(&self, index: usize) -> &'a Element {
        &self.process.elements[index]
    }

    pub fn elements(&self) -> impl Iterator<Item = (usize, &'a Element)> + use<'a> {
        self.process.elements.iter().enumerate()
    }

    /// The message that an element waits for.
    pub fn message(&self, element: usize) -> Option<&'a Message> {
        self.element(element).message().map(|index| &self.document.messages[index])
    }

    /// A finding in this file.
    pub fn finding(&self, rule: &'static Rule, line: u32, id: &str, message: impl Into<String>) -> Finding {
        let element = (!id.is_empty()).then(|| id.to_owned());
        let place = Place { file: self.document.file.clone(), line: Some(line), element };
        Finding { rule, place, message: message.into() }
    }

    /// Whether an element waits for a message that calls send.
    pub fn waits_for_calls(&self, element: usize) -> bool {
        let name = self.message(element).and_then(|message| message.name.constant());
        name.is_some_and(|name| self.calls.iter().filter_map(Call::awaited).any(|(sent, _)| sent == name))
            || self.waits.concerns(element)
    }

    /// The names of the variables that calls give.
    pub fn results(&self) -> impl Iterator<Item = &str> {
        self.calls.iter().filter(|call| call.throws.is_none()).filter_map(|call| call.result.as_deref())
    }
}

fn uses<'a>(document: &'a Document, process: &'a Process) -> Vec<Use<'a>> {
    let mut uses = Vec::new();
    for (index, element) in process.elements.iter().enumerate() {
        let mut add = |role, text: &'a Text| uses.push(Use { element: index, id: &element.id, role, text });
        element.inputs.iter().enumerate().for_each(|(place, mapping)| add(Role::Input(place), &mapping.source));
        element.outputs.iter().for_each(|mapping| add(Role::Output, &mapping.source));
        if let Some(repeated) = &element.repeated {
            repeated.collection.iter().for_each(|text| add(Role::Collection, text));
            repeated.output_element.iter().for_each(|text| add(Role::OutputElement, text));
            repeated.completion.iter().for_each(|text| add(Role::Completion, text));
        }
        if let Some(message) = element.message().map(|message| &document.messages[message]) {
            add(Role::Other, &message.name);
            message.key.iter().for_each(|key| add(Role::Key, key));
        }
        element.timer().into_iter().for_each(|timer| add(Role::Timer, &timer.text));
        let called = element.called.as_ref().map(|called| &called.process);
        let others = element.job_type.iter().chain(&element.retries).chain(called).chain(&element.others);
        others.for_each(|text| add(Role::Other, text));
    }
    for flow in &process.flows {
        let condition = flow.condition.iter();
        uses.extend(condition.map(|text| Use { element: flow.source, id: &flow.id, role: Role::Condition, text }));
    }
    uses
}
