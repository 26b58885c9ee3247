//! Zeebe's extension elements, where each has an effect.

use super::{
    CalledElement, Expression, JobDefinition, Kind, Loop, ROOT, ZEEBE,
    mappings::{input_mapping, output_mapping},
    reader::{Reader, child},
};
use roxmltree::Node;
use std::collections::BTreeMap;

/// What an extension element stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Process,
    Start,
    End,
    Catch,
    Throw,
    Boundary,
    Gateway,
    Service,
    Receive,
    Call,
    SubProcess,
    Loop,
    Message,
}

impl Place {
    fn has(self, extension: &str) -> bool {
        match extension {
            "properties" => true,
            "versionTag" => self == Self::Process,
            "taskDefinition" | "taskHeaders" => self == Self::Service,
            "calledElement" => self == Self::Call,
            "loopCharacteristics" => self == Self::Loop,
            "subscription" => self == Self::Message,
            "ioMapping" => self.has_inputs() || matches!(self, Self::Start | Self::End | Self::Throw | Self::Boundary),
            _ => false,
        }
    }

    fn has_inputs(self) -> bool {
        matches!(self, Self::Service | Self::Receive | Self::Call | Self::SubProcess | Self::Catch)
    }
}

/// All extension elements of one element.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    pub(super) inputs: Option<Expression>,
    pub(super) outputs: Option<Expression>,
    pub(super) collections: Option<Loop>,
    pub(super) correlation_key: Option<Expression>,
    job: Option<(Expression, Expression)>,
    headers: BTreeMap<String, String>,
    called: Option<CalledElement>,
}

impl Extensions {
    pub(super) fn read<'a>(reader: &mut Reader<'a>, element: Node<'a, 'a>, place: Place) -> Self {
        let mut extensions = Self::default();
        let Some(parent) = child(element, "extensionElements") else { return extensions };
        let mut seen = Vec::new();
        for node in parent.children().filter(|node| node.tag_name().namespace() == Some(ZEEBE)) {
            let name = node.tag_name().name();
            if !place.has(name) {
                reader.refuse(node, format!("zeebe:{name} is not supported here"));
                continue;
            }
            if seen.contains(&name) {
                reader.refuse(node, format!("Must have exactly one 'zeebe:{name}' extension element"));
            }
            seen.push(name);
            extensions.read_one(reader, node, name, place);
        }
        extensions
    }

    fn read_one<'a>(&mut self, reader: &mut Reader<'a>, node: Node<'a, 'a>, name: &str, place: Place) {
        match name {
            "ioMapping" => {
                self.inputs = input_mapping(reader, node);
                self.outputs = output_mapping(reader, node);
                if self.inputs.is_some() && !place.has_inputs() {
                    reader.refuse(node, "zeebe:input has no effect here");
                }
            }
            "taskDefinition" => {
                reader.check_attributes(node, &["type", "retries"]);
                let job_type = reader.required(node, "type");
                let retries = node.attribute("retries").unwrap_or("3");
                self.job = Some((reader.expression(node, job_type), reader.expression(node, retries)));
            }
            "taskHeaders" => self.headers = read_headers(reader, node),
            "calledElement" => self.called = Some(read_called(reader, node)),
            "loopCharacteristics" => self.collections = read_collections(reader, node),
            "subscription" => {
                reader.check_attributes(node, &["correlationKey"]);
                let key = reader.required(node, "correlationKey");
                self.correlation_key = Some(reader.dynamic(node, key));
            }
            _ => {}
        }
    }

    pub(super) fn service<'a>(self, reader: &mut Reader<'a>, node: Node<'a, 'a>) -> Kind {
        let Some((job_type, retries)) = self.job else {
            reader.refuse(node, "Must have exactly one 'zeebe:taskDefinition' extension element");
            return Kind::Parallel;
        };
        let headers = serde_json::to_string(&self.headers).unwrap_or_default().into();
        Kind::Service(Box::new(JobDefinition { job_type, retries, headers }))
    }

    pub(super) fn call<'a>(self, reader: &mut Reader<'a>, node: Node<'a, 'a>) -> Kind {
        self.called.map_or_else(
            || {
                reader.refuse(node, "Must have exactly one 'zeebe:calledElement' extension element");
                Kind::Parallel
            },
            Kind::Call,
        )
    }
}

fn read_headers<'a>(reader: &mut Reader<'a>, node: Node<'a, 'a>) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::new();
    for header in node.children().filter(Node::is_element) {
        reader.check_attributes(header, &["key", "value"]);
        let (Some(key), Some(value)) = (header.attribute("key"), header.attribute("value")) else { continue };
        if key.starts_with("io.camunda.zeebe:") {
            reader.refuse(header, format!("header keys starting with 'io.camunda.zeebe:' are reserved: '{key}'"));
        }
        if headers.insert(key.to_owned(), value.to_owned()).is_some() {
            reader.refuse(header, format!("Headers contain duplicate entries for key '{key}'"));
        }
    }
    headers.retain(|key, value| !key.is_empty() && !value.is_empty());
    headers
}

fn read_called<'a>(reader: &mut Reader<'a>, node: Node<'a, 'a>) -> CalledElement {
    let known = ["processId", "propagateAllChildVariables", "propagateAllParentVariables", "bindingType"];
    reader.check_attributes(node, &known);
    if let Some(binding) = node.attribute("bindingType").filter(|binding| *binding != "latest") {
        reader.refuse(node, format!("bindingType '{binding}' is not supported, only 'latest'"));
    }
    let process_id = reader.required(node, "processId");
    CalledElement {
        process_id: reader.expression(node, process_id),
        propagate_all_child_variables: reader.boolean(node, "propagateAllChildVariables", true),
        propagate_all_parent_variables: reader.boolean(node, "propagateAllParentVariables", true),
    }
}

fn read_collections<'a>(reader: &mut Reader<'a>, node: Node<'a, 'a>) -> Option<Loop> {
    reader.check_attributes(node, &["inputCollection", "inputElement", "outputCollection", "outputElement"]);
    let given = |name: &str| node.attribute(name).filter(|value| !value.is_empty());
    let input = reader.required(node, "inputCollection");
    let (collection, element) = (given("outputCollection"), given("outputElement"));
    let output = match (collection, element) {
        (Some(collection), Some(element)) => Some((collection.into(), reader.dynamic(node, element))),
        (None, None) => None,
        _ => {
            reader.refuse(node, "outputCollection and outputElement must both be present, or none");
            None
        }
    };
    Some(Loop {
        sequential: false,
        input_collection: reader.dynamic(node, input),
        input_element: given("inputElement").map(Into::into),
        output,
        completion_condition: None,
        inner: ROOT,
    })
}
