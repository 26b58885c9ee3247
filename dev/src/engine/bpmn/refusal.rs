//! Why a process is refused.

use roxmltree::Node;
use std::fmt;

/// One thing that is wrong or not supported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Id of the element, or its name where it has none.
    pub element: String,
    /// Line in the document, from 1.
    pub line: u32,
    /// What it is.
    pub reason: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "element '{}' at line {}: {}", self.element, self.line, self.reason)
    }
}

impl Refusal {
    pub(super) fn new(node: Node, reason: impl Into<String>) -> Self {
        let line = node.document().text_pos_at(node.range().start).row;
        let identified = node.ancestors().find_map(|ancestor| ancestor.attribute("id"));
        let element = identified.unwrap_or_else(|| node.tag_name().name()).to_owned();
        Self { element, line, reason: reason.into() }
    }
}
