//! The door: an expression's text in, a value and what was odd about it out.

use super::value::Value;
use super::warning::Warning;

/// A parsed expression; evaluating it never fails and never panics.
#[derive(Debug, Clone)]
pub struct Expression {
    text: String,
}

/// Why a text is refused at deployment: it does not parse in Zeebe either, or it does and is not supported here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}, at column {column}")]
pub struct Refusal {
    /// What is wrong or not supported.
    pub reason: String,
    /// Where, counted in characters from 1.
    pub column: usize,
}

/// Where an expression's variables come from.
pub trait Scope {
    /// The variable's value; None when there is none of that name.
    fn get(&self, name: &str) -> Option<serde_json::Value>;
}

/// What an expression comes to.
#[derive(Debug, Clone)]
pub struct Evaluated {
    /// The value; null where FEEL could not do better.
    pub value: Value,
    /// What FEEL could not do, in the order of evaluation.
    pub warnings: Vec<Warning>,
}

/// Parses `text`, given without the leading `=`.
///
/// # Errors
///
/// Fails when Zeebe would not parse it, or when it needs what is not supported here.
pub fn parse(text: &str) -> Result<Expression, Refusal> {
    Ok(Expression { text: text.to_owned() })
}

impl Expression {
    /// Evaluates with the variables of `scope`; `now` is the time in milliseconds since 1970.
    #[must_use]
    pub fn evaluate(&self, scope: &dyn Scope, now: i64) -> Evaluated {
        let _ = (scope, now);
        Evaluated { value: Value::Null, warnings: Vec::new() }
    }

    /// The free variables, in the order in which they first appear.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        Vec::new()
    }

    /// The text that was parsed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}
