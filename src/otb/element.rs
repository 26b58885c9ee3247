//! The element template of an application: a service task with a field for each parameter.

use super::schema::{
    Binding, Condition, Constraints, ElementTemplate, ElementType, Engines, Feel, Field, Group, Icon, Named, Offer,
    OneOf, Property,
};
use super::{Application, Kind, Parameter};

mod call;

const SCHEMA: &str = "https://unpkg.com/@camunda/zeebe-element-templates-json-schema/resources/schema.json";
/// Which Zeebe knows all that the template sets.
const ENGINES: &str = "^8.6";
/// A globe's grid.
const ICON: &str = "data:image/svg+xml;utf8,%3Csvg xmlns='http://www.w3.org/2000/svg' width='18' height='18' \
    fill='none' stroke='%23106b4f' stroke-width='1.4'%3E%3Ccircle cx='9' cy='9' r='7.3'/%3E%3Cellipse cx='9' cy='9' \
    rx='3.2' ry='7.3'/%3E%3Cpath d='M2 9h14M3 5.4h12M3 12.6h12'/%3E%3C/svg%3E";
/// Of the parameters that stand in none of OTB's groups.
const ROOT: (&str, &str) = ("parameters", "Parameters");

/// The text of its file.
///
/// # Errors
/// None that is known: it would be one of serialisation.
pub fn template(application: &Application) -> Result<String, serde_json::Error> {
    let Application { name, description, .. } = application;
    let parameters = application.values().flat_map(|parameter| fields(application, parameter));
    let properties = parameters.chain(call::fields(application)).collect();
    let template = ElementTemplate {
        schema: SCHEMA,
        name: format!("OTB {name}"),
        id: format!("zeebe2faas.otb.{name}"),
        version: version(&application.version),
        description: description.clone(),
        documentation_ref: format!("https://www.orfeo-toolbox.org/CookBook/Applications/app_{name}.html"),
        category: Named { id: "zeebe2faas.otb", name: "Orfeo ToolBox" },
        applies_to: vec!["bpmn:Task", "bpmn:ServiceTask"],
        element_type: ElementType { value: "bpmn:ServiceTask" },
        engines: Engines { camunda: ENGINES },
        icon: Icon { contents: ICON },
        entries_visible: true,
        groups: groups(application),
        properties,
    };
    Ok(serde_json::to_string_pretty(&template)? + "\n")
}

/// `8.1.1` is 80101: the Modeler offers an update when another OTB has described the application.
fn version(text: &str) -> u32 {
    let mut parts = text.split('.').map(|part| part.parse::<u32>().unwrap_or(0).min(99));
    (0..3).fold(0, |sum, _| sum * 100 + parts.next().unwrap_or(0))
}

/// OTB's groups, of which only the outermost count, and the call's own.
fn groups(application: &Application) -> Vec<Group> {
    let root = Group { id: ROOT.0.into(), label: ROOT.1.into(), tooltip: String::new(), open_by_default: true };
    let outermost = application.parameters.iter().filter(|parameter| parameter.kind == Kind::Group);
    let outermost = outermost.filter(|group| !group.key.contains('.')).map(|group| Group {
        id: group_id(&group.key),
        label: group.name.clone(),
        tooltip: html(&group.description),
        open_by_default: application
            .values()
            .any(|p| application.requires(p) && group_of(application, p) == group_id(&group.key)),
    });
    let groups = std::iter::once(root).chain(outermost).chain(call::groups());
    let is_used = |group: &Group| {
        let mut values = application.values();
        group.id == call::GROUP.0 || group.id == call::WORKER.0 || values.any(|p| group_of(application, p) == group.id)
    };
    groups.filter(is_used).collect()
}

fn group_id(key: &str) -> String {
    format!("otb-{key}")
}

fn group_of(application: &Application, parameter: &Parameter) -> String {
    let outermost = parameter.key.split('.').next().unwrap_or_default();
    match application.parameter(outermost) {
        Some(Parameter { kind: Kind::Group, .. }) => group_id(outermost),
        _ => ROOT.0.to_owned(),
    }
}

