//! A BPMN file to a [`Document`], and what is wrong with the file itself.

use super::{
    extensions,
    finding::{Finding, Place, Rule},
    model::{Document, Event, Flow, Kind, Message, Process, Timer, TimerKind},
    rules::structure::{BROKEN_REFERENCE, DUPLICATE_ID, NO_PROCESS, NOT_BPMN},
    xml::{Lines, child, children, extension, is_bpmn, text},
};
use roxmltree::Node;
use std::collections::{BTreeSet, HashMap};

const MODELER: &str = "http://camunda.org/schema/modeler/1.0";
/// The Zeebe whose FEEL is known.
const KNOWN: (u32, u32) = (8, 6);

/// How deep subprocesses nest.
const MAX_NESTING: usize = 50;

/// Reads a file's text; after a finding it goes on as far as it can.
pub(super) fn read(file: &str, content: &str, findings: &mut Vec<Finding>) -> Document {
    let mut document = Document { file: file.to_owned(), ..Document::default() };
    let whole =
        |rule, line, message| Finding { rule, place: Place { file: file.to_owned(), line, element: None }, message };
    let content = content.trim_start_matches('\u{feff}');
    let xml = match roxmltree::Document::parse(content) {
        Ok(xml) => xml,
        Err(error) => {
            findings.push(whole(&NOT_BPMN, Some(error.pos().row), format!("not XML: {error}")));
            return document;
        }
    };
    let root = xml.root_element();
    let lines = Lines::of(content);
    if !is_bpmn(root) || root.tag_name().name() != "definitions" {
        let message = format!("the document is `{}`, not BPMN's `definitions`", root.tag_name().name());
        findings.push(whole(&NOT_BPMN, Some(lines.line(root)), message));
        return document;
    }
    document.newer = is_newer(root);
    let mut reader = Reader { file, lines, findings, messages: HashMap::new(), errors: HashMap::new() };
    reader.ids(root);
    reader.definitions(root, &mut document);
    if !document.processes.iter().any(|process| process.executable) {
        reader.report(&NO_PROCESS, root, "there is no process with isExecutable=\"true\"".to_owned());
    }
    document
}

/// Whether the modeler says that it is for a version after the known one.
fn is_newer(root: Node) -> bool {
    let version = root.attribute((MODELER, "executionPlatformVersion")).unwrap_or_default();
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or_default());
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default()) > KNOWN
}

struct Reader<'a, 'f> {
    file: &'f str,
    lines: Lines,
    findings: &'f mut Vec<Finding>,
    messages: HashMap<&'a str, usize>,
    errors: HashMap<&'a str, Option<&'a str>>,
}

