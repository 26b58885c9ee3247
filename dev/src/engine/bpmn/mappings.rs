//! Input and output mappings: all of an element's become one FEEL context, as in Zeebe, so that a later one sees what
//! an earlier one has set.

use super::{Expression, ZEEBE, reader::Reader};
use roxmltree::Node;

/// Words that a target may not be, though they look like a path.
const RESERVED: [&str; 11] =
    ["null", "true", "false", "function", "if", "then", "else", "for", "between", "instance", "of"];

/// What a context's entry is.
#[derive(Debug)]
enum Entry {
    Source(String),
    Context(Vec<(String, Entry)>),
}

pub(super) fn input_mapping<'a>(reader: &mut Reader<'a>, node: Node<'a, 'a>) -> Option<Expression> {
    let context = read(reader, node, "input")?;
    let mut text = String::new();
    write_context(&mut text, &context, &mut Vec::new(), false);
    parsed(reader, node, &text)
}

pub(super) fn output_mapping<'a>(reader: &mut Reader<'a>, node: Node<'a, 'a>) -> Option<Expression> {
    let context = read(reader, node, "output")?;
    let mut text = String::new();
    write_context(&mut text, &context, &mut Vec::new(), true);
    parsed(reader, node, &text)
}

fn parsed<'a>(reader: &mut Reader<'a>, node: Node<'a, 'a>, text: &str) -> Option<Expression> {
    if !reader.refusals.is_empty() {
        return None;
    }
    Some(reader.expression(node, &format!("={text}")))
}

/// All mappings of a direction; none when there are none.
fn read<'a>(reader: &mut Reader<'a>, node: Node<'a, 'a>, direction: &str) -> Option<Vec<(String, Entry)>> {
    let mut context = Vec::new();
    for mapping in node.children().filter(Node::is_element) {
        let name = mapping.tag_name().name();
        if !matches!(name, "input" | "output") || mapping.tag_name().namespace() != Some(ZEEBE) {
            reader.refuse(mapping, format!("{name} is not supported in zeebe:ioMapping"));
        }
        if name != direction {
            continue;
        }
        reader.check_attributes(mapping, &["source", "target"]);
        let (source, target) = (reader.required(mapping, "source"), reader.required(mapping, "target"));
        let expression =
            if direction == "output" { reader.dynamic(mapping, source) } else { reader.expression(mapping, source) };
        if !is_path(target) {
            reader.refuse(mapping, format!("target '{target}' is not a path of names"));
            continue;
        }
        let text = match expression {
            Expression::Static(text) => format!("\"{}\"", text.replace('"', "\\\"")),
            Expression::Feel(_) => expression.text().to_owned(),
        };
        insert(&mut context, target, text);
    }
    (!context.is_empty()).then_some(context)
}

fn is_path(target: &str) -> bool {
    let is_name = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.chars().all(|other| other.is_ascii_alphanumeric() || other == '_')
    };
    target.split('.').all(is_name) && !RESERVED.contains(&target)
}

fn insert(context: &mut Vec<(String, Entry)>, target: &str, source: String) {
    let (key, rest) = target.split_once('.').map_or((target, None), |(key, rest)| (key, Some(rest)));
    let position = context.iter().position(|(existing, _)| existing == key);
    let index = position.unwrap_or_else(|| {
        context.push((key.to_owned(), Entry::Context(Vec::new())));
        context.len() - 1
    });
    let entry = &mut context[index].1;
    match rest {
        None => *entry = Entry::Source(source),
        Some(rest) => {
            if let Entry::Source(_) = entry {
                *entry = Entry::Context(Vec::new());
            }
            if let Entry::Context(nested) = entry {
                insert(nested, rest, source);
            }
        }
    }
}

/// With `merging`, a nested context keeps what its variable has already.
fn write_context(text: &mut String, context: &[(String, Entry)], path: &mut Vec<String>, merging: bool) {
    text.push('{');
    for (index, (key, entry)) in context.iter().enumerate() {
        let separator = if index == 0 { "" } else { "," };
        text.push_str(&format!("{separator}{key}:"));
        match entry {
            Entry::Source(source) => text.push_str(source),
            Entry::Context(nested) => {
                path.push(key.clone());
                let mut inner = String::new();
                write_context(&mut inner, nested, path, merging);
                let existing = path.join(".");
                path.pop();
                if merging {
                    text.push_str(&format!(
                        "if ({existing} != null) then context merge({existing},{inner}) else {inner}"
                    ));
                } else {
                    text.push_str(&inner);
                }
            }
        }
    }
    text.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(mappings: &[(&str, &str)], merging: bool) -> String {
        let mut context = Vec::new();
        for (target, source) in mappings {
            insert(&mut context, target, (*source).to_owned());
        }
        let mut text = String::new();
        write_context(&mut text, &context, &mut Vec::new(), merging);
        text
    }

    #[test]
    fn mappings_become_one_context() {
        assert_eq!(written(&[("a", "1"), ("b.c", "a"), ("b.d", "2")], false), "{a:1,b:{c:a,d:2}}");
        assert_eq!(
            written(&[("b.c", "1")], true),
            "{b:if (b != null) then context merge(b,{c:1}) else {c:1}}",
            "what b has stays"
        );
        assert_eq!(
            written(&[("a", "1"), ("b", "2"), ("a", "3")], false),
            "{a:3,b:2}",
            "the last one, at the first place"
        );
    }

    #[test]
    fn targets_are_paths_of_names() {
        assert!(is_path("a.b_1") && !is_path("a-b") && !is_path("a.") && !is_path("null") && !is_path("1a"));
    }
}
