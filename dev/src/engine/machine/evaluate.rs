//! Expressions over the variables of a scope, with the type that is needed, or an incident's text.

use super::{Machine, Variables, variables::from_object};
use crate::engine::{bpmn::Expression, feel};
use serde_json::{Number, Value};
use std::sync::Arc;

/// Why an element cannot go on; an incident when somebody can help.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    /// As Zeebe's `ErrorType`.
    pub(super) error_type: &'static str,
    pub(super) message: String,
}

impl Failure {
    pub(super) fn extract_value(message: String) -> Self {
        Self { error_type: "EXTRACT_VALUE_ERROR", message }
    }
}

/// What an expression came to.
#[derive(Debug)]
pub(super) struct Outcome {
    /// Dates, times and durations are strings here.
    pub(super) value: Value,
    /// As Zeebe's `ResultType`.
    pub(super) type_name: &'static str,
    text: String,
    warnings: String,
}

impl Outcome {
    fn failure(&self, message: String) -> Failure {
        Failure::extract_value(message + &self.warnings)
    }

    fn expected(&self, what: &str) -> Failure {
        let (text, actual) = (&self.text, self.type_name);
        self.failure(format!("Expected result of the expression '{text}' to be '{what}', but was '{actual}'."))
    }

    /// It is none of several types.
    pub(super) fn expected_one_of(&self, types: &str) -> Failure {
        let (text, actual) = (&self.text, self.type_name);
        self.failure(format!(
            "Expected result of the expression '{text}' to be one of '[{types}]', but was '{actual}'."
        ))
    }

    /// It is a text, but does not say what it should.
    pub(super) fn invalid(&self, what: &str, value: &str) -> Failure {
        self.failure(format!("Invalid {what} format '{value}' for expression '{}'.", self.text))
    }
}

/// A value that is a list.
#[derive(Debug)]
pub(super) struct List(Arc<Value>);

impl std::ops::Deref for List {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        self.0.as_array().map(Vec::as_slice).unwrap_or_default()
    }
}

/// The variables of a scope of the machine, some of them covered by numbers.
struct Scope<'a> {
    machine: &'a Machine,
    key: Option<i64>,
    covering: &'a [(&'static str, usize)],
}

impl feel::Scope for Scope<'_> {
    fn get(&self, name: &str) -> Option<Value> {
        if let Some((_, number)) = self.covering.iter().find(|(covering, _)| *covering == name) {
            return Some((*number).into());
        }
        self.machine.variable(self.key?, name).map(|value| Value::clone(value))
    }
}

impl Machine {
    /// Evaluates over the variables that `scope` sees; without one there are none.
    pub(super) fn evaluate(&self, expression: &Expression, scope: Option<i64>) -> Result<Outcome, Failure> {
        self.evaluate_covered(expression, scope, &[])
    }