impl<'a> Reader<'a, '_> {
    fn report(&mut self, rule: &'static Rule, node: Node, message: String) {
        let element = node.ancestors().find_map(|around| around.attribute("id")).map(str::to_owned);
        let place = Place { file: self.file.to_owned(), line: Some(self.lines.line(node)), element };
        self.findings.push(Finding { rule, place, message });
    }

    fn ids(&mut self, root: Node<'a, 'a>) {
        let mut seen = HashMap::new();
        for node in root.descendants().filter(|node| is_bpmn(*node)) {
            let Some(id) = node.attribute("id") else { continue };
            if let Some(first) = seen.insert(id, self.lines.line(node)) {
                self.report(&DUPLICATE_ID, node, format!("the id `{id}` is also that of line {first}"));
            }
        }
    }

    fn definitions(&mut self, root: Node<'a, 'a>, document: &mut Document) {
        for node in children(root) {
            let id = node.attribute("id").unwrap_or_default();
            match node.tag_name().name() {
                "message" => {
                    let subscription =
                        extension(node, "subscription").filter(|part| part.has_attribute("correlationKey"));
                    let key = subscription.map(|part| self.lines.attribute(part, "correlationKey"));
                    self.messages.insert(id, document.messages.len());
                    document.messages.push(Message { name: self.lines.attribute(node, "name"), key });
                }
                "error" => drop(self.errors.insert(id, node.attribute("errorCode"))),
                _ => {}
            }
        }
        for node in children(root).filter(|node| node.tag_name().name() == "process") {
            document.processes.push(self.process(node));
        }
    }

    fn process(&mut self, node: Node<'a, 'a>) -> Process {
        let mut process = Process {
            id: node.attribute("id").unwrap_or_default().to_owned(),
            executable: node.attribute("isExecutable") == Some("true"),
            documentation: documentation(node),
            takes: String::new(),
            inputs: declared(node),
            elements: Vec::new(),
            flows: Vec::new(),
        };
        let mut scope = Scope { process: &mut process, nodes: Vec::new(), flows: Vec::new(), by_id: HashMap::new() };
        self.scope(node, None, &mut scope);
        let Scope { nodes, flows, by_id, .. } = scope;
        process.takes = takes(&process.documentation);
        self.connect(&mut process, &flows, &by_id);
        for (index, node) in nodes.into_iter().enumerate() {
            self.refer(&mut process, index, node, &by_id, &flows);
        }
        process
    }

    fn scope(&mut self, container: Node<'a, 'a>, around: Option<usize>, scope: &mut Scope<'a, '_>) {
        for node in children(container) {
            let name = node.tag_name().name();
            if name == "sequenceFlow" {
                scope.flows.push(node);
            }
            let Some(kind) = kind(name) else { continue };
            let mut element = extensions::element(node, &self.lines);
            (element.kind, element.scope, element.line) = (kind, around, self.lines.line(node));
            element.id = node.attribute("id").unwrap_or_default().to_owned();
            if kind == Kind::Start {
                scope.process.documentation += &documentation(node);
                scope.process.inputs.append(&mut declared(node));
            }
            let index = scope.process.elements.len();
            scope.by_id.insert(node.attribute("id").unwrap_or_default(), index);
            scope.process.elements.push(element);
            scope.nodes.push(node);
            if matches!(kind, Kind::SubProcess | Kind::AdHoc) {
                if scope.process.around(index).count() > MAX_NESTING {
                    self.report(&NOT_BPMN, node, format!("subprocesses nest at most {MAX_NESTING} deep"));
                    continue;
                }
                self.scope(node, Some(index), scope);
            }
        }
    }

    fn connect(&mut self, process: &mut Process, flows: &[Node<'a, 'a>], by_id: &HashMap<&'a str, usize>) {
        for node in flows {
            let mut end = |name| {
                let id = node.attribute(name).unwrap_or_default();
                let found = by_id.get(id).copied();
                if found.is_none() {
                    self.report(&BROKEN_REFERENCE, *node, format!("{name} `{id}` is no flow node of this process"));
                }
                found
            };
            let (Some(source), Some(target)) = (end("sourceRef"), end("targetRef")) else { continue };
            let condition = child(*node, "conditionExpression").map(|part| self.lines.content(part));
            process.elements[source].outgoing.push(process.flows.len());
            process.elements[target].incoming.push(process.flows.len());
            let id = node.attribute("id").unwrap_or_default().to_owned();
            process.flows.push(Flow { id, source, target, condition });
        }
    }

    /// What an element refers to by id.
    fn refer(
        &mut self,
        process: &mut Process,
        index: usize,
        node: Node<'a, 'a>,
        by_id: &HashMap<&'a str, usize>,
        flows: &[Node<'a, 'a>],
    ) {
        let event = self.event(node);
        let attached = node.attribute("attachedToRef");
        let attached_to = attached.and_then(|id| by_id.get(id).copied());
        if attached.is_some() && attached_to.is_none() {
            let message = format!("attachedToRef `{}` is no activity of this process", attached.unwrap_or_default());
            self.report(&BROKEN_REFERENCE, node, message);
        }
        let default = node.attribute("default").and_then(|id| {
            let flow = flows.iter().find(|flow| flow.attribute("id") == Some(id));
            let target = flow.and_then(|flow| by_id.get(flow.attribute("targetRef")?)).copied();
            let outgoing = &process.elements[index].outgoing;
            let found = outgoing.iter().copied().find(|flow| Some(process.flows[*flow].target) == target);
            if found.is_none() {
                self.report(&BROKEN_REFERENCE, node, format!("the default flow `{id}` does not start here"));
            }
            found
        });
        let element = &mut process.elements[index];
        (element.event, element.attached_to, element.default) = (event, attached_to, default);
    }

    fn event(&mut self, node: Node<'a, 'a>) -> Option<Event> {
        if node.tag_name().name() == "receiveTask" {
            return Some(Event::Message(self.message(node)));
        }
        let definition = children(node).find(|part| part.tag_name().name().ends_with("EventDefinition"))?;
        Some(match definition.tag_name().name() {
            "messageEventDefinition" => Event::Message(self.message(definition)),
            "timerEventDefinition" => Event::Timer(timer(definition, &self.lines)),
            "errorEventDefinition" => Event::Error(self.error(definition)),
            _ => Event::Other,
        })
    }

    fn message(&mut self, node: Node<'a, 'a>) -> Option<usize> {
        let id = node.attribute("messageRef").unwrap_or_default();
        let found = self.messages.get(id).copied();
        // A thrown message is a job's, and may have no name.
        let thrown = node.parent().is_some_and(|around| around.tag_name().name().contains("hrowEvent"))
            || node.parent().is_some_and(|around| around.tag_name().name() == "endEvent");
        if found.is_none() && !thrown {
            self.report(&BROKEN_REFERENCE, node, format!("messageRef `{id}` is no message of this file"));
        }
        found
    }

    fn error(&mut self, node: Node<'a, 'a>) -> Option<String> {
        let id = node.attribute("errorRef")?;
        let found = self.errors.get(id).copied();
        if found.is_none() {
            self.report(&BROKEN_REFERENCE, node, format!("errorRef `{id}` is no error of this file"));
        }
        found.flatten().map(str::to_owned)
    }
}