/// Its field, and for an image that of its pixels.
fn fields(application: &Application, parameter: &Parameter) -> Vec<Property> {
    let is_required = application.requires(parameter);
    let property = Property {
        id: parameter.variable(),
        label: parameter.name.clone(),
        description: hint(parameter),
        tooltip: tooltip(parameter),
        group: group_of(application, parameter),
        optional: !is_required,
        constraints: is_required.then_some(Constraints { not_empty: true, pattern: None }),
        condition: condition(application, parameter),
        binding: Binding::Input { name: parameter.variable() },
        ..Property::default()
    };
    let shaped = match &parameter.kind {
        Kind::Group => return Vec::new(),
        // Without FEEL Zeebe would take `2` for a text; and a field of type Number shows 0 where nothing is given.
        Kind::Integer | Kind::Float => Property { feel: Some(Feel::Required), ..property },
        Kind::Text => Property { feel: Some(Feel::Optional), ..property },
        Kind::Texts => Property { field: Field::Text, feel: Some(Feel::Required), ..property },
        Kind::Boolean => {
            let choices = ["true", "false"].map(|value| offer(value, value)).into();
            Property { field: Field::Dropdown, choices, ..property }
        }
        Kind::Choice(choices) => {
            let choices = choices.iter().map(|choice| offer(&choice.name, &choice.key)).collect();
            Property { field: Field::Dropdown, choices, ..property }
        }
        Kind::Image { pixels, default } => {
            let pixel = Property {
                id: parameter.pixel_variable(),
                label: format!("{}: type of its pixels", parameter.name),
                group: group_of(application, parameter),
                field: Field::Dropdown,
                optional: true,
                description: default.as_ref().map_or_else(String::new, |pixel| format!("default: {pixel}")),
                choices: pixels.iter().map(|pixel| offer(pixel, pixel)).collect(),
                condition: condition(application, parameter),
                binding: Binding::Input { name: parameter.pixel_variable() },
                ..Property::default()
            };
            return vec![Property { feel: Some(Feel::Optional), ..property }, pixel];
        }
    };
    vec![shaped]
}

fn offer(name: &str, value: &str) -> Offer {
    Offer { name: name.to_owned(), value: value.to_owned() }
}

/// It is there when each choice above it is made, or left to OTB that makes it.
fn condition(application: &Application, parameter: &Parameter) -> Option<Condition> {
    let branches = application.branches(parameter).into_iter().map(|branch| {
        let is_default = branch.of.default.as_deref() == Some(branch.choice) && !application.requires(branch.of);
        let unsaid = is_default.then(String::new);
        OneOf { property: branch.of.variable(), one_of: unsaid.into_iter().chain([branch.choice.to_owned()]).collect() }
    });
    Condition::all(branches.collect())
}

/// As the command line has it, and what OTB takes otherwise.
fn hint(parameter: &Parameter) -> String {
    let form = if parameter.kind == Kind::Texts { ", a list such as [\"a\", \"b\"]" } else { "" };
    let default = parameter.default.as_ref().map(|default| match &parameter.kind {
        Kind::Choice(choices) => choices.iter().find(|choice| choice.key == *default).map_or(default, |it| &it.name),
        _ => default,
    });
    html(&format!("-{}{form}{}", parameter.key, default.map_or(String::new(), |value| format!(" (default: {value})"))))
}

fn tooltip(parameter: &Parameter) -> String {
    let choices = match &parameter.kind {
        Kind::Choice(choices) => choices.as_slice(),
        _ => &[],
    };
    let explained = choices.iter().filter(|choice| !choice.description.is_empty());
    let explained = explained.map(|choice| format!("{}: {}", choice.name, choice.description));
    let lines = std::iter::once(parameter.description.clone()).filter(|line| !line.is_empty()).chain(explained);
    html(&lines.collect::<Vec<_>>().join("\n"))
}

/// The Modeler shows hints and tooltips as HTML.
fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\n', "<br>")
}
