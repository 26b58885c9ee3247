//! Variables live in scopes: every element instance is one, inside that of its flow scope.

use super::{Machine, Rejection, Reply, instance::State};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, sync::Arc};
use zeebe2faas::zeebe::proto;

/// Variables of one scope, or a document of them; values are shared, not copied.
pub(super) type Variables = BTreeMap<String, Arc<Value>>;

/// Reads a request's variables; an empty text is no variables. As in Zeebe, what follows the first value is not read.
pub(super) fn document(text: &str) -> Result<Variables, Rejection> {
    if text.trim().is_empty() {
        return Ok(Variables::new());
    }
    let first = serde_json::Deserializer::from_str(text).into_iter::<Value>().next().unwrap_or(Ok(Value::Null));
    match first {
        Ok(Value::Object(object)) => Ok(from_object(object)),
        Ok(Value::Null) => Ok(Variables::new()),
        Ok(other) => Err(Rejection::invalid_argument(format!(
            "Property 'variables' is invalid: Expected document to be a root level object, but was '{}'",
            message_pack_type(&other)
        ))),
        Err(error) => Err(Rejection::invalid_argument(format!("Invalid JSON value: {text}: {error}"))),
    }
}

pub(super) fn from_object(object: Map<String, Value>) -> Variables {
    object.into_iter().map(|(name, value)| (name, Arc::new(value))).collect()
}

pub(super) fn into_object(variables: Variables) -> Map<String, Value> {
    variables.into_iter().map(|(name, value)| (name, Arc::unwrap_or_clone(value))).collect()
}

/// As JSON text, without copying a value.
pub(super) fn to_text<'a>(variables: impl IntoIterator<Item = (&'a str, &'a Arc<Value>)>) -> String {
    let object: BTreeMap<&str, &Value> = variables.into_iter().map(|(name, value)| (name, &**value)).collect();
    serde_json::to_string(&object).unwrap_or_default()
}

pub(super) fn message_pack_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "NIL",
        Value::Bool(_) => "BOOLEAN",
        Value::Number(number) if number.is_f64() => "FLOAT",
        Value::Number(_) => "INTEGER",
        Value::String(_) => "STRING",
        Value::Array(_) => "ARRAY",
        Value::Object(_) => "MAP",
    }
}

impl Machine {
    /// The variable as `scope` sees it.
    pub(super) fn variable(&self, scope: i64, name: &str) -> Option<&Arc<Value>> {
        let mut scope = Some(scope);
        while let Some(instance) = scope.and_then(|key| self.instances.get(&key)) {
            if let Some(value) = instance.variables.get(name) {
                return Some(value);
            }
            scope = instance.scope;
        }
        None
    }

    /// All variables that `scope` sees, or those of `names`.
    pub(super) fn visible_variables<'a>(
        &'a self,
        scope: i64,
        names: &'a [String],
    ) -> BTreeMap<&'a str, &'a Arc<Value>> {
        if !names.is_empty() {
            let found = names.iter().filter_map(|name| Some((name.as_str(), self.variable(scope, name)?)));
            return found.collect();
        }
        let mut visible = BTreeMap::new();
        let mut scope = Some(scope);
        while let Some(instance) = scope.and_then(|key| self.instances.get(&key)) {
            for (name, value) in &instance.variables {
                visible.entry(name.as_str()).or_insert(value);
            }
            scope = instance.scope;
        }
        visible
    }

    /// Copies of what [`visible_variables`](Self::visible_variables) has, their values shared.
    pub(super) fn visible_document(&self, scope: i64) -> Variables {
        let visible = self.visible_variables(scope, &[]);
        visible.into_iter().map(|(name, value)| (name.to_owned(), Arc::clone(value))).collect()
    }

    pub(super) fn set_local(&mut self, scope: i64, name: &str, value: Value) {
        if let Some(instance) = self.instances.get_mut(&scope) {
            instance.variables.insert(name.to_owned(), Arc::new(value));
        }
    }

    /// Writes all of `document` into `scope` itself.
    pub(super) fn merge_local(&mut self, scope: i64, document: Variables) {
        if let Some(instance) = self.instances.get_mut(&scope) {
            instance.variables.extend(document);
        }
    }

    /// Writes each variable where it exists, looking outwards from `scope`, and what exists nowhere into the process
    /// instance. Zeebe goes on outwards from a variable that has the value already, and so does this.
    pub(super) fn merge(&mut self, scope: i64, mut document: Variables) {
        let mut current = scope;
        while !document.is_empty() {
            let Some(instance) = self.instances.get_mut(&current) else { return };
            let Some(outer) = instance.scope else {
                instance.variables.extend(document);
                return;
            };
            document.retain(|name, value| match instance.variables.get_mut(name) {
                Some(existing) if existing != value => {
                    *existing = Arc::clone(value);
                    false
                }
                _ => true,
            });
            current = outer;
        }
    }

    pub(super) fn set_variables(&mut self, request: &proto::SetVariablesRequest) -> Result<Reply, Rejection> {
        let document = document(&request.variables)?;
        let scope = request.element_instance_key;
        self.check_partition(scope)?;
        if !self.instances.get(&scope).is_some_and(|instance| instance.state != State::Terminating) {
            return Err(Rejection::not_found(
                "UPDATE",
                format!("Expected to update variables for element with key '{scope}', but no such element was found"),
            ));
        }
        if request.local {
            self.merge_local(scope, document);
        } else {
            self.merge(scope, document);
        }
        Ok(Reply::VariablesSet(proto::SetVariablesResponse { key: self.next_key() }))
    }
}
