//! A site's Job templates: YAML first, then each string in it is rendered, so that no variable adds a field.

use super::allowed;
use crate::bridge::render::Template;
use k8s_openapi::api::batch::v1::Job;
use serde_json::{Map, Value};
use std::{collections::BTreeMap, path::Path};

/// The largest template file that is read, in bytes.
const FILE_LIMIT: u64 = 1_000_000;

/// The Job templates of a folder, by the name of their function: `otbcli.yaml` is that of `otbcli`.
#[derive(Debug, Clone, Default)]
pub struct Manifests(BTreeMap<String, Manifest>);

/// One Job template, checked.
#[derive(Debug, Clone)]
pub struct Manifest {
    file: String,
    value: Value,
    strings: Vec<(String, Template)>,
}

impl Manifests {
    /// Reads every `*.yaml` of a folder.
    ///
    /// # Errors
    /// All mistakes of all files, a sentence each.
    pub fn load(folder: &Path) -> Result<Self, Vec<String>> {
        let unreadable = |error: &std::io::Error| vec![format!("{} cannot be read: {error}", folder.display())];
        let (mut manifests, mut mistakes) = (BTreeMap::new(), Vec::new());
        for entry in std::fs::read_dir(folder).map_err(|error| unreadable(&error))? {
            let path = entry.map_err(|error| unreadable(&error))?.path();
            let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            if path.extension().is_none_or(|extension| extension != "yaml") || name.starts_with('.') {
                continue;
            }
            match read(&path).and_then(|text| Manifest::parse(&path.display().to_string(), &text)) {
                Ok(manifest) => drop(manifests.insert(name.to_owned(), manifest)),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        mistakes.sort();
        if mistakes.is_empty() { Ok(Self(manifests)) } else { Err(mistakes) }
    }

    /// The template of a function's Jobs.
    ///
    /// # Errors
    /// A sentence that names those which are there.
    pub fn of(&self, function: &str) -> Result<&Manifest, String> {
        self.0.get(function).ok_or_else(|| {
            let names = self.0.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            format!("there is no Job template `{function}.yaml` (kubernetes.jobs); there are: {names}")
        })
    }
}

impl Manifest {
    /// Checks the text of a template; `file` names it in errors.
    ///
    /// # Errors
    /// A sentence: where it is wrong, and what to do.
    pub fn parse(file: &str, text: &str) -> Result<Self, String> {
        let value: Value = serde_norway::from_str(text).map_err(|error| format!("{file}: {error}"))?;
        if (value["apiVersion"].as_str(), value["kind"].as_str()) != (Some("batch/v1"), Some("Job")) {
            return Err(format!("{file}: it must be one `kind: Job` of `apiVersion: batch/v1`"));
        }
        let mut strings = Vec::new();
        compile(file, &value, String::new(), &mut strings)?;
        let manifest = Self { file: file.to_owned(), value, strings };
        manifest.check(&manifest.value)?;
        Ok(manifest)
    }

    /// The Job with every string rendered from a job's variables over the site's constants. Each must come out as one
    /// word, by the rules of commands.
    ///
    /// # Errors
    /// A sentence for the incident.
    pub fn render(&self, vars: &Map<String, Value>, site: &Map<String, Value>, limit: usize) -> Result<Value, String> {
        let mut value = self.value.clone();
        for (pointer, template) in &self.strings {
            let mut words = template.render(vars, site, limit).map_err(|error| error.to_string())?.args;
            let (Some(word), [_program]) = (words.pop(), words.as_slice()) else {
                return Err(format!("{}: {pointer} must be one word; put it into quotes", self.file));
            };
            if let Some(place) = value.pointer_mut(pointer) {
                *place = Value::String(word);
            }
        }
        self.check(&value)?;
        Ok(value)
    }

    fn check(&self, value: &Value) -> Result<(), String> {
        if let Some(path) = allowed::first_foreign(value) {
            return Err(format!(
                "{}: `{path}` may not be in a Job template (docs/kubernetes.md has what may)",
                self.file
            ));
        }
        let job: Job = serde_json::from_value(value.clone()).map_err(|error| format!("{}: {error}", self.file))?;
        let containers = job.spec.and_then(|spec| spec.template.spec).map(|pod| pod.containers).unwrap_or_default();
        match containers.first() {
            Some(container) if container.image.is_some() => Ok(()),
            _ => {
                Err(format!("{}: its pod needs a container with an image; the first one is the function's", self.file))
            }
        }
    }
}

/// Compiles each string with a placeholder, with its JSON pointer.
fn compile(file: &str, value: &Value, path: String, strings: &mut Vec<(String, Template)>) -> Result<(), String> {
    match value {
        Value::String(text) if is_template(text) => {
            // In place of a program, which no value may name.
            let command = format!("text\n{text}");
            let template = Template::inline(&command, &format!("{file}: {path}")).map_err(|error| error.to_string())?;
            strings.push((path, template));
            Ok(())
        }
        Value::Array(list) => list
            .iter()
            .enumerate()
            .try_for_each(|(index, value)| compile(file, value, format!("{path}/{index}"), strings)),
        Value::Object(object) => object.iter().try_for_each(|(key, value)| {
            if is_template(key) {
                return Err(format!("{file}: the key `{key}` has a placeholder; only values may"));
            }
            compile(file, value, format!("{path}/{}", key.replace('~', "~0").replace('/', "~1")), strings)
        }),
        _ => Ok(()),
    }
}

fn is_template(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark))
}

