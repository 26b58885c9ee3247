//! The command template of an application: `templates/otb-NAME.toml`.

use super::{Application, Kind, Parameter};

/// Where a list of names goes on in the next line, in characters.
const LINE: usize = 110;

/// The text of its file. `timeout` is as in any template (`4h`).
pub fn template(application: &Application, function: &str, timeout: &str) -> String {
    let Application { name, version, description, .. } = application;
    let outputs = application.values().filter(|parameter| parameter.is_output());
    let optional = application.values().flat_map(|parameter| {
        let own = (!is_always_given(application, parameter)).then(|| parameter.variable());
        let pixel = matches!(parameter.kind, Kind::Image { .. }).then(|| parameter.pixel_variable());
        own.into_iter().chain(pixel)
    });
    let mut text = format!("# Made by `zeebe2faas templates otb {name}` from what OTB {version} says of it.\n");
    text += &format!("description = {}\n", quoted(description));
    text += &format!("function = {}\ntimeout = {}\n", quoted(function), quoted(timeout));
    text += &list("outputs", outputs.map(|output| output.key.clone()));
    text += &list("optional", optional);
    text += &format!("\ncommand = '''\n{name}\n");
    for parameter in application.values() {
        text += &format!("    {}\n", arguments(parameter, is_always_given(application, parameter)));
    }
    text + "'''\n"
}

fn is_always_given(application: &Application, parameter: &Parameter) -> bool {
    application.requires(parameter) && application.branches(parameter).is_empty()
}

/// The parameter and its value, as the command has them.
fn arguments(parameter: &Parameter, is_always_given: bool) -> String {
    let (key, variable) = (&parameter.key, parameter.variable());
    let given = match parameter.kind {
        Kind::Texts => format!("-{key} {{{{ {variable} | args }}}}"),
        Kind::Image { .. } => {
            let pixel = parameter.pixel_variable();
            format!("-{key} {{{{ {variable} }}}}{{% if {pixel} is defined %}} {{{{ {pixel} }}}}{{% endif %}}")
        }
        _ => format!("-{key} {{{{ {variable} }}}}"),
    };
    match parameter.kind {
        _ if is_always_given => given,
        // An empty list is none, and what makes several arguments needs a blank behind it.
        Kind::Texts => format!("{{% if {variable} %}}{given} {{% endif %}}"),
        _ => format!("{{% if {variable} is defined %}}{given}{{% endif %}}"),
    }
}

/// `key = ["a", "b"]`, in several lines where it is long; nothing where it is empty.
fn list(key: &str, items: impl Iterator<Item = String>) -> String {
    let items: Vec<_> = items.map(|item| quoted(&item)).collect();
    let whole = format!("{key} = [{}]\n", items.join(", "));
    match items.len() {
        0 => String::new(),
        _ if whole.len() <= LINE => whole,
        _ => {
            let mut lines = vec![String::from("   ")];
            for item in items {
                if lines.last().is_some_and(|line| line.len() + item.len() > LINE) {
                    lines.push(String::from("   "));
                }
                if let Some(line) = lines.last_mut() {
                    *line += &format!(" {item},");
                }
            }
            format!("{key} = [\n{}\n]\n", lines.join("\n"))
        }
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
