//! What this project ships.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};
use zeebe2faas::check::{RULES, Sources, bpmn_files, check, output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn nothing_is_found_in_what_is_shipped() {
    let root = root();
    let sources = Sources {
        config: Some(root.join("zeebe2faas.example.toml")),
        stack: Some(root.join("stack.yml")),
        ..Sources::default()
    };
    let files = bpmn_files(&root.join("bpmn")).unwrap();
    let found = check(&files, &sources).unwrap();
    assert!(found.is_empty(), "{}", output::text(&found));
    // Each is deployed alone, too.
    for file in files {
        let found = check(&[file], &sources).unwrap();
        assert!(found.is_empty(), "{}", output::text(&found));
    }
}

#[test]
fn the_manual_has_every_rule() {
    let manual = fs::read_to_string(root().join("docs/check.md")).unwrap();
    let (_, table) = manual.split_once("## The rules").unwrap();
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| `")).collect();
    let wanted: Vec<String> = RULES
        .iter()
        .map(|rule| {
            let text = |text: &str| text.replace('|', "\\|");
            let (what, why, advice) = (text(rule.what), text(rule.why), text(rule.advice));
            format!("| `{}` | {} | {what} | {why} | {advice} |", rule.id, rule.severity.as_str())
        })
        .collect();
    let missing: Vec<&String> = wanted.iter().filter(|row| !rows.contains(&row.as_str())).collect();
    assert!(missing.is_empty(), "docs/check.md has other words than\n{missing:#?}");
    assert_eq!(rows, wanted, "in the order of RULES");
}

#[test]
fn a_rule_has_a_name_of_its_own() {
    let names: BTreeSet<&str> = RULES.iter().map(|rule| rule.id).collect();
    assert_eq!(names.len(), RULES.len());
}
