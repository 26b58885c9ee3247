//! How findings are told: lines for people, JSON for programs, SARIF for code scanners.

mod sarif;

pub use sarif::sarif;

use super::finding::{Finding, Severity};
use serde_json::{Value, json};

/// A line each: `FILE:LINE: SEVERITY: ELEMENT: MESSAGE [RULE]`.
pub fn text(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let line = finding.place.line.map(|line| format!(":{line}")).unwrap_or_default();
        let element = finding.place.element.as_ref().map(|element| format!("{element}: ")).unwrap_or_default();
        let severity = finding.severity().as_str();
        format!("{}{line}: {severity}: {element}{} [{}]", finding.place.file, finding.message, finding.rule.id)
    };
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// `findings`, each with its rule, severity, place, message and advice, and how many there are of each severity.
pub fn json(findings: &[Finding]) -> Value {
    let one = |finding: &Finding| {
        json!({
            "rule": finding.rule.id,
            "severity": finding.severity(),
            "file": finding.place.file,
            "line": finding.place.line,
            "element": finding.place.element,
            "message": finding.message,
            "advice": finding.rule.advice,
        })
    };
    json!({
        "findings": findings.iter().map(one).collect::<Vec<_>>(),
        "errors": count(findings, Severity::Error),
        "warnings": count(findings, Severity::Warning),
        "notes": count(findings, Severity::Note),
    })
}

/// How many there are of one severity.
pub fn count(findings: &[Finding], severity: Severity) -> usize {
    findings.iter().filter(|finding| finding.severity() == severity).count()
}
