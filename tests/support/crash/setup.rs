//! What a site is made of: functions, their programs, and processes that call them.

use std::fs;

/// Counts its run before anything else, then works until it may end, and says whose run it was.
const COUNT: &str = "#!/bin/sh
echo \"$2\" >> \"$1/runs\"
while [ -e \"$1/hold\" ]; do sleep 0.02; done
echo \"$2\"
";
const ONE_CALL: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0"
    targetNamespace="http://zeebe2faas/tests">
  <process id="NAME" isExecutable="true">
    <startEvent id="start" />
    <sequenceFlow id="a" sourceRef="start" targetRef="call" />
    <serviceTask id="call">
      <extensionElements>
        <zeebe:taskDefinition type="NAME" retries="RETRIES" />
        <zeebe:taskHeaders>HEADERS</zeebe:taskHeaders>
      </extensionElements>
    </serviceTask>
    <sequenceFlow id="b" sourceRef="call" targetRef="NEXT" />
    WAIT
    <endEvent id="end" />
    BOUNDARY
  </process>
  <message id="done" name="faas-done">
    <extensionElements><zeebe:subscription correlationKey="=call.callId" /></extensionElements>
  </message>
  <error id="no-ortho" name="no ortho" errorCode="NO_ORTHO" />
</definitions>
"#;
const WAIT: &str = r#"<receiveTask id="wait" messageRef="done" />
    <sequenceFlow id="c" sourceRef="wait" targetRef="end" />"#;

/// What makes a site its own: the functions with their programs, and the processes.
pub struct Setup<'a> {
    /// OpenFaaS's function file.
    pub stack: String,
    /// Shell programs of the functions: name and text.
    pub programs: &'a [(&'a str, &'a str)],
    /// Lines of the bridge's configuration, before its tables.
    pub configuration: &'a str,
    /// BPMN files, deployed together: name and text.
    pub processes: Vec<(String, String)>,
}

/// A process of one call: a service task and, where that does not stay open itself, a receive task that waits for its end.
/// The function `count` counts the call's name, unless the headers say otherwise.
pub struct Calling<'a> {
    /// Its id and its job type.
    pub name: &'a str,
    /// The task's headers.
    pub headers: Vec<(&'a str, &'a str)>,
    /// The task's retries.
    pub retries: u32,
    /// BPMN of events at the task's boundary; the error `no-ortho` has the code `NO_ORTHO`.
    pub boundary: &'a str,
}

impl<'a> Calling<'a> {
    /// Of the function `count`, with three retries.
    pub fn new(name: &'a str) -> Self {
        Self::with(name, &[("function", "count"), ("cmdline", "count-a-run {{ folder }} {{ name }}")])
    }

    /// With these headers only.
    pub fn with(name: &'a str, headers: &[(&'a str, &'a str)]) -> Self {
        Self { name, headers: headers.to_vec(), retries: 3, boundary: "" }
    }

    /// Its file's name, and its text.
    pub fn file(&self) -> (String, String) {
        let Self { name, headers, retries, boundary } = self;
        let header = |(key, value): &(&str, &str)| format!(r#"<zeebe:header key="{key}" value="{value}" />"#);
        let stays_open = headers.contains(&("reply", "job"));
        let (next, wait) = if stays_open { ("end", "") } else { ("wait", WAIT) };
        let text = ONE_CALL
            .replace("NAME", name)
            .replace("RETRIES", &retries.to_string())
            .replace("HEADERS", &headers.iter().map(header).collect::<String>())
            .replace("NEXT", next)
            .replace("WAIT", wait)
            .replace("BOUNDARY", boundary);
        (format!("{name}.bpmn"), text)
    }
}

/// A site with the guarded function `count`, which this process calls.
pub fn counting(process: &Calling<'_>) -> Setup<'static> {
    Setup {
        stack: stack(&[guarded("count", "count-a-run", &[])]),
        programs: &[("count-a-run", COUNT)],
        configuration: "functions.count.run_once = true",
        processes: vec![process.file()],
    }
}

/// A function in OpenFaaS's file that may run these programs (with commas between) under the runner, eight at once unless
/// `environment` says otherwise.
pub fn guarded(name: &str, programs: &str, environment: &[(&str, &str)]) -> String {
    let usual = [
        ("mode", "http"),
        ("fprocess", "zeebe2faas-runner"),
        ("upstream_url", "http://127.0.0.1:8082"),
        ("exec_timeout", "1h"),
        ("RUNNER_FUNCTION", name),
        ("RUNNER_ALLOW", programs),
        ("RUNNER_MAX_RUNS", "8"),
        ("RUNNER_POLL", "20ms"),
    ];
    let usual = usual.iter().filter(|(key, _)| environment.iter().all(|(other, _)| other != key));
    let lines = usual.chain(environment).map(|(key, value)| format!("      {key}: \"{value}\"\n"));
    format!("  {name}:\n    environment:\n{}", lines.collect::<String>())
}

/// OpenFaaS's function file with these.
pub fn stack(functions: &[String]) -> String {
    format!("provider: {{name: openfaas}}\nfunctions:\n{}", functions.concat())
}

/// A process of `bpmn/` for one test alone: its ids begin with `name`, its job type is `name`.
pub fn shipped(process: &str, name: &str) -> (String, String) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../bpmn");
    let file = format!("{folder}/{process}.bpmn");
    let text = fs::read_to_string(file).expect("a process").replace("type=\"openfaas\"", &format!("type=\"{name}\""));
    // A file has the name of its process.
    let ids = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path());
    let ids = ids.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()));
    let text = ids.fold(text, |text, id| text.replace(&format!("\"{id}\""), &format!("\"{name}-{id}\"")));
    (format!("{name}-{process}.bpmn"), text)
}
