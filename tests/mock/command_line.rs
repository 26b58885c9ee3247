#![expect(clippy::unwrap_used, reason = "tests")]

//! The binary as people and scripts use it: what it prints, and how it ends.

use serde_json::{Value, json};
use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::TempDir;
use tonic::Code;
use zeebe2faas_tests::{
    binaries,
    crash::{Bridge, Proxy},
    fake_gateway::{Answer, FakeGateway, Seen},
    live::{Live, configure},
};

/// The least that `deploy` has nothing to say about.
const PROCESS: &str = r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL">
  <process id="p" isExecutable="true"><startEvent id="s"/></process>
</definitions>"#;
/// Nobody listens here, and nobody but root could.
const NOBODY: &str = "http://127.0.0.1:1";

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs it to its end in this folder, with nothing of our own environment.
fn zeebe2faas(folder: &Path, args: &[&str], environment: &[(&str, &str)]) -> Said {
    let mut command = Command::new(binaries().join("zeebe2faas"));
    command.args(args).current_dir(folder).env_clear().envs(environment.iter().copied()).stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

impl Said {
    /// It ended with this code, and said this on stderr.
    fn fails(&self, code: i32, part: &str) {
        assert_eq!((self.code, self.out.as_str()), (Some(code), ""), "{}", self.err);
        assert!(self.err.contains(part), "{part}\nis not in\n{}", self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
    }

    /// It ended well, and printed this.
    fn prints(&self, out: &str) {
        assert_eq!((self.code, self.out.as_str()), (Some(0), out), "{}", self.err);
    }
}

fn shipped(folder: &str) -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(folder).display().to_string()
}

/// A folder with all that `run` needs, but nobody to talk to.
fn configured() -> TempDir {
    let folder = TempDir::new().unwrap();
    configure(folder.path(), NOBODY, NOBODY, "");
    folder
}

#[test]
fn a_variable_names_the_configuration_file() {
    let folder = configured();
    fs::rename(folder.path().join("zeebe2faas.toml"), folder.path().join("other.toml")).unwrap();
    let said = zeebe2faas(folder.path(), &["run", "--check"], &[("ZEEBE2FAAS_CONFIG", "other.toml")]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), "configuration and templates are good\n"));
}

#[test]
fn every_mistake_of_a_configuration_is_told_at_once_with_file_line_and_key() {
    let folder = TempDir::new().unwrap();
    let text = r#"cluster = "two words"
[zeebe]
address = "zeebe"
tenant = "a"
[openfaas]
gateway = "ftp://gateway"
body_limit_bytes = 1
[callback]
url = "http://bridge:8090"
listen = "8090"
[keys]
token_file = "token.key"
[[worker]]
type = "a"
lock = "soon"
[[worker]]
type = "a"
[functions.otbcli]
run_once = "yes"
[functions.text]
run_once = true
body = "text"
"#;
    fs::write(folder.path().join("zeebe2faas.toml"), text).unwrap();
    let environment = [("ZEEBE2FAAS_CALLS_GRACE", "2h"), ("ZEEBE2FAAS_CALL_GRACE", "1s")];
    let said = zeebe2faas(folder.path(), &["run"], &environment);
    said.fails(2, "zeebe2faas: the configuration has 13 mistake(s):\n");
    for mistake in [
        "zeebe2faas.toml:1: cluster: `two words` is not a name",
        "zeebe2faas.toml:4: zeebe.tenant: no such setting; here are: address, ca_file, ",
        "zeebe2faas.toml:6: openfaas.gateway: `ftp://gateway`: expected http://HOST:PORT or https://HOST:PORT",
        "zeebe2faas.toml:7: openfaas.body_limit_bytes: 1 is out of bounds: from 1024 to 67108864",
        "zeebe2faas.toml:10: callback.listen: `8090` is not IP:PORT",
        "zeebe2faas.toml:12: keys.token_file: token.key cannot be read: No such file",
        "zeebe2faas.toml: keys.runner_file is missing: functions with run_once need it",
        "zeebe2faas.toml:15: worker[0].lock: `soon` is not a duration",
        "zeebe2faas.toml:17: worker[1].type: this job type has a [[worker]] already",
        "zeebe2faas.toml:19: functions.otbcli.run_once: expected true or false, found a text",
        "zeebe2faas.toml:22: functions.text.body: run_once needs the JSON body",
        "environment variable ZEEBE2FAAS_CALLS_GRACE: 7200s is out of bounds: from 0s to 3600s",
        "environment variable ZEEBE2FAAS_CALL_GRACE: no such setting",
    ] {
        said.fails(2, &format!("\n  {mistake}"));
    }
}

