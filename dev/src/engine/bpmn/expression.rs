//! Text in a BPMN attribute: FEEL behind a `=`, otherwise itself.

use crate::engine::feel;
use std::sync::Arc;

/// An expression of FEEL, or a text that is its own value.
#[derive(Debug, Clone)]
pub enum Expression {
    /// A text; Zeebe takes one that looks like a number for a number.
    Static(Arc<str>),
    /// FEEL.
    Feel(Arc<feel::Expression>),
}

impl Expression {
    /// Parses what stands in an attribute.
    ///
    /// # Errors
    ///
    /// Fails when the FEEL behind the `=` does not parse or is not supported.
    pub fn parse(text: &str) -> Result<Self, feel::Refusal> {
        match text.strip_prefix('=').filter(|feel| !feel.is_empty()) {
            Some(text) => feel::parse(text).map(|expression| Self::Feel(Arc::new(expression))),
            None => Ok(Self::Static(text.into())),
        }
    }

    /// The text, without the `=`.
    pub fn text(&self) -> &str {
        match self {
            Self::Static(text) => text,
            Self::Feel(expression) => expression.text(),
        }
    }

    /// Whether it needs no evaluation.
    pub fn is_static(&self) -> bool {
        matches!(self, Self::Static(_))
    }

    /// Its name, if it is one variable and nothing else.
    pub fn variable(&self) -> Option<&str> {
        let is_name = |text: &str| {
            !text.is_empty()
                && !matches!(text, "null" | "true" | "false")
                && !text.starts_with(|first: char| first.is_ascii_digit())
                && text.chars().all(|character| character.is_alphanumeric() || character == '_')
        };
        match self {
            Self::Feel(expression) => Some(expression.text().trim()).filter(|text| is_name(text)),
            Self::Static(_) => None,
        }
    }
}
