//! Each line of the file: an expression, a tab, and what Zeebe's own library made of it.

use crate::variables;
use serde_json::Value;
use zeebe2faas_feel::parse;

const GOLDEN: &str = include_str!("zeebe-8.6.0.tsv");

/// In milliseconds since 1970: some day in 2026.
const NOW: i64 = 1_790_000_000_000;

/// Expressions that Zeebe evaluates and this engine refuses, with the reason.
const REFUSED: &[(&str, &str)] = &[
    ("uuid() != null", "its result is another one each time"),
    ("random number() < 1", "its result is another one each time"),
    ("99999999999999999999999999999999999", "more than 34 digits"),
    ("12345678901234567890123456789012345", "more than 34 digits"),
];

/// What a line expects.
#[derive(Debug, PartialEq)]
enum Expected {
    /// Zeebe does not parse it.
    Refused,
    /// Zeebe raises an incident.
    Failed { warnings: Vec<String> },
    /// The type, the value, and the kinds of warnings.
    Value { type_name: String, json: Value, warnings: Vec<String> },
}

fn expected(text: &str) -> Expected {
    if text.starts_with("PARSE-ERR") {
        return Expected::Refused;
    }
    let (result, warnings) = text.split_once(" !W ").unwrap_or((text, ""));
    let warnings = warnings.split_whitespace().map(str::to_owned).collect();
    match result.split_once(' ').unwrap() {
        ("FAIL", _) => Expected::Failed { warnings },
        (type_name, json) => {
            Expected::Value { type_name: type_name.to_owned(), json: serde_json::from_str(json).unwrap(), warnings }
        }
    }
}

fn found(expression: &str) -> Expected {
    let Ok(parsed) = parse(expression) else { return Expected::Refused };
    let evaluated = parsed.evaluate(&variables(), NOW);
    let warnings = evaluated.warnings.iter().map(|warning| warning.kind.to_string()).collect();
    match evaluated.failure {
        Some(_) => Expected::Failed { warnings },
        None => {
            let type_name = evaluated.value.type_name().to_owned();
            Expected::Value { type_name, json: evaluated.value.to_json(), warnings }
        }
    }
}

#[test]
fn every_line_is_evaluated_as_by_zeebe_or_refused_with_a_reason() {
    let mut wrong = Vec::new();
    for line in GOLDEN.lines() {
        let (expression, result) = line.split_once('\t').unwrap();
        let refused = REFUSED.iter().any(|(known, _)| *known == expression);
        let expected = if refused { Expected::Refused } else { expected(result) };
        let found = found(expression);
        if found != expected {
            let why = parse(expression).err().map(|refusal| refusal.to_string());
            wrong.push(format!("{expression}\n  expected {expected:?}\n  found    {found:?} {why:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} lines are wrong:\n{}", wrong.len(), GOLDEN.lines().count(), wrong.join("\n"));
}

#[test]
fn less_than_a_tenth_of_what_zeebe_evaluates_is_refused() {
    let evaluated = GOLDEN.lines().filter(|line| !line.contains("\tPARSE-ERR")).count();
    assert!(REFUSED.len() * 10 < evaluated, "{} of {evaluated} are refused", REFUSED.len());
    for (expression, reason) in REFUSED {
        assert!(GOLDEN.lines().any(|line| line.starts_with(&format!("{expression}\t"))), "{expression} is in no line");
        let refusal = parse(expression).unwrap_err();
        assert!(refusal.reason.contains(reason), "{expression}: {refusal}");
    }
}
