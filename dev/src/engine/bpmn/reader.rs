//! What all parts of reading need: the parts of the document that are referred to, and the refusals so far.

use super::{BPMN, Expression, Refusal, ZEEBE};
use roxmltree::Node;
use std::collections::HashMap;

/// The reading of one document; it goes on after a refusal, so that all are told at once.
#[derive(Debug, Default)]
pub(super) struct Reader<'a> {
    pub(super) refusals: Vec<Refusal>,
    pub(super) messages: HashMap<&'a str, Node<'a, 'a>>,
    /// Error codes by id, where there is one.
    pub(super) errors: HashMap<&'a str, Option<&'a str>>,
}

impl<'a> Reader<'a> {
    pub(super) fn refuse(&mut self, node: Node, reason: impl Into<String>) {
        self.refusals.push(Refusal::new(node, reason));
    }

    /// Refuses attributes that are not known here; those of other namespaces are somebody else's.
    pub(super) fn check_attributes(&mut self, node: Node<'a, 'a>, known: &[&str]) {
        for attribute in node.attributes() {
            let name = attribute.name();
            let supported = match attribute.namespace() {
                None => matches!(name, "id" | "name") || known.contains(&name),
                Some(ZEEBE) => name.starts_with("modelerTemplate"),
                Some(_) => true,
            };
            if !supported {
                self.refuse(node, format!("attribute '{name}' of {} is not supported", node.tag_name().name()));
            }
        }
    }

    /// An attribute that must be there and not empty.
    pub(super) fn required(&mut self, node: Node<'a, 'a>, name: &str) -> &'a str {
        let value = node.attribute(name).unwrap_or_default();
        if value.is_empty() {
            self.refuse(node, format!("Attribute '{name}' must be present and not empty"));
        }
        value
    }

    pub(super) fn expression(&mut self, node: Node<'a, 'a>, text: &str) -> Expression {
        Expression::parse(text).unwrap_or_else(|refusal| {
            self.refuse(node, format!("expression '{text}' is not supported: {refusal}"));
            Expression::Static(text.into())
        })
    }

    /// An expression that must start with `=`.
    pub(super) fn dynamic(&mut self, node: Node<'a, 'a>, text: &str) -> Expression {
        let expression = self.expression(node, text);
        if expression.is_static() && (text == "=" || !text.starts_with('=')) {
            self.refuse(
                node,
                format!(
                    "Expected expression but found static value '{text}'. An expression must start with '=' (e.g. \
                     '={text}')."
                ),
            );
        }
        expression
    }

    pub(super) fn boolean(&mut self, node: Node<'a, 'a>, name: &str, default: bool) -> bool {
        match node.attribute(name) {
            None => default,
            Some("true") => true,
            Some("false") => false,
            Some(other) => {
                self.refuse(node, format!("attribute '{name}' is neither true nor false: '{other}'"));
                default
            }
        }
    }
}

impl<'a> Reader<'a> {
    /// Refuses what stands in an element beside what is only for people and `known`.
    pub(super) fn check_children(&mut self, node: Node<'a, 'a>, known: &[&str]) {
        for part in node.children().filter(Node::is_element) {
            let name = part.tag_name().name();
            let supported = match part.tag_name().namespace() {
                Some(BPMN) => name == "extensionElements" || known.contains(&name) || is_harmless(name),
                Some(ZEEBE) | None => false,
                Some(_) => true,
            };
            if !supported {
                self.refuse(part, format!("{name} is not supported in {}", node.tag_name().name()));
            }
        }
    }
}

/// Children in BPMN's namespace.
pub(super) fn children<'a>(node: Node<'a, 'a>) -> impl Iterator<Item = Node<'a, 'a>> {
    node.children().filter(|child| child.is_element() && child.tag_name().namespace() == Some(BPMN))
}

/// The child of that name, if there is one.
pub(super) fn child<'a>(node: Node<'a, 'a>, name: &str) -> Option<Node<'a, 'a>> {
    children(node).find(|child| child.tag_name().name() == name)
}

/// A node's text as a whole, without the white space around it, as Zeebe reads it.
pub(super) fn text<'a>(node: Node<'a, 'a>) -> String {
    let parts = node.descendants().filter(Node::is_text).filter_map(|part| part.text());
    parts.collect::<String>().trim_matches(|character| character <= ' ').to_owned()
}

/// Whether an element is there for people only, wherever it stands.
pub(super) fn is_harmless(name: &str) -> bool {
    matches!(
        name,
        "documentation"
            | "textAnnotation"
            | "association"
            | "group"
            | "category"
            | "laneSet"
            | "dataObject"
            | "dataObjectReference"
            | "dataStoreReference"
            | "dataStore"
            | "collaboration"
            | "dataInputAssociation"
            | "dataOutputAssociation"
            | "ioSpecification"
            | "property"
            | "incoming"
            | "outgoing"
    )
}
