#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

//! `zeebe2faas-dev up` as people use it: engine, functions and bridge in one process, with nothing of Java on `PATH`.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::{fs, path::Path, process::Stdio};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStderr, ChildStdout, Command},
};
use zeebe2faas::zeebe::{Client, NewInstance, Retry, Settings};
use zeebe2faas_tests::{PATIENCE, binaries, http, soon};

/// A call of the function `echo`, which gives its invocation back, and the wait for it.
const GREETING: &str = r#"<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" targetNamespace="test" id="d">
  <bpmn:process id="greeting" isExecutable="true">
    <bpmn:startEvent id="start" /><bpmn:sequenceFlow id="a" sourceRef="start" targetRef="greet" />
    <bpmn:serviceTask id="greet">
      <bpmn:extensionElements>
        <zeebe:taskDefinition type="openfaas" />
        <zeebe:taskHeaders><zeebe:header key="template" value="greet" /></zeebe:taskHeaders>
      </bpmn:extensionElements>
    </bpmn:serviceTask>
    <bpmn:sequenceFlow id="b" sourceRef="greet" targetRef="wait" />
    <bpmn:receiveTask id="wait" messageRef="done" />
    <bpmn:sequenceFlow id="c" sourceRef="wait" targetRef="end" /><bpmn:endEvent id="end" />
  </bpmn:process>
  <bpmn:message id="done" name="faas-done">
    <bpmn:extensionElements><zeebe:subscription correlationKey="=call.callId" /></bpmn:extensionElements>
  </bpmn:message>
</bpmn:definitions>"#;
const STACK: &str = "{provider: {name: openfaas}, functions: {echo: {environment: {mode: streaming, fprocess: cat}}}}";
const ANY: &str = "127.0.0.1:0";

/// The program in a folder with one process, one template and one function.
struct Up {
    folder: TempDir,
    child: Child,
    out: Lines<BufReader<ChildStdout>>,
    errors: Lines<BufReader<ChildStderr>>,
}

impl Up {
    fn start(args: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path();
        fs::create_dir(path.join("templates")).unwrap();
        fs::write(path.join("stack.yml"), STACK).unwrap();
        fs::write(path.join("greeting.bpmn"), GREETING).unwrap();
        write_template(path, "greet --loud {{ name }}");
        let mut command = Command::new(binaries().join("zeebe2faas-dev"));
        let free = ["--grpc", "--gateway", "--callback", "--admin"].iter().filter(|name| !args.contains(name));
        command.arg("up").args(free.flat_map(|name| [*name, ANY])).args(args);
        command.current_dir(path).env_clear().env("PATH", programs(path));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap()).lines();
        let errors = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { folder, child, out, errors }
    }

    /// What follows this word at the beginning of a line, the next one that has it.
    async fn says(&mut self, word: &str) -> String {
        soon(async {
            while let Some(line) = self.out.next_line().await.unwrap() {
                if let Some(rest) = line.strip_prefix(word) {
                    return rest.trim().to_owned();
                }
            }
            let mut errors = String::new();
            while let Some(line) = self.errors.next_line().await.unwrap() {
                errors.push_str(&line);
            }
            panic!("it ended before it said `{word}`: {errors}");
        })
        .await
    }

    async fn complains(&mut self, part: &str) -> String {
        soon(async {
            while let Some(line) = self.errors.next_line().await.unwrap() {
                if line.contains(part) {
                    return line;
                }
            }
            panic!("it ended before it complained of `{part}`");
        })
        .await
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().unwrap().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }
}

fn write_template(folder: &Path, command: &str) {
    let text = format!("function = \"echo\"\ncommand = \"{command}\"\n");
    fs::write(folder.join("templates/greet.toml"), text).unwrap();
}

/// A folder with the one program that the function needs, and nothing else.
fn programs(folder: &Path) -> String {
    let programs = folder.join("programs");
    fs::create_dir(&programs).unwrap();
    let cat = ["/bin/cat", "/usr/bin/cat"].into_iter().find(|cat| Path::new(cat).is_file()).unwrap();
    std::os::unix::fs::symlink(cat, programs.join("cat")).unwrap();
    programs.display().to_string()
}

/// The object that the bridge gives for a greeting of Ada.
async fn greet(zeebe: &Client) -> Value {
    let instance = NewInstance {
        bpmn_process_id: "greeting".to_owned(),
        variables: json!({ "name": "Ada" }),
        ..NewInstance::default()
    };
    let ended = zeebe.create_process_instance_with_result(&instance, &[], PATIENCE, Retry::Never).await.unwrap();
    serde_json::from_str::<Value>(&ended.variables).unwrap()["call"].take()
}

#[tokio::test]
async fn a_call_goes_through_all_of_it_and_changed_files_are_used_at_once() {
    let mut up = Up::start(&["--stack", "stack.yml", "greeting.bpmn"]);
    // It listens before anything else is there.
    let zeebe = Client::new(&Settings::new(up.says("Zeebe (gRPC)").await)).unwrap();
    zeebe.topology(Retry::Never).await.unwrap();
    assert!(up.says("OpenFaaS").await.ends_with("echo"));
    let page = up.says("status page").await;
    assert_eq!(up.says("deployed").await, "greeting version 1 from greeting.bpmn");
    up.says("ready").await;
    let call = greet(&zeebe).await;
    assert_eq!((&call["status"], &call["result"]["args"]), (&json!("succeeded"), &json!(["greet", "--loud", "Ada"])));
    let shown = http().get(page).send().await.unwrap().text().await.unwrap();
    assert!(shown.contains(call["callId"].as_str().unwrap()), "{shown}");

    write_template(up.folder.path(), "greet --softly {{ name }}");
    assert_eq!(up.says("templates").await, "greet");
    assert_eq!(greet(&zeebe).await["result"]["args"], json!(["greet", "--softly", "Ada"]));
    write_template(up.folder.path(), "greet {{ name");
    up.complains("the templates from before stay").await;
    assert!(up.complains("greet.toml").await.contains(":2:"));

    let file = up.folder.path().join("greeting.bpmn");
    fs::write(&file, GREETING.replace("<bpmn:receiveTask", "<bpmn:adHocSubProcess")).unwrap();
    up.complains("greeting.bpmn is not deployed").await;
    fs::write(&file, GREETING.replace("isExecutable", "name=\"Greeting\" isExecutable")).unwrap();
    assert_eq!(up.says("deployed").await, "greeting version 2 from greeting.bpmn");
    assert_eq!(greet(&zeebe).await["result"]["args"], json!(["greet", "--softly", "Ada"]));

    up.signal(Signal::INT);
    up.says("stopping").await;
    assert!(soon(up.child.wait()).await.unwrap().success());
}

#[tokio::test]
async fn what_cannot_be_started_is_named_and_the_exit_code_is_2() {
    let taken = std::net::TcpListener::bind(ANY).unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let wrong: [(&[&str], &str); 4] = [
        (&["--grpc", &taken], "--grpc: cannot listen on"),
        (&["--gateway", &taken, "--stack", "stack.yml"], "--gateway: cannot listen on"),
        (&["--stack", "none.yml"], "none.yml"),
        (&["--stack", "stack.yml", "--data", "none"], "none: No such file"),
    ];
    for (args, reason) in wrong {
        let mut up = Up::start(args);
        up.complains(reason).await;
        assert_eq!(soon(up.child.wait()).await.unwrap().code(), Some(2), "{reason}");
    }
}
