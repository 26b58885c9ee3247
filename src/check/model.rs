//! A BPMN document as the rules see it: everything with its line, nothing refused.

use std::{collections::BTreeSet, sync::Arc};
use zeebe2faas_feel::{Expression, Refusal, read};

/// One file.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// As it was named.
    pub file: String,
    /// Drawn for a Zeebe whose FEEL is not known here.
    pub newer: bool,
    pub processes: Vec<Process>,
    pub messages: Vec<Message>,
}

#[derive(Debug)]
pub(super) struct Process {
    pub id: String,
    pub executable: bool,
    /// Of the process and its start events: what people are told of its inputs, results and errors.
    pub documentation: String,
    /// The part of it about inputs.
    pub takes: String,
    /// Inputs that somebody names: `zeebe:property inputs`, `FILE.vars.json`, `--variables`.
    pub inputs: BTreeSet<String>,
    pub elements: Vec<Element>,
    pub flows: Vec<Flow>,
}

#[derive(Debug)]
pub(super) struct Message {
    pub name: Text,
    pub key: Option<Text>,
}

/// Text in an attribute: FEEL behind a `=`, otherwise itself.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub text: String,
    pub line: u32,
    pub feel: Option<Result<Arc<Expression>, Refusal>>,
}

impl Text {
    pub fn new(text: &str, line: u32) -> Self {
        let feel = text.strip_prefix('=').filter(|feel| !feel.trim().is_empty()).map(|feel| read(feel).map(Arc::new));
        Self { text: text.to_owned(), line, feel }
    }

    pub fn expression(&self) -> Option<&Expression> {
        self.feel.as_ref().and_then(|feel| feel.as_deref().ok())
    }

    /// Its value, where it needs no evaluation.
    pub fn constant(&self) -> Option<&str> {
        (!self.text.starts_with('=') && !self.text.is_empty()).then_some(&self.text)
    }
}

/// A flow node.
#[derive(Debug, Default)]
pub(super) struct Element {
    pub id: String,
    pub line: u32,
    pub kind: Kind,
    /// The subprocess around it.
    pub scope: Option<usize>,
    /// Indices of sequence flows.
    pub incoming: Vec<usize>,
    pub outgoing: Vec<usize>,
    pub default: Option<usize>,
    /// Of a boundary event.
    pub attached_to: Option<usize>,
    pub interrupting: bool,
    /// An event subprocess.
    pub event_triggered: bool,
    pub event: Option<Event>,
    pub job_type: Option<Text>,
    pub retries: Option<Text>,
    pub headers: Vec<Header>,
    pub inputs: Vec<Mapping>,
    pub outputs: Vec<Mapping>,
    /// Variables of a script's or decision's result.
    pub results: Vec<String>,
    pub called: Option<Called>,
    pub repeated: Option<Repeated>,
    /// Expressions that are none of the above.
    pub others: Vec<Text>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Kind {
    Start,
    End,
    Catch,
    Throw,
    Boundary,
    Exclusive,
    Parallel,
    Inclusive,
    EventBased,
    Receive,
    User,
    Call,
    SubProcess,
    AdHoc,
    #[default]
    Task,
}

#[derive(Debug)]
pub(super) enum Event {
    /// Index of the message.
    Message(Option<usize>),
    Timer(Option<Timer>),
    /// The code; none catches all.
    Error(Option<String>),
    Other,
}

#[derive(Debug)]
pub(super) struct Timer {
    pub kind: TimerKind,
    pub text: Text,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimerKind {
    Duration,
    Date,
    Cycle,
}

#[derive(Debug)]
pub(super) struct Header {
    pub key: String,
    pub value: String,
    pub line: u32,
}

#[derive(Debug)]
pub(super) struct Mapping {
    pub source: Text,
    pub target: String,
}

impl Mapping {
    /// The variable that it sets.
    pub fn name(&self) -> &str {
        self.target.split('.').next().unwrap_or_default()
    }
}

#[derive(Debug)]
pub(super) struct Called {
    pub process: Text,
    /// Whether all variables go there.
    pub all_in: bool,
    /// Whether all variables come back.
    pub all_out: bool,
}

#[derive(Debug)]
pub(super) struct Repeated {
    pub sequential: bool,
    pub collection: Option<Text>,
    pub element: Option<String>,
    pub output_collection: Option<String>,
    pub output_element: Option<Text>,
    pub completion: Option<Text>,
}

/// A sequence flow.
#[derive(Debug)]
pub(super) struct Flow {
    pub id: String,
    pub source: usize,
    pub target: usize,
    pub condition: Option<Text>,
}

impl Element {
    /// The header of that name; an empty one is none, as in Zeebe.
    pub fn header(&self, name: &str) -> Option<&Header> {
        self.headers.iter().find(|header| header.key == name && !header.value.trim().is_empty())
    }

    /// The index of the message that it waits for, if it waits for one.
    pub fn message(&self) -> Option<usize> {
        match self.event {
            Some(Event::Message(message)) if self.waits() => message,
            _ => None,
        }
    }

    pub fn timer(&self) -> Option<&Timer> {
        match &self.event {
            Some(Event::Timer(timer)) => timer.as_ref(),
            _ => None,
        }
    }

    /// Whether its event is waited for, not thrown.
    pub fn waits(&self) -> bool {
        matches!(self.kind, Kind::Receive | Kind::Catch | Kind::Boundary | Kind::Start)
    }

    pub fn is_scope(&self) -> bool {
        matches!(self.kind, Kind::SubProcess | Kind::AdHoc)
    }

    /// Whether the variable is its own, so that what is set within stays within.
    pub fn keeps(&self, name: &str) -> bool {
        let element = self.repeated.as_ref().and_then(|repeated| repeated.element.as_deref());
        element == Some(name) || self.inputs.iter().any(|mapping| mapping.name() == name)
    }
}

impl Process {
    /// The element itself, then the subprocesses around it, the innermost first.
    pub fn around(&self, element: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(element), |inner| self.elements[*inner].scope)
    }

    pub fn boundary(&self, element: usize) -> impl Iterator<Item = (usize, &Element)> {
        self.elements.iter().enumerate().filter(move |(_, event)| event.attached_to == Some(element))
    }

    /// Whether the documentation has this word.
    pub fn documents(&self, word: &str) -> bool {
        has_word(&self.documentation, word)
    }

    /// Whether the documentation names it as an input.
    pub fn takes(&self, word: &str) -> bool {
        has_word(&self.takes, word)
    }
}

fn has_word(text: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let mut places = text.match_indices(word).map(|(at, _)| (&text[..at], &text[at + word.len()..]));
    places.any(|(before, after)| !before.ends_with(part) && !after.starts_with(part))
}
