//! A BPMN document: its messages and errors, then its executable processes.

use super::{
    BPMN, Process, Refusal,
    activities::Builder,
    reader::{Reader, children, is_harmless},
};
use roxmltree::{Document, Node};

/// Reads all executable processes of a document.
///
/// # Errors
///
/// All that is wrong or not supported.
pub fn parse(content: &[u8]) -> Result<Vec<Process>, Vec<Refusal>> {
    let whole = |line: u32, reason: String| vec![Refusal { element: "definitions".to_owned(), line, reason }];
    let text = std::str::from_utf8(content).map_err(|error| whole(1, format!("not UTF-8: {error}")))?;
    let document = Document::parse(text.trim_start_matches('\u{feff}'))
        .map_err(|error| whole(error.pos().row, format!("not XML: {error}")))?;
    let root = document.root_element();
    if root.tag_name().name() != "definitions" || root.tag_name().namespace() != Some(BPMN) {
        return Err(vec![Refusal::new(root, "the document's root is not BPMN's definitions")]);
    }
    let mut reader = Reader::default();
    let processes = reader.read_definitions(root);
    if reader.refusals.is_empty() { Ok(processes) } else { Err(reader.refusals) }
}

impl<'a> Reader<'a> {
    fn read_definitions(&mut self, root: Node<'a, 'a>) -> Vec<Process> {
        let known = ["targetNamespace", "expressionLanguage", "typeLanguage", "exporter", "exporterVersion"];
        self.check_attributes(root, &known);
        let mut found = Vec::new();
        for node in children(root) {
            match node.tag_name().name() {
                "process" => found.push(node),
                "message" => {
                    self.check_attributes(node, &["itemRef"]);
                    self.messages.insert(node.attribute("id").unwrap_or_default(), node);
                }
                "error" => {
                    self.check_attributes(node, &["errorCode", "structureRef"]);
                    let code = node.attribute("errorCode");
                    self.errors.insert(node.attribute("id").unwrap_or_default(), code);
                }
                name if is_harmless(name) => {}
                name => self.refuse(node, format!("{name} is not supported")),
            }
        }
        let executable = |node: &Node| node.attribute("isExecutable") == Some("true");
        if !found.iter().any(executable) {
            self.refuse(root, "Must contain at least one executable process");
        }
        found.into_iter().filter(executable).filter_map(|node| Builder::new(self, node).read(node)).collect()
    }
}
