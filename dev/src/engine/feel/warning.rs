//! What FEEL could not do while it evaluated.

/// One thing that evaluation could not do; its value is null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Which sort.
    pub kind: WarningKind,
    /// For people, in the words of Zeebe.
    pub message: String,
}

/// The sorts of warnings, as feel-scala names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WarningKind {
    /// No variable of that name.
    NoVariableFound,
}
