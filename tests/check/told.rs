//! The binary: how findings are told, how it ends, and `deploy`, which checks first.

use crate::FOLDER;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use tempfile::TempDir;
use zeebe2faas_tests::{
    binaries,
    fake_gateway::{FakeGateway, Seen},
};

/// Runs it in this folder, with nothing of our own environment.
fn run(folder: &Path, args: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(binaries().join("zeebe2faas"));
    command.args(args).current_dir(folder).env_clear().envs(environment.iter().copied()).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn good() -> PathBuf {
    Path::new(FOLDER).join("good")
}

/// A folder with the good process, where a template's variable has no input and the timer fires early.
fn bad() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("templates")).unwrap();
    for name in ["zeebe2faas.toml", "stack.yml", "templates/stack-images.toml", "templates/quicklook.toml"] {
        fs::copy(good().join(name), folder.path().join(name)).unwrap();
    }
    let process = fs::read_to_string(good().join("stacking.bpmn")).unwrap();
    let process = process.replace("images and target (a folder)", "images").replace("PT5H", "PT3H");
    fs::create_dir(folder.path().join("bpmn")).unwrap();
    fs::write(folder.path().join("bpmn/stacking.bpmn"), process).unwrap();
    folder
}

#[test]
fn without_a_file_it_reads_what_lies_in_the_usual_places_and_says_each_finding_in_a_line() {
    let folder = bad();
    let output = run(folder.path(), &["check"], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output.stdout),
        "bpmn/stacking.bpmn:11: error: stack: template `stack-images` needs `target`: nothing sets it [unset-variable]\n\
         bpmn/stacking.bpmn:23: warning: stack-wait-late: 3h is not past the deadline of `stack`, 4h \
         [timer-before-deadline]\n"
    );
    assert_eq!(text(&output.stderr), "zeebe2faas: 1 file: 1 error, 1 warning, no note\n");
}

#[test]
fn the_exit_code_is_for_errors_and_with_strict_for_warnings() {
    let folder = bad();
    let code = |args: &[&str]| run(folder.path(), args, &[]).status.code();
    assert_eq!(code(&["check", "--variables", "target"]), Some(0));
    assert_eq!(code(&["check", "--variables", "images,target", "--strict"]), Some(1));
    assert_eq!(code(&["check", "none.bpmn"]), Some(2));
    assert_eq!(code(&["check", "templates"]), Some(2));
    let good = run(&good(), &["check", "."], &[]);
    assert_eq!((good.status.code(), text(&good.stdout)), (Some(0), ""));
    assert_eq!(text(&good.stderr), "6 files: no error, no warning, no note\n");
}

#[test]
fn json_has_what_the_lines_have_and_the_advice() {
    let folder = bad();
    let output = run(folder.path(), &["check", "--format", "json"], &[]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["errors"], &json["warnings"], &json["notes"]), (&1.into(), &1.into(), &0.into()));
    let first = &json["findings"][0];
    assert_eq!((first["rule"].as_str(), first["severity"].as_str()), (Some("unset-variable"), Some("error")));
    assert_eq!((first["line"].as_u64(), first["element"].as_str()), (Some(11), Some("stack")));
    assert!(first["advice"].as_str().unwrap().contains("[vars]"), "{first}");
}

#[test]
fn sarif_names_rule_file_line_and_element() {
    let folder = bad();
    let output = run(folder.path(), &["check", "--format", "sarif"], &[]);
    let sarif: Value = serde_json::from_slice(&output.stdout).unwrap();
    let run = &sarif["runs"][0];
    let result = &run["results"][0];
    let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
    assert_eq!(
        (&result["ruleId"], &run["tool"]["driver"]["rules"][index]["id"]),
        (&"unset-variable".into(), &"unset-variable".into())
    );
    let location = &result["locations"][0];
    assert_eq!(location["physicalLocation"]["artifactLocation"]["uri"], "bpmn/stacking.bpmn");
    assert_eq!(location["physicalLocation"]["region"]["startLine"], 11);
    assert_eq!(location["logicalLocations"][0]["name"], "stack");
}

#[test]
fn deploy_checks_first_and_errors_stop_it_unless_told_otherwise() {
    let (folder, zeebe) = (bad(), FakeGateway::start());
    let address = zeebe.address();
    let deploy = |args: &[&str]| {
        let args: Vec<&str> = ["deploy", "bpmn/stacking.bpmn"].into_iter().chain(args.iter().copied()).collect();
        run(folder.path(), &args, &[("ZEEBE_ADDRESS", &address)])
    };
    let stopped = deploy(&[]);
    assert_eq!(stopped.status.code(), Some(1));
    let said = text(&stopped.stderr);
    assert!(said.contains("[unset-variable]") && said.contains("nothing is deployed: 1 file: 1 error"), "{said}");
    let deployed = || zeebe.seen().iter().any(|seen| matches!(seen, Seen::Other("DeployResource")));
    assert!(!deployed());
    assert_eq!(deploy(&["--no-check"]).status.code(), Some(0));
    assert!(deployed());
}