#[test]
fn a_configuration_that_is_named_must_be_there_and_be_toml() {
    let folder = TempDir::new().unwrap();
    zeebe2faas(folder.path(), &["run", "--config", "my.toml"], &[]).fails(2, "my.toml: cannot be read: No such file");
    fs::write(folder.path().join("my.toml"), "cluster = \"a\"\n[zeebe\n").unwrap();
    zeebe2faas(folder.path(), &["run"], &[("ZEEBE2FAAS_CONFIG", "my.toml")]).fails(2, "my.toml:2: ");
}

#[test]
fn templates_are_checked_before_anything_starts() {
    let folder = configured();
    let templates = folder.path().join("templates");
    fs::write(templates.join("a.toml"), "function = \"f\"\ncommand = \"a {P_}\"\n").unwrap();
    fs::write(templates.join("b.toml"), "functoin = \"f\"\ncommand = \"b\"\n").unwrap();
    for args in [&["run"][..], &["run", "--check"], &["render", "a", "--vars", "zeebe2faas.toml"]] {
        let said = zeebe2faas(folder.path(), args, &[]);
        // `render` reads its variables first.
        if args[0] == "run" {
            said.fails(2, "a.toml:2:");
            said.fails(2, "b.toml:1:");
        } else {
            said.fails(2, "--vars zeebe2faas.toml: expected a JSON object");
        }
    }
    fs::remove_dir_all(templates).unwrap();
    zeebe2faas(folder.path(), &["run"], &[]).fails(2, "the templates cannot be read: No such file");
    fs::create_dir(folder.path().join("templates")).unwrap();
    let said = zeebe2faas(folder.path(), &["run", "--check"], &[]);
    said.prints("");
    assert_eq!(said.err, "configuration and templates are good\n");
}

#[test]
fn a_port_in_use_is_named_with_its_setting() {
    let folder = configured();
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (variable, key) in
        [("ZEEBE2FAAS_CALLBACK_LISTEN", "callback.listen"), ("ZEEBE2FAAS_ADMIN_LISTEN", "admin.listen")]
    {
        let said = zeebe2faas(folder.path(), &["run"], &[(variable, &address)]);
        said.fails(1, &format!("{key} = {address}: Address already in use"));
        said.fails(1, "is another bridge running?");
    }
}

#[test]
fn a_file_that_is_no_ledger_is_left_alone() {
    let folder = configured();
    let ledger = folder.path().join("zeebe2faas.ledger");
    fs::write(&ledger, "my notes ".repeat(1000)).unwrap();
    let said = zeebe2faas(folder.path(), &["run"], &[]);
    said.fails(1, "zeebe2faas.ledger: it is not a ledger of zeebe2faas, or damaged");
    assert_eq!(fs::read_to_string(ledger).unwrap(), "my notes ".repeat(1000));
    let said = zeebe2faas(folder.path(), &["run"], &[("ZEEBE2FAAS_LEDGER_PATH", "/proc/none/ledger")]);
    said.fails(1, "ledger /proc/none/ledger: its folder cannot be made");
}

#[tokio::test]
async fn with_the_broker_away_it_starts_says_so_and_waits_and_holds_its_ledger() {
    let folder = configured();
    let bridge = Bridge::start(&folder.path().join("zeebe2faas.toml"), &[], &Proxy::http().await).await;
    let reason = format!("waiting for Zeebe: cannot reach Zeebe at {NOBODY}: Connection refused");
    bridge.readiness_says(&format!("job type faas: {reason}")).await;
    assert!(bridge.log().contains(&format!("waiting for Zeebe at {NOBODY}: cannot reach Zeebe")), "{}", bridge.log());

    let second = zeebe2faas(folder.path(), &["run"], &[]);
    second.fails(1, "zeebe2faas.ledger: another process holds it; stop that one, or give this replica a ledger.path");
}

