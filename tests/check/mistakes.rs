//! Each folder of `mistakes` has files with one mistake, and beside them what is to be found: rule, file, line, element.

use crate::{FOLDER, found};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, path::Path};
use zeebe2faas::check::{Finding, RULES};
use zeebe2faas_dev::engine::bpmn::parse;

fn planted() -> Vec<std::path::PathBuf> {
    crate::files(&Path::new(FOLDER).join("mistakes"), "")
}

/// As `expected.json` has it; a file is named as it stands in the folder.
fn placed(folder: &Path, finding: &Finding) -> Value {
    let file = Path::new(&finding.place.file);
    let file = file.strip_prefix(folder).unwrap_or(file);
    json!({ "rule": finding.rule.id, "file": file, "line": finding.place.line, "element": finding.place.element })
}

#[test]
fn every_planted_mistake_is_found_at_its_line_and_nothing_else() {
    let folders = planted();
    assert!(folders.len() >= 40, "{}", folders.len());
    let mut wrong = Vec::new();
    for folder in folders {
        let found = found(&folder);
        let key = |value: &Value| value.to_string();
        let mut seen: Vec<Value> = found.iter().map(|finding| placed(&folder, finding)).collect();
        let text = fs::read_to_string(folder.join("expected.json")).unwrap();
        let mut wanted: Vec<Value> = serde_json::from_str(&text).unwrap();
        seen.sort_by_key(key);
        wanted.sort_by_key(key);
        if seen != wanted {
            let told = zeebe2faas::check::output::text(&found);
            wrong.push(format!("{}\n  wanted {}\n{told}", folder.display(), Value::Array(wanted)));
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_rule_finds_a_planted_mistake() {
    let texts: Vec<String> =
        planted().iter().map(|folder| fs::read_to_string(folder.join("expected.json")).unwrap()).collect();
    let missing: BTreeSet<&str> = RULES
        .iter()
        .map(|rule| rule.id)
        .filter(|id| !texts.iter().any(|text| text.contains(&format!("\"{id}\""))))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The engine refuses what the real broker refuses (`tests/differential`).
#[test]
fn what_is_said_to_be_refused_at_deployment_is() {
    for folder in planted() {
        let refused = found(&folder).into_iter().find(|finding| finding.rule.why.starts_with("Zeebe refuses the file"));
        if let Some(finding) = refused {
            let content = fs::read(&finding.place.file).unwrap();
            assert!(parse(&content).is_err(), "{finding:?}");
        }
    }
}

#[test]
fn what_the_mistakes_are_planted_in_is_good() {
    for file in crate::files(&Path::new(FOLDER).join("good"), ".bpmn") {
        parse(&fs::read(&file).unwrap()).unwrap();
    }

    let found = found(&Path::new(FOLDER).join("good"));
    assert!(found.is_empty(), "{}", zeebe2faas::check::output::text(&found));
}
