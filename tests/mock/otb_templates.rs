#![expect(clippy::unwrap_used, reason = "tests")]

//! `zeebe2faas templates otb`, with the real OTB: all of its applications, and the pairs that we ship.

use serde_json::{Map, Value, json};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use zeebe2faas::{
    bridge::render::{DEFAULT_COMMAND_LIMIT, Templates},
    otb::{Application, Kind, command, element, launcher},
};
use zeebe2faas_tests::binaries;

const OTBCLI: &str = "otbcli";
/// More than a developer's OTB has lost, fewer than it has.
const MANY: usize = 90;

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn templates_otb(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(binaries().join("zeebe2faas"));
    command.args(["templates", "otb"]).args(args).current_dir(folder).output().unwrap()
}

#[tokio::test]
async fn every_application_of_otb_has_a_command_template_and_an_element_template_that_agree() {
    let folder = tempfile::tempdir().unwrap();
    let names = launcher::applications(OTBCLI.as_ref()).await.unwrap();
    assert!(names.len() > MANY, "{names:?}");
    let mut applications = Vec::new();
    for name in &names {
        let application = launcher::describe(OTBCLI.as_ref(), name).await.unwrap();
        assert_eq!((&application.name, application.version.is_empty()), (name, false));
        let file = folder.path().join(application.template_name()).with_extension("toml");
        fs::write(file, command::template(&application, "otbcli", "4h")).unwrap();
        applications.push(application);
    }
    let templates = Templates::load(folder.path()).unwrap();
    assert_eq!(templates.names().count(), names.len(), "no two have one name");
    for application in &applications {
        let name = application.template_name();
        let template = templates.get(&name).unwrap();
        let rendered = |values: Map<String, Value>| {
            template.render(&values, &Map::new(), DEFAULT_COMMAND_LIMIT).map(|command| command.args)
        };
        let keys = |args: Vec<String>| {
            let keys: Vec<_> = args.iter().filter_map(|arg| arg.strip_prefix('-').map(str::to_owned)).collect();
            assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len(), "{args:?}");
            (args[0].clone(), keys)
        };
        let (program, all) = keys(rendered(values(application, |_| true)).unwrap());
        let own: Vec<_> = application.values().map(|parameter| parameter.key.clone()).collect();
        assert_eq!((&program, &all), (&application.name, &own));

        let element: Value = serde_json::from_str(&element::template(application).unwrap()).unwrap();
        let required = required(&element);
        let (_, least) = keys(rendered(values(application, |variable| required.contains(variable))).unwrap());
        assert_eq!(least.len(), required.len(), "{name}");
        for variable in &required {
            let others = values(application, |other| other != variable && required.contains(other));
            assert!(rendered(others).unwrap_err().to_string().contains(variable.as_str()), "{name}");
        }
        assert_eq!(fixed(&element, "template"), name);
    }
}

/// A value for each variable that is wanted.
fn values(application: &Application, wanted: impl Fn(&str) -> bool) -> Map<String, Value> {
    let values = application.values().filter(|parameter| wanted(&parameter.variable())).map(|parameter| {
        let value = match &parameter.kind {
            Kind::Integer | Kind::Float => json!(0),
            Kind::Texts => json!(["a", "b"]),
            Kind::Choice(choices) => json!(choices[0].key),
            _ => json!("a b"),
        };
        (parameter.variable(), value)
    });
    values.collect()
}

/// The variables that the element template asks for, whatever is chosen.
fn required(element: &Value) -> BTreeSet<String> {
    let properties = element["properties"].as_array().unwrap().iter();
    let inputs = properties.filter(|property| property["binding"]["type"] == "zeebe:input");
    let required = inputs.filter(|property| property["optional"] != true && property["condition"].is_null());
    required.map(|property| property["binding"]["name"].as_str().unwrap().to_owned()).collect()
}

fn fixed(element: &Value, header: &str) -> String {
    let mut properties = element["properties"].as_array().unwrap().iter();
    properties.find(|property| property["binding"]["key"] == header).unwrap()["value"].as_str().unwrap().to_owned()
}

#[test]
fn the_shipped_pairs_are_what_the_command_makes() {
    let (folder, repository) = (tempfile::tempdir().unwrap(), repository());
    let mark = "# Made by `zeebe2faas templates otb ";
    let shipped = fs::read_dir(repository.join("templates")).unwrap().filter_map(|entry| {
        // Beside them is the folder of Job templates.
        let path = Some(entry.unwrap().path()).filter(|path| path.is_file())?;
        let text = fs::read_to_string(path).unwrap();
        Some(text.strip_prefix(mark)?.split_once('`')?.0.to_owned())
    });
    let shipped: Vec<_> = shipped.collect();
    assert!(shipped.len() >= 7, "{shipped:?}");
    let output = templates_otb(folder.path(), &shipped.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(output.status.success(), "{output:?}");
    let made = String::from_utf8(output.stdout).unwrap();
    assert_eq!(made.lines().count(), 2 * shipped.len());
    for file in made.lines() {
        let (ours, made) = (fs::read_to_string(repository.join(file)), fs::read_to_string(folder.path().join(file)));
        assert_eq!(ours.unwrap(), made.unwrap(), "{file}: make it anew");
    }
}

#[test]
fn an_unknown_application_a_missing_otb_and_a_file_of_somebody_else_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let fails = |args: &[&str], code: i32, part: &str| {
        let output = templates_otb(folder.path(), args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(part), "{said}");
    };
    fails(&["NoSuchThing"], 1, "NoSuchThing: ERROR: Could not find application \"NoSuchThing\"");
    fails(&["Rescale", "--otbcli", "/nowhere/otbcli"], 2, "install OTB");
    fails(&["Rescale", "--timeout", "soon"], 2, "--timeout: `soon` is not a duration");
    fails(&["Rescale", "--function", "Otb Cli"], 2, "is not an OpenFaaS function name");

    fs::create_dir(folder.path().join("templates")).unwrap();
    let file = folder.path().join("templates/otb-rescale.toml");
    fs::write(&file, "function = \"mine\"").unwrap();
    fails(&["Rescale"], 1, "not made by this command");
    assert_eq!(fs::read_to_string(&file).unwrap(), "function = \"mine\"");
    assert!(templates_otb(folder.path(), &["Rescale", "--force"]).status.success());
    let again = templates_otb(folder.path(), &["Rescale", "--function", "otbcli-large"]);
    assert!(again.status.success(), "{again:?}");
    assert!(fs::read_to_string(&file).unwrap().contains("\"otbcli-large\""));
}