#[test]
fn render_prints_the_command_of_a_template() {
    let folder = TempDir::new().unwrap();
    let vars = json!({ "P_": "/data/P 1/DIM.XML", "MS_": "/data/MS/DIM.XML", "S3PATH": "/out", "DEM": "/dem" });
    fs::write(folder.path().join("vars.json"), vars.to_string()).unwrap();
    let environment = [("ZEEBE2FAAS_TEMPLATES", &*shipped("templates"))];
    let render =
        |args: &[&str]| zeebe2faas(folder.path(), &[&["render", "--vars", "vars.json"], args].concat(), &environment);

    let command = "BundleToPerfectSensor -inp '/data/P 1/DIM.XML?&skipcarto=true' -inxs /data/MS/DIM.XML \
                   -elev.dem /dem -out /out/bundle.tif\n";
    render(&["bundle-to-perfect-sensor"]).prints(command);
    let json = r#"{
  "args": [
    "call_normalize_function",
    "--in_ms",
    "/data/MS/DIM.XML",
    "--in_ortho",
    "/out/ortho.tif",
    "-out",
    "/out/normalized_ortho.tif"
  ],
  "resources": {}
}
"#;
    render(&["normalize-product", "--json"]).prints(json);
    render(&["--inline", "echo {{ P_ }} \"it's\" ''"]).prints("echo '/data/P 1/DIM.XML' 'it'\\''s' ''\n");

    let geoid = "variable `GEOID` is not known; set it in the process (an input mapping of the task), or as a site \
                 constant under [vars] in the configuration. Known here: DEM, MS_, P_, S3PATH";
    render(&["ortho-rectification"]).fails(1, geoid);
    render(&["--inline", "echo {{ P_"]).fails(2, "command line:1:");
    let names = "there are: bundle-to-perfect-sensor, copy-compare, ";
    render(&["ortho"]).fails(2, names);
    render(&["ortho", "--vars", "none.json"]).fails(2, "cannot be used multiple times");
    zeebe2faas(folder.path(), &["render", "a", "--vars", "none.json"], &[]).fails(2, "--vars none.json: No such file");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_shown_by_the_running_bridge_and_without_it_from_its_ledger() {
    let mut live = Live::start("").await;
    let invocation = live.invoke(5, "plain").await;
    let id = invocation.call_id().to_owned();
    live.call_back(invocation.token(), 500, "no such image").await;
    live.until("/api/calls", |_, text| text.contains(r#""delivered":true"#)).await;
    let running = live.folder.path().to_owned();
    let admin = live.admin.trim_start_matches("http://").to_owned();
    let environment = [("ZEEBE2FAAS_ADMIN_LISTEN", &*admin)];
    let asked = zeebe2faas(&running, &["calls", "--json"], &environment);
    assert_eq!((asked.code, &*asked.err), (Some(0), ""));

    live.stop().await;
    let folder = live.folder;
    let calls = |args: &[&str]| zeebe2faas(folder.path(), &[&["calls"], args].concat(), &[]);
    let read = calls(&["--json"]);
    assert_eq!((read.code, &*read.err), (Some(0), "no bridge runs here; reading zeebe2faas.ledger\n"));
    assert_eq!(read.out, asked.out);
    let list: Value = serde_json::from_str(&read.out).unwrap();
    assert_eq!((list.as_array().unwrap().len(), &list[0]["callId"]), (1, &json!(id)));

    let table = calls(&[]).out;
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 2);
    let heading: Vec<&str> = lines[0].split_whitespace().collect();
    assert_eq!(heading, ["CALL", "STATE", "FUNCTION", "DONE", "SECONDS", "TASK", "INSTANCE"]);
    let row: Vec<&str> = lines[1].split_whitespace().collect();
    assert_eq!((&row[..3], &row[4..]), (&[&*id, "failed", "plain"][..], &["task", "0"][..]));
    assert_eq!(calls(&["--state", "submitted"]).out.lines().count(), 1);

    let page = calls(&["show", &id]).out;
    for part in
        ["state       ended\n", "command     work hard\n", "task        task job 5 (faas), try 1\n", "no such image"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    let unknown = "a".repeat(26);
    calls(&["show", &unknown]).fails(1, &format!("no call {unknown}; `zeebe2faas calls` lists them"));
    calls(&["show", "5"]).fails(2, "`5` is not a call id: it has 26 characters");
    let elsewhere = TempDir::new().unwrap();
    zeebe2faas(elsewhere.path(), &["calls"], &[])
        .fails(1, "there is no such file; is ledger.path the one of the bridge?");
}

#[test]
fn exit_codes_are_as_the_help_says() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("a.bpmn"), PROCESS).unwrap();
    let help = zeebe2faas(folder.path(), &["--help"], &[]).out.split_whitespace().collect::<Vec<_>>().join(" ");
    let codes = "Exit codes: 0 done; 1 it failed (stderr says why); 2 wrong command line, configuration or template; \
                 3 Zeebe or the bridge cannot be reached; 4 the process instance did not end in time (`start --wait`).";
    assert!(help.contains(codes), "{help}");

    let zeebe = FakeGateway::start();
    let address = zeebe.address();
    let at = |address: &str, args: &[&str]| zeebe2faas(folder.path(), args, &[("ZEEBE_ADDRESS", address)]);
    at(&address, &["start", "phr-pair", "--json"]).prints("{\n  \"processInstanceKey\": 1\n}\n");
    zeebe.script("CreateProcessInstance", Answer::Status(Code::NotFound));
    at(&address, &["start", "phr-pair"]).fails(1, "Zeebe knows no such thing");
    at(&address, &["start", "phr-pair", "--vars", "[1]"]).fails(2, "--vars: expected a JSON object");
    at(&address, &["start", "phr-pair", "--vars", "@none"]).fails(2, "--vars: none: No such file");
    zeebe.script("PublishMessage", Answer::Status(Code::InvalidArgument));
    at(&address, &["publish", "faas-decision", "id"]).fails(1, "Zeebe refused the request");
    at(&address, &["publish", "faas-decision"]).fails(2, "<KEY>");
    at(&address, &["publish", "faas-decision", "id", "--vars", "retry"]).fails(2, "--vars: not JSON");
    at(NOBODY, &["publish", "a", "b", "--wait", "1"]).fails(3, &format!("cannot reach Zeebe at {NOBODY}"));
    at(&address, &["begin"]).fails(2, "unrecognized subcommand 'begin'");
    at(&address, &["deploy", "b.bpmn"]).fails(2, "b.bpmn: No such file");
    at("zeebe:port", &["deploy", "a.bpmn"]).fails(2, "environment variable ZEEBE_ADDRESS: `http://zeebe:port`");
    at(NOBODY, &["deploy", "a.bpmn", "--wait", "1"]).fails(3, &format!("cannot reach Zeebe at {NOBODY}"));
    zeebe.script("CreateProcessInstanceWithResult", Answer::Silence);
    at(&address, &["start", "phr-pair", "--wait", "--timeout", "0"])
        .fails(4, "the instance did not end within 0ns; it goes on");
}

#[test]
fn a_message_is_published_with_its_key_variables_and_time_to_live() {
    let (zeebe, folder) = (FakeGateway::start(), TempDir::new().unwrap());
    let decide = ["publish", "faas-decision", "jfdcosc26x", "--vars", r#"{"decision": "retry"}"#];
    let environment = [("ZEEBE_ADDRESS", &*zeebe.address())];
    zeebe2faas(folder.path(), &decide, &environment).prints("7\n");
    let short = [&decide[..], &["--ttl", "5", "--tenant", "esa", "--json"]].concat();
    zeebe2faas(folder.path(), &short, &environment).prints("{\n  \"messageKey\": 7\n}\n");
    let seen = zeebe.seen();
    let [Seen::Publish(first), Seen::Publish(second)] = &seen[..] else { unreachable!("two messages: {seen:?}") };
    assert_eq!((&*first.name, &*first.correlation_key), ("faas-decision", "jfdcosc26x"));
    assert_eq!((&*first.variables, first.time_to_live), (r#"{"decision":"retry"}"#, 3_600_000));
    assert_eq!((&*second.tenant_id, second.time_to_live), ("esa", 5000));
}
