//! Any text is parsed or refused, and what is parsed is evaluated: no panic, no end of the stack, no waiting.

use crate::variables;
use proptest::prelude::*;
use zeebe2faas_feel::parse;

/// Pieces of expressions, so that many of the texts mean something.
const PIECES: &[&str] = &[
    "1",
    "-",
    "0.5",
    "n",
    "x",
    ".y",
    "list",
    "item",
    "partial",
    "null",
    "true",
    "missing",
    "\"a\"",
    "@\"2024-01-31\"",
    "@\"P1M\"",
    "@\"-PT1H\"",
    "date(\"2024-02-29\")",
    "@\"10:00:00Z\"",
    "@\"2024-03-31T02:30:00@Europe/Berlin\"",
    " + ",
    " - ",
    " * ",
    " / ",
    " ** ",
    " = ",
    " != ",
    " < ",
    " >= ",
    " and ",
    " or ",
    " in ",
    " between ",
    " instance of ",
    "number",
    "if ",
    " then ",
    " else ",
    "for i in ",
    "some i in ",
    " return ",
    " satisfies ",
    "1..3",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    "a: ",
    ", ",
    "?",
    "function(a) ",
    "count(",
    "substring(",
    "string(",
    "sum(",
    "get value(",
    "context put(",
    "sublist(",
    "round up(",
    "matches(",
    "modulo(",
    "sort(",
    "date and time(",
    "duration(",
    "cycle(",
    "flatten(",
    "insert before(",
    "decimal(",
    "before(",
    "/* */",
    "// ",
    "`",
    "\\",
];

fn evaluate_if_parsed(text: &str) {
    match parse(text) {
        Ok(expression) => {
            let evaluated = expression.evaluate(&variables(), 1_700_000_000_000);
            let _ = (evaluated.value.to_json(), evaluated.value.to_string(), expression.names());
        }
        Err(refusal) => assert!(refusal.column <= text.chars().count() + 1, "{text:?}: {refusal}"),
    }
}

/// A whole expression, of others.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(&PIECES[..21])
        .prop_filter("it stands alone", |text| !matches!(*text, "-" | ".y" | " + " | " - "));
    leaf.prop_map(str::to_owned).prop_recursive(5, 40, 3, |inner| {
        let operator = prop::sample::select(&["+", "-", "*", "/", "**", "=", "!=", "<", ">=", "and", "or", "in"][..]);
        let function = prop::sample::select(
            &[
                "count",
                "string",
                "sum",
                "abs",
                "number",
                "date",
                "duration",
                "flatten",
                "not",
                "odd",
                "sublist",
                "append",
                "modulo",
                "substring",
                "round up",
                "decimal",
                "time",
                "date and time",
                "insert before",
                "get value",
                "context put",
                "remove",
            ][..],
        );
        prop_oneof![
            (inner.clone(), operator, inner.clone())
                .prop_map(|(left, operator, right)| format!("({left}) {operator} ({right})")),
            (function, prop::collection::vec(inner.clone(), 1..4))
                .prop_map(|(name, arguments)| format!("{name}({})", arguments.join(", "))),
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
            inner.clone().prop_map(|value| format!("{{a: {value}, b: a}}")),
            (inner.clone(), inner.clone()).prop_map(|(list, filter)| format!("({list})[{filter}]")),
            (inner.clone(), inner.clone()).prop_map(|(list, body)| format!("(for i in {list} return {body})")),
            (inner.clone(), inner.clone(), inner)
                .prop_map(|(condition, yes, no)| format!("(if {condition} then {yes} else {no})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_text_is_parsed_or_refused(text in any::<String>()) {
        evaluate_if_parsed(&text);
    }

    #[test]
    fn any_row_of_pieces_is_parsed_or_refused(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..30)) {
        evaluate_if_parsed(&pieces.concat());
    }

    #[test]
    fn any_expression_is_evaluated(text in expression()) {
        evaluate_if_parsed(&text);
    }
}
