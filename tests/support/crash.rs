//! Everything around a bridge that is to be killed: a real broker, the function host with the real runner and a program
//! that counts its runs, and between them and the bridge proxies that stop it at any step.
#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a test ends where its surroundings fail")]

mod bridge;
mod proxy;

pub use bridge::Bridge;
pub use proxy::{Held, Hold, Point, Proxy};

use serde_json::{Value, json};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{sync::OnceCell, task::JoinHandle};
use zeebe2faas::zeebe::{Client, NewInstance, Retry, Settings};
use zeebe2faas_contract::{KeyRing, random_key_line};
use zeebe2faas_dev::{
    broker::{Broker, BrokerOptions},
    host::{Host, HostOptions, Stack},
};

/// Far beyond what any step takes; it only ends tests that fail.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(20);

const STACK: &str = "
provider: {name: openfaas}
functions:
  count:
    environment:
      mode: http
      fprocess: zeebe2faas-runner
      upstream_url: http://127.0.0.1:8082
      exec_timeout: 1h
      RUNNER_FUNCTION: count
      RUNNER_ALLOW: count-a-run
      RUNNER_MAX_RUNS: 8
      RUNNER_POLL: 20ms
";
/// Counts its run before anything else, then works until it may end.
const PROGRAM: &str = "#!/bin/sh
echo \"$2\" >> \"$1/runs\"
while [ -e \"$1/hold\" ]; do sleep 0.02; done
";
const PROCESS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0"
    targetNamespace="http://zeebe2faas/tests">
  <process id="NAME" isExecutable="true">
    <startEvent id="start" />
    <sequenceFlow id="a" sourceRef="start" targetRef="call" />
    <serviceTask id="call">
      <extensionElements>
        <zeebe:taskDefinition type="NAME" />
        <zeebe:taskHeaders>
          <zeebe:header key="function" value="count" />
          <zeebe:header key="cmdline" value="count-a-run {{ folder }} {{ name }}" />
        </zeebe:taskHeaders>
      </extensionElements>
    </serviceTask>
    <sequenceFlow id="b" sourceRef="call" targetRef="wait" />
    <receiveTask id="wait" messageRef="done" />
    <sequenceFlow id="c" sourceRef="wait" targetRef="end" />
    <endEvent id="end" />
  </process>
  <message id="done" name="faas-done">
    <extensionElements><zeebe:subscription correlationKey="=call.callId" /></extensionElements>
  </message>
</definitions>
"#;

/// One test's surroundings. Its job type is its own, since the broker is shared.
pub struct Site {
    name: &'static str,
    folder: TempDir,
    client: Client,
    /// The functions.
    pub host: Host,
    /// Between the bridge and the gateway.
    pub gateway: Proxy,
    /// Between the gateway and the bridge's callback listener.
    pub callbacks: Proxy,
    /// Between the bridge and Zeebe.
    pub zeebe: Proxy,
}

impl Site {
    /// Everything but the bridge. `name` is the process's and the job type's.
    pub async fn new(name: &'static str) -> Self {
        let address = broker().await.grpc_address();
        let folder = TempDir::new().expect("a folder");
        let secret = random_key_line("kill");
        fs::write(folder.path().join("runner.key"), &secret).expect("a file");
        fs::write(folder.path().join("token.key"), random_key_line("kill")).expect("a file");
        let host = functions(folder.path(), KeyRing::parse(&secret).expect("a key")).await;
        let (gateway, callbacks, zeebe) = (Proxy::http().await, Proxy::http().await, Proxy::grpc(&address).await);
        gateway.aim(host.url());
        let client = Client::new(&Settings::new(address)).expect("an address");
        let files = vec![(format!("{name}.bpmn"), PROCESS.replace("NAME", name).into_bytes())];
        client.deploy_resource(files, "", Retry::within(PATIENCE)).await.expect("the process is deployed");
        Self { name, folder, client, host, gateway, callbacks, zeebe }
    }

    /// Starts the bridge.
    pub async fn bridge(&self) -> Bridge {
        let Self { name, folder, gateway, callbacks, zeebe, .. } = self;
        let (zeebe, gateway, url) = (zeebe.url(), gateway.url(), callbacks.url());
        fs::create_dir_all(folder.path().join("templates")).expect("a folder");
        let path = folder.path().join("zeebe2faas.toml");
        let text = format!(
            r#"cluster = "{name}"
zeebe.address = "{zeebe}"
openfaas.gateway = "{gateway}"
callback = {{ listen = "127.0.0.1:0", url = "{url}" }}
admin.listen = "127.0.0.1:0"
keys = {{ token_file = "token.key", runner_file = "runner.key" }}
calls = {{ ask_interval = "200ms", retry_backoff = "200ms" }}
functions.count.run_once = true
[[worker]]
type = "{name}"
lock = "3s"
poll_interval = "200ms"
"#
        );
        fs::write(&path, text).expect("a file");
        Bridge::start(&path, callbacks).await
    }

    /// Starts an instance of the process; the task ends with its variables.
    pub fn instance(&self, call: &str) -> JoinHandle<Value> {
        let client = self.client.clone();
        let instance = NewInstance {
            bpmn_process_id: self.name.to_owned(),
            variables: json!({ "folder": self.folder.path(), "name": call }),
            ..NewInstance::default()
        };
        tokio::spawn(async move {
            let ended = client.create_process_instance_with_result(&instance, &[], PATIENCE, Retry::Never).await;
            serde_json::from_str(&ended.expect("the instance ends").variables).expect("variables")
        })
    }

    /// Whether the instance has ended as it should, its function having run.
    pub async fn succeeded(&self, instance: JoinHandle<Value>) -> bool {
        let variables = soon(instance).await.expect("the instance ends");
        let good = variables["call"]["status"] == "succeeded" && variables["call"]["exitCode"] == 0;
        if !good {
            eprintln!("{variables}");
        }
        good
    }

    /// From now on a run does not end…
    pub fn hold_functions(&self) {
        fs::write(self.folder.path().join("hold"), "").expect("a file");
    }

    /// …until now.
    pub fn release_functions(&self) {
        fs::remove_file(self.folder.path().join("hold")).expect("functions are held");
    }

    /// The calls' names, as the runs of the function wrote them down, sorted.
    pub fn runs(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join("runs")).unwrap_or_default();
        let mut runs: Vec<String> = text.lines().map(str::to_owned).collect();
        runs.sort();
        runs
    }

    /// Waits until there were so many runs.
    pub async fn ran(&self, times: usize) {
        soon(async {
            while self.runs().len() < times {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        })
        .await;
    }
}

/// What comes in time; a test that waits in vain ends.
pub async fn soon<T>(event: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, event).await.expect("it happens in time")
}

/// Where cargo put the binaries: beside the folder of the tests.
pub(crate) fn binaries() -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    test.ancestors().nth(2).expect("target/PROFILE/deps/TEST").to_owned()
}

/// One for all tests of a run; it ends with the process.
async fn broker() -> &'static Broker {
    static BROKER: OnceCell<Broker> = OnceCell::const_new();
    BROKER.get_or_init(async || Broker::start(BrokerOptions::default()).await.expect("a broker")).await
}

async fn functions(folder: &Path, ring: KeyRing) -> Host {
    let bin = folder.join("bin");
    fs::create_dir(&bin).expect("a folder");
    fs::write(bin.join("count-a-run"), PROGRAM).expect("a file");
    fs::set_permissions(bin.join("count-a-run"), fs::Permissions::from_mode(0o755)).expect("a program");
    let mut options = HostOptions::new(Stack::parse("stack.yml", STACK).expect("a stack"), folder.join("state"));
    options.key_ring = Some(ring);
    options.workers = 8;
    options.path_dirs = vec![bin, binaries()];
    Host::start(options).await.expect("the functions start")
}