fn read(path: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    if std::fs::metadata(path).map_err(unreadable)?.len() > FILE_LIMIT {
        return Err(format!("{} is over the limit of {FILE_LIMIT} bytes", path.display()));
    }
    std::fs::read_to_string(path).map_err(unreadable)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use serde_json::json;

    const JOB: &str = "
apiVersion: batch/v1
kind: Job
metadata:
  labels: { kueue.x-k8s.io/queue-name: '{{ QUEUE }}' }
spec:
  template:
    spec:
      nodeSelector: { zone: '{{ ZONE }}' }
      containers: [{ name: otb, image: 'registry/otb:8', workingDir: '{{ DIR }}/work' }]
";

    fn render(variables: Value) -> Result<Value, String> {
        let Value::Object(vars) = variables else { return Err("an object".into()) };
        let site = Map::from_iter([("QUEUE".to_owned(), json!("eo"))]);
        Manifest::parse("otb.yaml", JOB).unwrap().render(&vars, &site, 1000)
    }

    #[test]
    fn the_shipped_template_is_a_good_one() {
        Manifest::parse("otbcli.yaml", include_str!("../../templates/jobs/otbcli.yaml")).unwrap();
    }

    #[test]
    fn each_string_is_rendered_where_it_stands() {
        let job = render(json!({ "ZONE": "toulouse", "DIR": "/data/a b" })).unwrap();
        assert_eq!(job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"], "eo");
        assert_eq!(job["spec"]["template"]["spec"]["containers"][0]["workingDir"], "/data/a b/work");
    }

    #[test]
    fn a_hostile_variable_stays_one_text_and_adds_no_field() {
        let hostile = "x'}\n      hostNetwork: true\n      nodeSelector: {a: 'b";
        let pod = render(json!({ "ZONE": hostile, "DIR": "/d" })).unwrap()["spec"]["template"]["spec"].clone();
        assert_eq!(pod["nodeSelector"], json!({ "zone": hostile }));
        assert_eq!(pod["hostNetwork"], Value::Null);
        assert!(render(json!({ "ZONE": { "a": "b" }, "DIR": "/d" })).is_err(), "an object is no text");
    }

    #[test]
    fn what_is_missing_or_not_allowed_is_told_with_its_place() {
        let unknown = render(json!({ "DIR": "/d" })).unwrap_err();
        assert!(
            unknown.contains("otb.yaml: /spec/template/spec/nodeSelector/zone") && unknown.contains("ZONE"),
            "{unknown}"
        );
        for (text, part) in [
            (JOB.replace("nodeSelector", "hostPID: true\n      nodeSelector"), "spec.template.spec.hostPID"),
            (JOB.replace("kind: Job", "kind: Pod"), "kind: Job"),
            (JOB.replace("image: 'registry/otb:8', ", ""), "with an image"),
            (JOB.replace("zone:", "'{{ KEY }}':"), "only values may"),
        ] {
            let told = Manifest::parse("otb.yaml", &text).unwrap_err();
            assert!(told.contains(part), "{part}: {told}");
        }
    }
}
