//! The door: an expression's text in, a value and what was odd about it out.

use super::syntax::Node;
use super::value::Value;
use super::warning::Warning;
use super::{evaluate, parser};

/// A parsed expression; evaluating it never panics and ends within its limits.
#[derive(Debug, Clone)]
pub struct Expression {
    text: String,
    pub(super) root: Node,
}

/// Why a text is refused at deployment: it does not parse in Zeebe either, or it does and is not supported here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}, at column {column}")]
pub struct Refusal {
    /// What is wrong or not supported.
    pub reason: String,
    /// Where, counted in characters from 1.
    pub column: usize,
    /// Whether Zeebe may well parse it, and only this crate does not support it.
    pub legal: bool,
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
    /// Why there is no value at all, which is an incident in Zeebe.
    pub failure: Option<String>,
}

/// Parses `text`, given without the leading `=`.
///
/// # Errors
///
/// Fails when Zeebe would not parse it, or when it needs what is not supported here.
pub fn parse(text: &str) -> Result<Expression, Refusal> {
    let expression = read(text)?;
    parser::check(&expression.root)?;
    Ok(expression)
}

/// Parses `text` for a look at what it reads; it may have functions and patterns that cannot be evaluated here.
///
/// # Errors
///
/// Fails when Zeebe would not parse it, or when it is longer or deeper than anything is here: see [`Refusal::legal`].
pub fn read(text: &str) -> Result<Expression, Refusal> {
    let root = parser::parse(text)?;
    Ok(Expression { text: text.to_owned(), root })
}

impl Expression {
    /// Evaluates with the variables of `scope`; `now` is the time in milliseconds since 1970.
    #[must_use]
    pub fn evaluate(&self, scope: &dyn Scope, now: i64) -> Evaluated {
        evaluate::evaluate(&self.root, scope, now)
    }

    /// The variables that it reads, in the order in which they first appear. Within a filter, entries of the items are
    /// among them: only evaluation can tell them apart.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut free = Vec::new();
        self.root.free_names(&mut Vec::new(), &mut free);
        free.into_iter().map(str::to_owned).collect()
    }

    /// The text that was parsed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}
