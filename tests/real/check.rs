//! `zeebe2faas check` on processes that others wrote, and its SARIF by that format's own schema. `make setup` installs
//! both (`tests/check/others`).

use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use zeebe2faas::check::{Severity, Sources, bpmn_files, check, output};

const CHECK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/check");

fn installed(path: &str) -> PathBuf {
    let path = Path::new(CHECK).join("others/node_modules").join(path);
    assert!(path.exists(), "{}: run `make setup`", path.display());
    path
}

#[test]
fn nothing_is_wrong_with_the_processes_that_camunda_tests_its_own_platform_with() {
    let files = bpmn_files(&installed("@camunda/e2e-test-suite/resources")).unwrap();
    let texts: Vec<String> = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    // There is something to be found wrong.
    assert!(files.len() >= 80, "{}", files.len());
    for part in
        ["source=\"=", "<bpmn:conditionExpression", "zeebe:loopCharacteristics", "<bpmn:timer", "zeebe:subscription"]
    {
        assert!(texts.iter().any(|text| text.contains(part)), "{part}");
    }
    // One after the other, since many have the same process id.
    let found: Vec<_> = files.into_iter().flat_map(|file| check(&[file], &Sources::default()).unwrap()).collect();
    let bad: Vec<_> = found.into_iter().filter(|finding| finding.severity() != Severity::Note).collect();
    assert!(bad.is_empty(), "{}", output::text(&bad));
}

#[test]
fn sarif_of_every_rule_is_valid_by_its_schema() {
    let mistakes = bpmn_files(&Path::new(CHECK).join("mistakes")).unwrap();
    let good = Path::new(CHECK).join("good");
    let sources = Sources {
        config: Some(good.join("zeebe2faas.toml")),
        stack: Some(good.join("stack.yml")),
        ..Sources::default()
    };
    let found: Vec<_> = mistakes.into_iter().flat_map(|file| check(&[file], &sources).unwrap()).collect();
    let rules: BTreeSet<&str> = found.iter().map(|finding| finding.rule.id).collect();
    assert!(rules.len() >= 40, "{rules:?}");
    let sarif: Value = output::sarif(&found);
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), sarif.to_string()).unwrap();
    installed("@microsoft/jest-sarif");
    let output = Command::new("node")
        .args(["sarif.js".as_ref(), file.path().as_os_str()])
        .current_dir(Path::new(CHECK).join("others"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
