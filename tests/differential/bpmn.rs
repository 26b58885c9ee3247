//! Processes in a few words. `~` stands for the scenario: ids of processes, names of messages and types of jobs begin with
//! it, so that scenarios do not meet on the broker that they share.

mod node;

use node::{Node, xml};
use std::fmt::Write;

const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" targetNamespace="http://zeebe2faas/tests">
"#;

/// Writes a process from left to right: each element follows the one before it, until [`from`](Self::from) goes back to
/// another one. What an element has beyond its id is said after it.
#[derive(Debug, Default)]
pub struct Bpmn {
    id: String,
    /// The nodes of each open scope, the innermost last.
    scopes: Vec<Vec<Node>>,
    /// Of finished scopes: the flows are written there.
    flows: Vec<Vec<String>>,
    /// Where the next flow begins.
    at: Option<String>,
    condition: Option<String>,
    default: bool,
    definitions: String,
    count: usize,
    /// The ends of flows, by the element that has them.
    ends: Vec<(String, String)>,
}

/// When a timer is due: `PT5M`, or an expression.
#[derive(Debug, Clone, Copy)]
pub enum Timer<'a> {
    After(&'a str),
    At(&'a str),
    Every(&'a str),
}

/// What an event is about.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    None,
    /// Name and correlation key.
    Message(&'a str, &'a str),
    Timer(Timer<'a>),
    /// An error code; empty for any.
    Error(&'a str),
    Terminate,
}

/// A multi-instance's attributes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Each<'a> {
    pub sequential: bool,
    pub of: &'a str,
    pub named: &'a str,
    pub into: &'a str,
    pub result: &'a str,
    pub until: &'a str,
}

impl Bpmn {
    /// A process with a none start event `start`.
    pub fn process(id: &str) -> Self {
        Self::bare(id).start("start", Event::None)
    }

    /// A process without anything.
    pub fn bare(id: &str) -> Self {
        Self { id: own(id), scopes: vec![Vec::new()], flows: vec![Vec::new()], ..Self::default() }
    }

    pub fn start(mut self, id: &str, event: Event<'_>) -> Self {
        self.at = None;
        self.event("startEvent", id, event, "")
    }

    pub fn end(self, id: &str) -> Self {
        self.end_with(id, Event::None)
    }

    pub fn end_with(self, id: &str, event: Event<'_>) -> Self {
        self.event("endEvent", id, event, "")
    }

    pub fn catch(self, id: &str, event: Event<'_>) -> Self {
        self.event("intermediateCatchEvent", id, event, "")
    }

    pub fn pass(self, id: &str) -> Self {
        self.event("intermediateThrowEvent", id, Event::None, "")
    }

    /// An interrupting boundary event; the next element follows it.
    pub fn boundary(mut self, id: &str, host: &str, event: Event<'_>) -> Self {
        self.at = None;
        self.event("boundaryEvent", id, event, &format!(r#" attachedToRef="{host}""#))
    }

    pub fn boundary_beside(mut self, id: &str, host: &str, event: Event<'_>) -> Self {
        self.at = None;
        self.event("boundaryEvent", id, event, &format!(r#" attachedToRef="{host}" cancelActivity="false""#))
    }

    /// A service task; its job type is `~` and its id.
    pub fn task(self, id: &str) -> Self {
        self.task_of(id, id, "")
    }

    pub fn task_of(mut self, id: &str, job_type: &str, retries: &str) -> Self {
        let retries = if retries.is_empty() { String::new() } else { format!(r#" retries="{}""#, xml(retries)) };
        let node = self.node("serviceTask", id);
        node.extensions = format!(r#"<zeebe:taskDefinition type="{}"{retries}/>"#, xml(&own(job_type)));
        self
    }

    pub fn receive(mut self, id: &str, message: &str, key: &str) -> Self {
        let message = self.message(message, key);
        self.node("receiveTask", id).attributes = format!(r#" messageRef="{message}""#);
        self
    }

    pub fn exclusive(mut self, id: &str) -> Self {
        self.node("exclusiveGateway", id);
        self
    }

    pub fn parallel(mut self, id: &str) -> Self {
        self.node("parallelGateway", id);
        self
    }

    pub fn call(mut self, id: &str, process: &str, attributes: &str) -> Self {
        let called = format!(r#"<zeebe:calledElement processId="{}" {attributes}/>"#, xml(&own(process)));
        self.node("callActivity", id).extensions = called;
        self
    }

    /// A subprocess that begins with a none start event, `ID-start`.
    pub fn sub(mut self, id: &str, inner: impl FnOnce(Self) -> Self) -> Self {
        self.node("subProcess", id);
        self.scopes.push(Vec::new());
        self.flows.push(Vec::new());
        let mut inside = inner(self.start(&format!("{id}-start"), Event::None));
        let written = inside.close();
        if let Some(node) = inside.last() {
            node.inner = written;
        }
        inside.at = Some(id.to_owned());
        inside
    }

    /// An element written by hand, of this id.
    pub fn raw(mut self, id: &str, text: &str) -> Self {
        let node = self.node("", id);
        node.inner = text.to_owned();
        self
    }

    /// The element that was written last.
    pub fn last_id(&self) -> String {
        self.scopes.last().and_then(|nodes| nodes.last()).map(|node| node.id.clone()).unwrap_or_default()
    }

    /// The next element follows this one.
    pub fn from(mut self, id: &str) -> Self {
        self.at = Some(id.to_owned());
        self
    }

    /// A flow to an element that is there, or comes.
    pub fn to(mut self, id: &str) -> Self {
        self.flow(id);
        self.at = None;
        self
    }

    /// The next flow's condition.
    pub fn when(mut self, condition: &str) -> Self {
        self.condition = Some(condition.to_owned());
        self
    }

    /// The next flow is its gateway's default.
    pub fn otherwise(mut self) -> Self {
        self.default = true;
        self
    }

    pub fn input(self, source: &str, target: &str) -> Self {
        self.mapping("input", source, target)
    }

    pub fn output(self, source: &str, target: &str) -> Self {
        self.mapping("output", source, target)
    }

    pub fn header(mut self, key: &str, value: &str) -> Self {
        if let Some(node) = self.last() {
            let _ = write!(node.headers, r#"<zeebe:header key="{}" value="{}"/>"#, xml(key), xml(value));
        }
        self
    }

    pub fn each(mut self, each: Each<'_>) -> Self {
        let attribute = |name: &str, value: &str| {
            if value.is_empty() { String::new() } else { format!(r#" {name}="{}""#, xml(value)) }
        };
        let until = match each.until {
            "" => String::new(),
            until => format!("<completionCondition>{}</completionCondition>", xml(until)),
        };
        let attributes = [
            attribute("inputCollection", each.of),
            attribute("inputElement", each.named),
            attribute("outputCollection", each.into),
            attribute("outputElement", each.result),
        ]
        .concat();
        if let Some(node) = self.last() {
            node.loops = format!(
                r#"<multiInstanceLoopCharacteristics isSequential="{}"><extensionElements><zeebe:loopCharacteristics{attributes}/></extensionElements>{until}</multiInstanceLoopCharacteristics>"#,
                each.sequential
            );
        }
        self
    }

    /// The whole file.
    pub fn xml(mut self) -> String {
        let inner = self.close();
        format!(
            "{HEAD}<process id=\"{}\" isExecutable=\"true\">\n{inner}</process>\n{}</definitions>\n",
            self.id, self.definitions
        )
    }

    fn mapping(mut self, what: &str, source: &str, target: &str) -> Self {
        if let Some(node) = self.last() {
            let _ = write!(node.io, r#"<zeebe:{what} source="{}" target="{target}"/>"#, xml(source));
        }
        self
    }

    fn event(mut self, tag: &'static str, id: &str, event: Event<'_>, attributes: &str) -> Self {
        let definition = match event {
            Event::None => String::new(),
            Event::Terminate => format!(r#"<terminateEventDefinition id="{id}-def"/>"#),
            Event::Message(name, key) => {
                let message = self.message(name, key);
                format!(r#"<messageEventDefinition id="{id}-def" messageRef="{message}"/>"#)
            }
            Event::Error("") => format!(r#"<errorEventDefinition id="{id}-def"/>"#),
            Event::Error(code) => {
                let error =
                    self.definition(|n| format!(r#"<error id="error{n}" errorCode="{}"/>"#, xml(code)), "error");
                format!(r#"<errorEventDefinition id="{id}-def" errorRef="{error}"/>"#)
            }
            Event::Timer(timer) => {
                let (tag, when) = match timer {
                    Timer::After(when) => ("timeDuration", when),
                    Timer::At(when) => ("timeDate", when),
                    Timer::Every(when) => ("timeCycle", when),
                };
                let when = xml(when);
                format!(
                    r#"<timerEventDefinition id="{id}-def"><{tag} xsi:type="tFormalExpression">{when}</{tag}></timerEventDefinition>"#
                )
            }
        };
        let node = self.node(tag, id);
        node.attributes = attributes.to_owned();
        node.definition = definition;
        self
    }

    fn message(&mut self, name: &str, key: &str) -> String {
        let subscription = match key {
            "" => String::new(),
            key => {
                let key = xml(key);
                format!(r#"<extensionElements><zeebe:subscription correlationKey="{key}"/></extensionElements>"#)
            }
        };
        let name = xml(&own(name));
        self.definition(|n| format!(r#"<message id="message{n}" name="{name}">{subscription}</message>"#), "message")
    }

    fn definition(&mut self, text: impl FnOnce(usize) -> String, what: &str) -> String {
        self.count += 1;
        self.definitions += &text(self.count);
        self.definitions.push('\n');
        format!("{what}{}", self.count)
    }

    /// A new node after the last one.
    fn node(&mut self, tag: &'static str, id: &str) -> &mut Node {
        if self.at.is_some() {
            self.flow(id);
        }
        self.at = Some(id.to_owned());
        let nodes = self.scopes.last_mut().unwrap();
        nodes.push(Node { tag, id: id.to_owned(), ..Node::default() });
        nodes.last_mut().unwrap()
    }

    fn flow(&mut self, to: &str) {
        let Some(from) = self.at.clone() else { return };
        self.count += 1;
        let id = format!("flow{}", self.count);
        let condition = match self.condition.take() {
            Some(text) => {
                format!(r#"<conditionExpression xsi:type="tFormalExpression">{}</conditionExpression>"#, xml(&text))
            }
            None => String::new(),
        };
        if std::mem::take(&mut self.default)
            && let Some(node) = self.scopes.iter_mut().flatten().find(|node| node.id == from)
        {
            let _ = write!(node.attributes, r#" default="{id}""#);
        }
        // Zeebe reads some of its rules off these, and others off the flows themselves.
        self.ends.push((from.clone(), format!("<outgoing>{id}</outgoing>")));
        self.ends.push((to.to_owned(), format!("<incoming>{id}</incoming>")));
        let flow = format!(r#"<sequenceFlow id="{id}" sourceRef="{from}" targetRef="{to}">{condition}</sequenceFlow>"#);
        self.flows.last_mut().unwrap().push(flow);
    }

    fn last(&mut self) -> Option<&mut Node> {
        self.scopes.last_mut().and_then(|nodes| nodes.last_mut())
    }

    /// Writes the innermost scope.
    fn close(&mut self) -> String {
        let nodes = self.scopes.pop().unwrap_or_default();
        let flows = self.flows.pop().unwrap_or_default();
        let ends = |node: &Node| -> String {
            let (outgoing, incoming): (Vec<_>, Vec<_>) =
                self.ends.iter().filter(|(id, _)| *id == node.id).partition(|(_, end)| end.starts_with("<outgoing>"));
            incoming.into_iter().chain(outgoing).map(|(_, end)| end.as_str()).collect()
        };
        nodes.iter().map(|node| node.xml(&ends(node))).chain(flows.into_iter().map(|flow| flow + "\n")).collect()
    }
}

/// The scenario's own, unless it is an expression.
fn own(name: &str) -> String {
    if name.starts_with('=') { name.to_owned() } else { format!("~{name}") }
}
