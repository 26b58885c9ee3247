//! BPMN's XML: its namespaces, and where in the file something stands.

use super::model::Text;
use roxmltree::Node;

const BPMN: &str = "http://www.omg.org/spec/BPMN/20100524/MODEL";
const ZEEBE: &str = "http://camunda.org/schema/zeebe/1.0";

/// Where the lines of a file end, in bytes: roxmltree counts them anew for each question.
#[derive(Debug)]
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    fn at(&self, offset: usize) -> u32 {
        u32::try_from(self.0.partition_point(|end| *end < offset) + 1).unwrap_or(u32::MAX)
    }

    pub fn line(&self, node: Node) -> u32 {
        self.at(node.range().start)
    }

    /// An attribute, empty where it is missing.
    pub fn attribute(&self, node: Node, name: &str) -> Text {
        let line = node.attribute_node(name).map(|found| self.at(found.range().start));
        Text::new(node.attribute(name).unwrap_or_default(), line.unwrap_or_else(|| self.line(node)))
    }

    /// A node's text.
    pub fn content(&self, node: Node) -> Text {
        Text::new(&text(node), self.line(node))
    }
}

/// A node's text, without the white space around it, as Zeebe reads it.
pub(super) fn text(node: Node) -> String {
    let parts = node.descendants().filter(Node::is_text).filter_map(|part| part.text());
    parts.collect::<String>().trim_matches(|c| c <= ' ').to_owned()
}

pub(super) fn is_bpmn(node: Node) -> bool {
    node.tag_name().namespace() == Some(BPMN)
}

/// Children in BPMN's namespace.
pub(super) fn children<'a>(node: Node<'a, 'a>) -> impl Iterator<Item = Node<'a, 'a>> {
    node.children().filter(|child| child.is_element() && is_bpmn(*child))
}

pub(super) fn child<'a>(node: Node<'a, 'a>, name: &str) -> Option<Node<'a, 'a>> {
    children(node).find(|child| child.tag_name().name() == name)
}

/// Zeebe's extension element of that name.
pub(super) fn extension<'a>(node: Node<'a, 'a>, name: &str) -> Option<Node<'a, 'a>> {
    child(node, "extensionElements")?.children().find(|part| part.has_tag_name((ZEEBE, name)))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_has_the_line_that_it_stands_in() {
        let text = "<a\n  b='1'>\n\n<c/></a>";
        let (document, lines) = (roxmltree::Document::parse(text).unwrap(), Lines::of(text));
        let root = document.root_element();
        assert_eq!([lines.line(root), lines.attribute(root, "b").line, lines.attribute(root, "none").line], [1, 2, 1]);
        assert_eq!(lines.line(root.last_element_child().unwrap()), 4);
    }
}
