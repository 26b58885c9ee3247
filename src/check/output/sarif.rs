//! SARIF 2.1.0 (OASIS), as code scanners read it.

use crate::check::{Finding, RULES, Rule};
use serde_json::{Value, json};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
const HOME: &str = env!("CARGO_PKG_REPOSITORY");

/// One run with every rule, and the findings as its results.
pub fn sarif(findings: &[Finding]) -> Value {
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "zeebe2faas",
                "version": env!("CARGO_PKG_VERSION"),
                "informationUri": HOME,
                "rules": RULES.iter().map(|rule| described(rule)).collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "results": findings.iter().map(result).collect::<Vec<_>>(),
        }],
    })
}

fn described(rule: &Rule) -> Value {
    json!({
        "id": rule.id,
        "shortDescription": { "text": rule.what },
        "fullDescription": { "text": format!("{}: {}.", rule.what, rule.why) },
        "help": { "text": rule.advice },
        "helpUri": format!("{HOME}/blob/main/docs/check.md"),
        "defaultConfiguration": { "level": rule.severity.as_str() },
    })
}

fn result(finding: &Finding) -> Value {
    let mut physical = json!({ "artifactLocation": { "uri": uri(&finding.place.file) } });
    if let Some(line) = finding.place.line {
        physical["region"] = json!({ "startLine": line });
    }
    let mut location = json!({ "physicalLocation": physical });
    if let Some(element) = &finding.place.element {
        location["logicalLocations"] = json!([{ "name": element, "kind": "element" }]);
    }
    json!({
        "ruleId": finding.rule.id,
        "ruleIndex": RULES.iter().position(|rule| rule.id == finding.rule.id),
        "level": finding.severity().as_str(),
        "message": { "text": finding.message },
        "locations": [location],
    })
}

/// A relative or absolute path as a URI reference.
fn uri(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let text: String = path
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    if text.starts_with('/') { format!("file://{text}") } else { text }
}
