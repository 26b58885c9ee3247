//! An element template as Camunda Modeler reads it: what we use of @camunda/zeebe-element-templates-json-schema.

use serde::Serialize;

/// A whole file.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ElementTemplate {
    #[serde(rename = "$schema")]
    pub(super) schema: &'static str,
    pub(super) name: String,
    pub(super) id: String,
    pub(super) version: u32,
    pub(super) description: String,
    pub(super) documentation_ref: String,
    pub(super) category: Named,
    pub(super) applies_to: Vec<&'static str>,
    pub(super) element_type: ElementType,
    pub(super) engines: Engines,
    pub(super) icon: Icon,
    pub(super) entries_visible: bool,
    pub(super) groups: Vec<Group>,
    pub(super) properties: Vec<Property>,
}

#[derive(Debug, Serialize)]
pub(super) struct Named {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct ElementType {
    pub(super) value: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct Engines {
    pub(super) camunda: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct Icon {
    pub(super) contents: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Group {
    pub(super) id: String,
    pub(super) label: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) tooltip: String,
    pub(super) open_by_default: bool,
}

/// A field, and where its value goes.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Property {
    pub(super) id: String,
    pub(super) label: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) description: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) tooltip: String,
    pub(super) group: String,
    #[serde(rename = "type")]
    pub(super) field: Field,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) feel: Option<Feel>,
    /// An empty value is left out of the BPMN file: Zeebe 8.6 refuses a mapping without a source, which later ones take for
    /// null.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) optional: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) placeholder: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) choices: Vec<Offer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) constraints: Option<Constraints>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) condition: Option<Condition>,
    pub(super) binding: Binding,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize)]
pub(super) enum Field {
    #[default]
    String,
    Text,
    Dropdown,
    Hidden,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Feel {
    Optional,
    Required,
}

#[derive(Debug, Serialize)]
pub(super) struct Offer {
    pub(super) name: String,
    pub(super) value: String,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Constraints {
    pub(super) not_empty: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pattern: Option<Pattern>,
}

#[derive(Debug, Serialize)]
pub(super) struct Pattern {
    pub(super) value: &'static str,
    pub(super) message: &'static str,
}

/// When a field is there.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Condition {
    One(OneOf),
    #[serde(rename_all = "camelCase")]
    All {
        all_match: Vec<OneOf>,
    },
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OneOf {
    pub(super) property: String,
    pub(super) one_of: Vec<String>,
}

impl Condition {
    pub(super) fn all(mut conditions: Vec<OneOf>) -> Option<Self> {
        match conditions.len() {
            0 => None,
            1 => conditions.pop().map(Self::One),
            _ => Some(Self::All { all_match: conditions }),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(tag = "type")]
pub(super) enum Binding {
    #[serde(rename = "zeebe:input")]
    Input { name: String },
    #[serde(rename = "zeebe:taskHeader")]
    Header { key: &'static str },
    #[serde(rename = "zeebe:taskDefinition")]
    TaskDefinition { property: &'static str },
}

impl Default for Binding {
    fn default() -> Self {
        Self::Input { name: String::new() }
    }
}
