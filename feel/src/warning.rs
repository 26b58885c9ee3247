//! What FEEL could not do while it evaluated.

use super::limits::MAX_MESSAGE;
use std::fmt::{self, Write};

/// One thing that evaluation could not do; its value is null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Which sort.
    pub kind: WarningKind,
    /// For people, in the words of Zeebe.
    pub message: String,
}

/// The sorts of warnings, as feel-scala's `EvaluationFailureType` has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WarningKind {
    /// None of the others.
    Unknown,
    /// No variable of that name.
    NoVariableFound,
    /// No entry of that name in a context.
    NoContextEntryFound,
    /// The value has no such property.
    NoPropertyFound,
    /// Values of types that cannot be compared.
    NotComparable,
    /// A value of another type was expected.
    InvalidType,
    /// No function of that name and with those parameters.
    NoFunctionFound,
    /// A function could not do it with those arguments.
    FunctionInvocationFailure,
    /// What `assert` asks for does not hold.
    AssertFailure,
}

impl fmt::Display for WarningKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Unknown => "UNKNOWN",
            Self::NoVariableFound => "NO_VARIABLE_FOUND",
            Self::NoContextEntryFound => "NO_CONTEXT_ENTRY_FOUND",
            Self::NoPropertyFound => "NO_PROPERTY_FOUND",
            Self::NotComparable => "NOT_COMPARABLE",
            Self::InvalidType => "INVALID_TYPE",
            Self::NoFunctionFound => "NO_FUNCTION_FOUND",
            Self::FunctionInvocationFailure => "FUNCTION_INVOCATION_FAILURE",
            Self::AssertFailure => "ASSERT_FAILURE",
        })
    }
}

/// Text that ends where a message is long enough, however large the values in it are.
#[derive(Default)]
struct Cut(String);

impl Write for Cut {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = MAX_MESSAGE.saturating_sub(self.0.len());
        if text.len() <= room {
            self.0.push_str(text);
            return Ok(());
        }
        self.0.push_str(&text[..text.floor_char_boundary(room)]);
        Err(fmt::Error)
    }
}

/// The message, cut where it is too long.
pub(super) fn message(text: fmt::Arguments<'_>) -> String {
    let mut cut = Cut::default();
    if cut.write_fmt(text).is_err() {
        cut.0.push('…');
    }
    cut.0
}
