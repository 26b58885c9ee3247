//! Zeebe's extension elements of a flow node.

use super::{
    model::{Called, Element, Header, Mapping, Repeated, Text},
    read::{attribute, blank, child, content, extension, line},
};
use roxmltree::Node;

/// An element with what its extensions say; the rest is the reader's.
pub(super) fn element(node: Node) -> Element {
    let mut element = blank();
    element.interrupting =
        node.attribute("cancelActivity") != Some("false") && node.attribute("isInterrupting") != Some("false");
    element.event_triggered = node.attribute("triggeredByEvent") == Some("true");
    if let Some(definition) = extension(node, "taskDefinition") {
        element.job_type = Some(attribute(definition, "type"));
        element.retries = definition.has_attribute("retries").then(|| attribute(definition, "retries"));
    }
    if let Some(headers) = extension(node, "taskHeaders") {
        element.headers = headers.children().filter(Node::is_element).map(header).collect();
    }
    if let Some(mappings) = extension(node, "ioMapping") {
        element.inputs = mappings_of(mappings, "input");
        element.outputs = mappings_of(mappings, "output");
    }
    element.called = extension(node, "calledElement").map(|called| Called {
        process: attribute(called, "processId"),
        all_in: called.attribute("propagateAllParentVariables") != Some("false"),
        all_out: called.attribute("propagateAllChildVariables") != Some("false"),
    });
    element.repeated = child(node, "multiInstanceLoopCharacteristics").map(repeated);
    results(node, &mut element);
    element
}

fn header(node: Node) -> Header {
    let text = |name| node.attribute(name).unwrap_or_default().to_owned();
    Header { key: text("key"), value: text("value"), line: line(node) }
}

fn mappings_of(parent: Node, direction: &str) -> Vec<Mapping> {
    let parts = parent.children().filter(|part| part.is_element() && part.tag_name().name() == direction);
    let mapping = |part: Node| Mapping {
        source: attribute(part, "source"),
        target: part.attribute("target").unwrap_or_default().to_owned(),
    };
    parts.map(mapping).collect()
}

fn repeated(node: Node) -> Repeated {
    let loop_characteristics = extension(node, "loopCharacteristics");
    let given = |name: &'static str| {
        loop_characteristics.filter(|part| part.attribute(name).is_some_and(|text| !text.is_empty()))
    };
    let name = |name: &'static str| given(name).and_then(|part| part.attribute(name)).map(str::to_owned);
    Repeated {
        sequential: node.attribute("isSequential") == Some("true"),
        collection: given("inputCollection").map(|part| attribute(part, "inputCollection")),
        element: name("inputElement"),
        output_collection: name("outputCollection"),
        output_element: given("outputElement").map(|part| attribute(part, "outputElement")),
        completion: child(node, "completionCondition").map(content).filter(|text| !text.text.is_empty()),
    }
}

/// Scripts and decisions name the variable of their result; other extensions may hold expressions.
fn results(node: Node, element: &mut Element) {
    const OTHERS: [(&str, &[&str]); 5] = [
        ("script", &["expression"]),
        ("calledDecision", &["decisionId"]),
        ("assignmentDefinition", &["assignee", "candidateGroups", "candidateUsers"]),
        ("taskSchedule", &["dueDate", "followUpDate"]),
        ("priorityDefinition", &["priority"]),
    ];
    for (name, attributes) in OTHERS {
        let Some(part) = extension(node, name) else { continue };
        element.results.extend(part.attribute("resultVariable").map(str::to_owned));
        let texts = attributes.iter().map(|name| attribute(part, name));
        element.others.extend(texts.filter(|text: &Text| text.text.starts_with('=')));
    }
}
