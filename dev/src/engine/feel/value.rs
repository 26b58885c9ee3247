//! The values of FEEL.

/// A value of FEEL.
#[derive(Debug, Clone)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A string.
    String(String),
    /// A list.
    List(Vec<Value>),
}

impl Value {
    /// The value as JSON, as Zeebe writes it into a variable.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Boolean(value) => (*value).into(),
            Self::String(value) => value.clone().into(),
            Self::List(values) => values.iter().map(Self::to_json).collect(),
        }
    }

    /// The name of its type, as Zeebe's `ResultType` has it.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Boolean(_) => "BOOLEAN",
            Self::String(_) => "STRING",
            Self::List(_) => "ARRAY",
        }
    }
}