    fn evaluate_covered(
        &self,
        expression: &Expression,
        key: Option<i64>,
        covering: &[(&'static str, usize)],
    ) -> Result<Outcome, Failure> {
        let text = expression.text().to_owned();
        let feel = match expression {
            Expression::Static(_) => return Ok(static_value(text)),
            Expression::Feel(feel) => feel,
        };
        let evaluated = feel.evaluate(&Scope { machine: self, key, covering }, self.now);
        let asserted = evaluated.warnings.iter().any(|warning| warning.kind == feel::WarningKind::AssertFailure);
        let warnings = warnings(&evaluated.warnings);
        if let Some(reason) = evaluated.failure {
            let what = if asserted { "Assertion failure on evaluate the" } else { "failed to evaluate" };
            return Err(Failure::extract_value(format!("{what} expression '{text}': {reason}{warnings}")));
        }
        Ok(Outcome { value: evaluated.value.to_json(), type_name: evaluated.value.type_name(), text, warnings })
    }

    pub(super) fn evaluate_string(&self, expression: &Expression, scope: Option<i64>) -> Result<String, Failure> {
        match self.evaluate(expression, scope)? {
            Outcome { value: Value::String(text), type_name: "STRING", .. } => Ok(text),
            other => Err(other.expected("STRING")),
        }
    }

    /// A list; one that stands in a variable is not copied.
    pub(super) fn evaluate_list(&self, expression: &Expression, scope: i64) -> Result<List, Failure> {
        if let Some(value) = expression.variable().and_then(|name| self.variable(scope, name))
            && value.is_array()
        {
            return Ok(List(Arc::clone(value)));
        }
        match self.evaluate(expression, Some(scope))? {
            Outcome { value: value @ Value::Array(_), .. } => Ok(List(Arc::new(value))),
            other => Err(other.expected("ARRAY")),
        }
    }

    pub(super) fn evaluate_condition(&self, expression: &Expression, scope: i64) -> Result<bool, Failure> {
        self.evaluate_condition_covered(expression, scope, &[])
    }

    /// With numbers that cover variables of their names.
    pub(super) fn evaluate_condition_covered(
        &self,
        expression: &Expression,
        scope: i64,
        covering: &[(&'static str, usize)],
    ) -> Result<bool, Failure> {
        match self.evaluate_covered(expression, Some(scope), covering)? {
            Outcome { value: Value::Bool(value), .. } => Ok(value),
            other => Err(other.expected("BOOLEAN")),
        }
    }

    /// A job's retries: a number, cut to a whole one.
    pub(super) fn evaluate_retries(&self, expression: &Expression, scope: i64) -> Result<i32, Failure> {
        match self.evaluate(expression, Some(scope))? {
            Outcome { value: Value::Number(number), .. } => Ok(whole(&number) as i32),
            other => Err(other.expected("NUMBER")),
        }
    }

    /// A message's correlation key: a string, or a number cut to a whole one.
    pub(super) fn evaluate_correlation_key(&self, expression: &Expression, scope: i64) -> Result<String, Failure> {
        match self.evaluate(expression, Some(scope))? {
            Outcome { value: Value::String(text), type_name: "STRING", .. } => Ok(text),
            Outcome { value: Value::Number(number), .. } => Ok(whole(&number).to_string()),
            other => Err(other.failure(format!(
                "Failed to extract the correlation key for '{}': The value must be either a string or a number, but \
                 was '{}'.",
                other.text, other.type_name
            ))),
        }
    }

    /// A variable mapping's variables.
    pub(super) fn evaluate_mapping(&self, expression: &Expression, scope: i64) -> Result<Variables, Failure> {
        let outcome = self.evaluate(expression, Some(scope)).and_then(|outcome| match outcome {
            Outcome { value: Value::Object(object), .. } => Ok(from_object(object)),
            other => Err(other.expected("OBJECT")),
        });
        outcome.map_err(|failure| Failure { error_type: "IO_MAPPING_ERROR", ..failure })
    }
}

/// Zeebe takes a text without a `=` for a number where it looks like one.
fn static_value(text: String) -> Outcome {
    let looks_numeric = text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '-' | '+' | '.'));
    let number = text.parse::<i64>().ok().map(Number::from).or_else(|| text.parse().ok().and_then(Number::from_f64));
    let (value, type_name) = match number.filter(|_| looks_numeric) {
        Some(number) => (Value::Number(number), "NUMBER"),
        None => (Value::String(text.clone()), "STRING"),
    };
    Outcome { value, type_name, text, warnings: String::new() }
}

/// Cut towards zero, as Java's `longValue`.
fn whole(number: &Number) -> i64 {
    number.as_i64().or_else(|| number.as_f64().map(|float| float as i64)).unwrap_or(i64::MAX)
}

fn warnings(warnings: &[feel::Warning]) -> String {
    if warnings.is_empty() {
        return String::new();
    }
    let lines: Vec<_> = warnings.iter().map(|warning| format!("[{}] {}", warning.kind, warning.message)).collect();
    format!(" The evaluation reported the following warnings:\n{}", lines.join("\n"))
}
