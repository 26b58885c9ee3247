//! Zeebe's extension elements of a flow node.

use super::{
    model::{Called, Element, Header, Mapping, Repeated, Text},
    xml::{Lines, child, extension},
};
use roxmltree::Node;

/// An element with what its extensions say; the rest is the reader's.
pub(super) fn element(node: Node, lines: &Lines) -> Element {
    let mut element = Element {
        interrupting: !["cancelActivity", "isInterrupting"].iter().any(|name| node.attribute(*name) == Some("false")),
        event_triggered: node.attribute("triggeredByEvent") == Some("true"),
        ..Element::default()
    };
    if let Some(definition) = extension(node, "taskDefinition") {
        element.job_type = Some(lines.attribute(definition, "type"));
        element.retries = definition.has_attribute("retries").then(|| lines.attribute(definition, "retries"));
    }
    if let Some(headers) = extension(node, "taskHeaders") {
        element.headers = headers.children().filter(Node::is_element).map(|part| header(part, lines)).collect();
    }
    if let Some(mappings) = extension(node, "ioMapping") {
        element.inputs = mappings_of(mappings, "input", lines);
        element.outputs = mappings_of(mappings, "output", lines);
    }
    element.called = extension(node, "calledElement").map(|called| Called {
        process: lines.attribute(called, "processId"),
        all_in: called.attribute("propagateAllParentVariables") != Some("false"),
        all_out: called.attribute("propagateAllChildVariables") != Some("false"),
    });
    element.repeated = child(node, "multiInstanceLoopCharacteristics").map(|part| repeated(part, lines));
    results(node, lines, &mut element);
    element
}

fn header(node: Node, lines: &Lines) -> Header {
    let text = |name| node.attribute(name).unwrap_or_default().to_owned();
    Header { key: text("key"), value: text("value"), line: lines.line(node) }
}

fn mappings_of(parent: Node, direction: &str, lines: &Lines) -> Vec<Mapping> {
    let parts = parent.children().filter(|part| part.is_element() && part.tag_name().name() == direction);
    let mapping = |part: Node| Mapping {
        source: lines.attribute(part, "source"),
        target: part.attribute("target").unwrap_or_default().to_owned(),
    };
    parts.map(mapping).collect()
}

fn repeated(node: Node, lines: &Lines) -> Repeated {
    let loop_characteristics = extension(node, "loopCharacteristics");
    let given = |name: &'static str| {
        loop_characteristics.filter(|part| part.attribute(name).is_some_and(|text| !text.is_empty()))
    };
    let name = |name: &'static str| given(name).and_then(|part| part.attribute(name)).map(str::to_owned);
    Repeated {
        sequential: node.attribute("isSequential") == Some("true"),
        collection: given("inputCollection").map(|part| lines.attribute(part, "inputCollection")),
        element: name("inputElement"),
        output_collection: name("outputCollection"),
        output_element: given("outputElement").map(|part| lines.attribute(part, "outputElement")),
        completion: child(node, "completionCondition")
            .map(|part| lines.content(part))
            .filter(|text| !text.text.is_empty()),
    }
}

/// Scripts and decisions name the variable of their result; other extensions may hold expressions.
fn results(node: Node, lines: &Lines, element: &mut Element) {
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
        let texts = attributes.iter().map(|name| lines.attribute(part, name));
        element.others.extend(texts.filter(|text: &Text| text.text.starts_with('=')));
    }
}
