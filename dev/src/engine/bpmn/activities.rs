//! A process: its flow nodes, in their scopes, and the sequence flows between them.

use super::{
    BPMN, Element, ElementIx, Flow, Kind, Loop, Process, ROOT, ZEEBE,
    extensions::{Extensions, Place},
    reader::{Reader, child, children, is_harmless, text},
};
use roxmltree::Node;
use std::{collections::HashMap, sync::Arc};

/// The reading of one process.
#[derive(Debug)]
pub(super) struct Builder<'a, 'r> {
    pub(super) reader: &'r mut Reader<'a>,
    pub(super) process: Process,
    pub(super) by_id: HashMap<&'a str, ElementIx>,
    /// Where each element stands.
    pub(super) nodes: Vec<Node<'a, 'a>>,
    flow_nodes: Vec<(Node<'a, 'a>, ElementIx)>,
    /// Boundary events, with the activities that they are attached to.
    attached: Vec<(ElementIx, Node<'a, 'a>)>,
    /// Exclusive gateways with a default flow.
    defaults: Vec<(ElementIx, Node<'a, 'a>, &'a str)>,
}

impl<'a, 'r> Builder<'a, 'r> {
    pub(super) fn new(reader: &'r mut Reader<'a>, node: Node<'a, 'a>) -> Self {
        let id: Arc<str> = node.attribute("id").unwrap_or_default().into();
        Self {
            reader,
            process: Process { id, elements: Vec::new(), flows: Vec::new() },
            by_id: HashMap::new(),
            nodes: Vec::new(),
            flow_nodes: Vec::new(),
            attached: Vec::new(),
            defaults: Vec::new(),
        }
    }

    pub(super) fn read(mut self, node: Node<'a, 'a>) -> Option<Process> {
        self.reader.check_attributes(node, &["isExecutable", "processType", "isClosed"]);
        self.reader.required(node, "id");
        Extensions::read(self.reader, node, Place::Process);
        self.add(node, None, Kind::Process { starts: Vec::new() });
        self.read_scope(node, ROOT);
        self.connect();
        self.attach();
        self.check();
        self.reader.refusals.is_empty().then_some(self.process)
    }

    fn add(&mut self, node: Node<'a, 'a>, scope: Option<ElementIx>, kind: Kind) -> ElementIx {
        let id = node.attribute("id").unwrap_or_default();
        let element = Element {
            id: id.into(),
            scope,
            kind,
            incoming: Vec::new(),
            outgoing: Vec::new(),
            boundary: Vec::new(),
            inputs: None,
            outputs: None,
        };
        self.process.elements.push(element);
        self.nodes.push(node);
        self.process.elements.len() - 1
    }

    fn read_scope(&mut self, container: Node<'a, 'a>, scope: ElementIx) {
        for node in container.children().filter(Node::is_element) {
            match node.tag_name().namespace() {
                Some(BPMN) => {}
                Some(ZEEBE) | None => {
                    self.reader.refuse(node, format!("{} is not supported here", node.tag_name().name()));
                    continue;
                }
                Some(_) => continue,
            }
            match node.tag_name().name() {
                "sequenceFlow" => self.flow_nodes.push((node, scope)),
                "extensionElements" | "multiInstanceLoopCharacteristics" => {}
                name if is_harmless(name) => {}
                name => self.read_node(node, name, scope),
            }
        }
    }

    fn read_node(&mut self, node: Node<'a, 'a>, name: &str, scope: ElementIx) {
        let id = self.reader.required(node, "id");
        let (place, known): (Place, &[&str]) = match name {
            "startEvent" => (Place::Start, &["isInterrupting", "parallelMultiple"]),
            "endEvent" => (Place::End, &[]),
            "intermediateCatchEvent" => (Place::Catch, &["parallelMultiple"]),
            "intermediateThrowEvent" => (Place::Throw, &[]),
            "boundaryEvent" => (Place::Boundary, &["attachedToRef", "cancelActivity", "parallelMultiple"]),
            "exclusiveGateway" => (Place::Gateway, &["default", "gatewayDirection"]),
            "parallelGateway" => (Place::Gateway, &["gatewayDirection"]),
            "serviceTask" => (Place::Service, &["implementation"]),
            "receiveTask" => (Place::Receive, &["messageRef", "implementation"]),
            "callActivity" => (Place::Call, &[]),
            "subProcess" => (Place::SubProcess, &["triggeredByEvent"]),
            _ => return self.reader.refuse(node, format!("{name} is not supported")),
        };
        self.reader.check_attributes(node, known);
        match place {
            Place::Gateway => self.reader.check_children(node, &[]),
            Place::Service | Place::Receive | Place::Call => {
                self.reader.check_children(node, &["multiInstanceLoopCharacteristics"]);
            }
            _ => {}
        }
        let extensions = Extensions::read(self.reader, node, place);
        let repeated = child(node, "multiInstanceLoopCharacteristics");
        let body = repeated.map(|repeated| {
            let kind = self.read_loop(repeated);
            self.add(node, Some(scope), kind)
        });
        let index = self.add(node, Some(body.unwrap_or(scope)), Kind::Parallel);
        if let Some(body) = body
            && let Kind::MultiInstance(repeated) = &mut self.process.elements[body].kind
        {
            repeated.inner = index;
        }
        if self.by_id.insert(id, body.unwrap_or(index)).is_some() {
            self.reader.refuse(node, "its id is not unique in the process");
        }
        let (inputs, outputs) = (extensions.inputs.clone(), extensions.outputs.clone());
        let kind = self.read_kind(node, name, index, scope, extensions);
        let element = &mut self.process.elements[index];
        (element.kind, element.inputs, element.outputs) = (kind, inputs, outputs);
    }