/// A process that is being read.
struct Scope<'a, 'p> {
    process: &'p mut Process,
    nodes: Vec<Node<'a, 'a>>,
    flows: Vec<Node<'a, 'a>>,
    by_id: HashMap<&'a str, usize>,
}

fn kind(name: &str) -> Option<Kind> {
    Some(match name {
        "startEvent" => Kind::Start,
        "endEvent" => Kind::End,
        "intermediateCatchEvent" => Kind::Catch,
        "intermediateThrowEvent" => Kind::Throw,
        "boundaryEvent" => Kind::Boundary,
        "exclusiveGateway" => Kind::Exclusive,
        "parallelGateway" => Kind::Parallel,
        "inclusiveGateway" | "complexGateway" => Kind::Inclusive,
        "eventBasedGateway" => Kind::EventBased,
        "receiveTask" => Kind::Receive,
        "userTask" => Kind::User,
        "callActivity" => Kind::Call,
        "subProcess" | "transaction" => Kind::SubProcess,
        "adHocSubProcess" => Kind::AdHoc,
        "task" | "serviceTask" | "sendTask" | "scriptTask" | "manualTask" | "businessRuleTask" => Kind::Task,
        _ => return None,
    })
}

fn timer(definition: Node, lines: &Lines) -> Option<Timer> {
    children(definition).find_map(|node| {
        let kind = match node.tag_name().name() {
            "timeDuration" => TimerKind::Duration,
            "timeDate" => TimerKind::Date,
            "timeCycle" => TimerKind::Cycle,
            _ => return None,
        };
        Some(Timer { kind, text: lines.content(node) })
    })
}

fn documentation(node: Node) -> String {
    children(node).filter(|part| part.tag_name().name() == "documentation").map(|part| text(part) + "\n\n").collect()
}

/// The paragraph that begins with `Takes`, where there is one, else all; what is in parentheses is for people only.
fn takes(documentation: &str) -> String {
    let mut paragraphs = documentation.split("\n\n");
    let paragraph = paragraphs.find(|paragraph| paragraph.trim_start().starts_with("Takes")).unwrap_or(documentation);
    let mut depth = 0_u32;
    let outside = paragraph.chars().filter(|c| {
        let inside = depth > 0 || *c == '(';
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        !inside
    });
    outside.collect()
}

/// The property `inputs`: names, separated by commas or blanks.
fn declared(node: Node) -> BTreeSet<String> {
    let properties = extension(node, "properties").into_iter().flat_map(|parent| parent.children());
    let inputs = properties.filter(|property| property.attribute("name") == Some("inputs"));
    let values = inputs.filter_map(|property| property.attribute("value"));
    values.flat_map(|value| value.split([',', ' '])).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}
