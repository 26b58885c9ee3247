//! FEEL against what Zeebe 8.6.0 makes of the same expressions, and against any text.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod golden;
mod limits;
mod properties;

use serde_json::Value;
use zeebe2faas_feel::Scope;

/// Variables out of a JSON object.
struct Variables(serde_json::Map<String, Value>);

impl Scope for Variables {
    fn get(&self, name: &str) -> Option<Value> {
        self.0.get(name).cloned()
    }
}

/// The variables that the golden lines were made with.
fn variables() -> Variables {
    Variables(serde_json::from_str(include_str!("vars.json")).unwrap())
}