    fn read_kind(
        &mut self,
        node: Node<'a, 'a>,
        name: &str,
        index: ElementIx,
        scope: ElementIx,
        extensions: Extensions,
    ) -> Kind {
        match name {
            "startEvent" => {
                let trigger = self.reader.event_definition(node, "startEvent");
                if let Kind::Process { starts } = &mut self.process.elements[scope].kind {
                    starts.push(index);
                }
                Kind::Start(trigger)
            }
            "endEvent" => self.reader.end_event(node),
            "intermediateCatchEvent" => {
                self.reader.event_definition(node, "intermediateCatchEvent").map_or(Kind::Parallel, Kind::Catch)
            }
            "intermediateThrowEvent" => {
                self.reader.no_event_definition(node);
                Kind::Throw
            }
            "boundaryEvent" => {
                self.attached.push((index, node));
                let interrupting = self.reader.boolean(node, "cancelActivity", true);
                let trigger = self.reader.event_definition(node, "boundaryEvent");
                trigger.map_or(Kind::Parallel, |trigger| Kind::Boundary { trigger, interrupting })
            }
            "exclusiveGateway" => {
                if let Some(default) = node.attribute("default") {
                    self.defaults.push((index, node, default));
                }
                Kind::Exclusive { default: None }
            }
            "parallelGateway" => Kind::Parallel,
            "serviceTask" => extensions.service(self.reader, node),
            "receiveTask" => self.reader.receive_task(node),
            "callActivity" => extensions.call(self.reader, node),
            _ => {
                if self.reader.boolean(node, "triggeredByEvent", false) {
                    self.reader.refuse(node, "event subprocesses are not supported");
                }
                self.read_scope(node, index);
                Kind::SubProcess { start: ROOT }
            }
        }
    }

    fn read_loop(&mut self, node: Node<'a, 'a>) -> Kind {
        self.reader.check_attributes(node, &["isSequential"]);
        let extensions = Extensions::read(self.reader, node, Place::Loop);
        let mut completion_condition = None;
        for part in children(node) {
            match part.tag_name().name() {
                "completionCondition" => completion_condition = Some(text(part)).filter(|text| !text.is_empty()),
                "extensionElements" => {}
                name => self.reader.refuse(part, format!("{name} is not supported")),
            }
        }
        let completion_condition = completion_condition.map(|text| self.reader.expression(node, &text));
        let sequential = self.reader.boolean(node, "isSequential", false);
        let Some(collections) = extensions.collections else {
            self.reader.refuse(node, "Must have exactly one 'zeebe:loopCharacteristics' extension element");
            return Kind::Parallel;
        };
        Kind::MultiInstance(Box::new(Loop { sequential, completion_condition, ..collections }))
    }

    fn connect(&mut self) {
        let mut flow_ids = HashMap::new();
        for (node, scope) in std::mem::take(&mut self.flow_nodes) {
            self.reader.check_attributes(node, &["sourceRef", "targetRef", "isImmediate"]);
            self.reader.check_children(node, &["conditionExpression"]);
            let (source, target) = (self.end_of(node, "sourceRef", scope), self.end_of(node, "targetRef", scope));
            let (Some(source), Some(target)) = (source, target) else { continue };
            let condition = child(node, "conditionExpression").map(|condition| {
                self.reader.check_attributes(condition, &[]);
                let text = text(condition);
                self.reader.dynamic(condition, &text)
            });
            if condition.is_some() && !matches!(self.process.elements[source].kind, Kind::Exclusive { .. }) {
                self.reader.refuse(node, "Conditional sequence flows are only supported at exclusive gateways");
            }
            let flow = self.process.flows.len();
            let id = node.attribute("id").unwrap_or_default();
            self.process.flows.push(Flow { id: id.into(), target, condition });
            self.process.elements[source].outgoing.push(flow);
            self.process.elements[target].incoming.push(flow);
            flow_ids.insert(id, flow);
        }
        // Zeebe reads a file from its end: the last flow is tried and taken first.
        self.process.elements.iter_mut().for_each(|element| element.outgoing.reverse());
        for (gateway, node, default) in std::mem::take(&mut self.defaults) {
            let flow = flow_ids.get(default).copied();
            match flow.filter(|flow| self.process.elements[gateway].outgoing.contains(flow)) {
                Some(flow) => self.process.elements[gateway].kind = Kind::Exclusive { default: Some(flow) },
                None => self.reader.refuse(node, "Default flow must start at gateway"),
            }
        }
    }

    /// The flow node at an end of a sequence flow.
    fn end_of(&mut self, node: Node<'a, 'a>, end: &str, scope: ElementIx) -> Option<ElementIx> {
        let id = self.reader.required(node, end);
        let found = self.by_id.get(id).copied().filter(|index| self.process.elements[*index].scope == Some(scope));
        if found.is_none() {
            self.reader.refuse(node, format!("{end} '{id}' is not a flow node of the same scope"));
        }
        found
    }

    fn attach(&mut self) {
        for (event, node) in std::mem::take(&mut self.attached) {
            let id = self.reader.required(node, "attachedToRef");
            let found = self.by_id.get(id).copied().filter(|index| is_activity(&self.process.elements[*index].kind));
            match found {
                Some(activity) => self.process.elements[activity].boundary.push(event),
                None => self.reader.refuse(node, "Must be attached to an activity"),
            }
        }
    }
}

fn is_activity(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Service(_) | Kind::Receive(_) | Kind::Call(_) | Kind::SubProcess { .. } | Kind::MultiInstance(_)
    )
}
