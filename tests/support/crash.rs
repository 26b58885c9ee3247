//! Everything around a bridge that is to be killed or disturbed: a real broker, the function host with the real runner
//! and a program that counts its runs, and between them and the bridge proxies that stop it at any step.

mod bridge;
mod proxy;
mod records;
mod relay;
mod setup;

pub use bridge::Bridge;
pub use proxy::{Held, Hold, Point, Proxy, Tapped};
pub use records::{Incident, Records};
pub use relay::Relay;
pub use setup::{Calling, Setup, counting, guarded, shipped, stack};

use crate::{PATIENCE, binaries, soon};
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

const LOOK_EVERY: Duration = Duration::from_millis(20);
const WORKERS: usize = 8;

/// One test's surroundings. Its job type is its own, since the broker is shared.
pub struct Site {
    name: &'static str,
    configuration: String,
    folder: TempDir,
    /// An operator's.
    pub client: Client,
    /// What Zeebe wrote down.
    pub records: Records,
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
    /// Everything but the bridge, with a function that counts. `name` is the process's and the job type's.
    pub async fn new(name: &'static str) -> Self {
        Self::on(broker().await, name).await
    }

    /// The same with a broker of its own.
    pub async fn on(broker: &Broker, name: &'static str) -> Self {
        Self::at(broker.grpc_address(), broker.log(), name, counting(&Calling::new(name)), WORKERS).await
    }

    /// Everything but the bridge. `name` is the job type's.
    pub async fn with(name: &'static str, setup: Setup<'_>) -> Self {
        let broker = broker().await;
        Self::at(broker.grpc_address(), broker.log(), name, setup, WORKERS).await
    }

    /// The same at the broker of this address and log, with so many queue workers.
    pub async fn at(address: String, log: PathBuf, name: &'static str, setup: Setup<'_>, workers: usize) -> Self {
        let folder = TempDir::new().expect("a folder");
        let secret = random_key_line("kill");
        fs::write(folder.path().join("runner.key"), &secret).expect("a file");
        fs::write(folder.path().join("token.key"), random_key_line("kill")).expect("a file");
        let (gateway, callbacks, zeebe) = (Proxy::http().await, Proxy::http().await, Proxy::grpc(&address).await);
        let ring = KeyRing::parse(&secret).expect("a key");
        let host = functions(folder.path(), ring, &setup, workers, zeebe.url()).await;
        gateway.aim(host.url());
        let client = Client::new(&Settings::new(address)).expect("an address");
        let files = setup.processes.into_iter().map(|(file, text)| (file, text.into_bytes())).collect();
        client.deploy_resource(files, "", Retry::within(PATIENCE)).await.expect("the processes are deployed");
        let configuration = setup.configuration.to_owned();
        let records = Records::new(log, name);
        Self { name, configuration, folder, client, records, host, gateway, callbacks, zeebe }
    }

    /// Starts the bridge.
    pub async fn bridge(&self) -> Bridge {
        self.bridge_with(&[]).await
    }

    /// Starts the bridge with other settings, named as in the environment.
    pub async fn bridge_with(&self, settings: &[(&str, &str)]) -> Bridge {
        self.bridge_behind(&self.callbacks, settings).await
    }

    /// Starts a bridge whose callback listener is behind this proxy; functions still call the site's own.
    pub async fn bridge_behind(&self, door: &Proxy, settings: &[(&str, &str)]) -> Bridge {
        let Self { name, configuration, folder, gateway, callbacks, zeebe, .. } = self;
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
{configuration}
[[worker]]
type = "{name}"
lock = "3s"
poll_interval = "200ms"
"#
        );
        fs::write(&path, text).expect("a file");
        Bridge::start(&path, settings, door).await
    }

    /// Where functions and tests meet.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts an instance of the counting process; the task ends with its variables.
    pub fn instance(&self, call: &str) -> JoinHandle<Value> {
        self.run(self.new_instance(self.variables(call)))
    }

    /// Starts an instance of a process; the task ends with its variables.
    pub fn start(&self, process: &str, variables: Value) -> JoinHandle<Value> {
        self.run(NewInstance { bpmn_process_id: process.to_owned(), variables, ..NewInstance::default() })
    }

    fn run(&self, instance: NewInstance) -> JoinHandle<Value> {
        let client = self.client.clone();
        tokio::spawn(async move {
            let retry = Retry::within(PATIENCE);
            let ended = client.create_process_instance_with_result(&instance, &[], PATIENCE, retry).await;
            serde_json::from_str(&ended.expect("the instance ends").variables).expect("variables")
        })
    }

    /// Starts an instance with these variables and gives its key; its end stands in the records.
    pub async fn begin(&self, variables: Value) -> i64 {
        let instance = self.new_instance(variables);
        let created = self.client.create_process_instance(&instance, Retry::within(PATIENCE)).await;
        created.expect("the instance is created")
    }

    /// What the process needs for this call.
    pub fn variables(&self, call: &str) -> Value {
        json!({ "folder": self.folder.path(), "name": call })
    }

    fn new_instance(&self, variables: Value) -> NewInstance {
        NewInstance { bpmn_process_id: self.name.to_owned(), variables, ..NewInstance::default() }
    }

    /// Gives the task another retry and resolves its incident, as an operator does who has mended the cause.
    pub async fn resolve(&self, incident: &Incident) {
        let retry = Retry::within(PATIENCE);
        self.client.update_job_retries(incident.job_key, 1, retry).await.expect("the job is there");
        self.client.resolve_incident(incident.key, retry).await.expect("the incident is there");
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

    /// Kills the bridge before it hears that OpenFaaS has the call that a new instance makes, while its function runs.
    pub async fn killed_before_202(&self, bridge: &mut Bridge) -> JoinHandle<Value> {
        self.hold_functions();
        let post = self.gateway.hold("/async-function/", Point::Answer);
        let instance = self.instance("a");
        post.reached().await;
        self.ran(1).await;
        bridge.kill().await;
        post.discard();
        instance
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

/// One for all tests of a run; it ends with the process.
pub async fn broker() -> &'static Broker {
    static BROKER: OnceCell<Broker> = OnceCell::const_new();
    let options = BrokerOptions { log_records: true, ..BrokerOptions::default() };
    BROKER.get_or_init(async || Broker::start(options).await.expect("a broker")).await
}

async fn functions(folder: &Path, ring: KeyRing, setup: &Setup<'_>, workers: usize, zeebe: &str) -> Host {
    let path = |name| folder.join(name).display().to_string();
    let bin = folder.join("bin");
    fs::create_dir(&bin).expect("a folder");
    for (name, text) in setup.programs {
        fs::write(bin.join(name), text).expect("a file");
        fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).expect("a program");
    }
    let mut options = HostOptions::new(Stack::parse("stack.yml", &setup.stack).expect("a stack"), folder.join("state"));
    options.key_ring = Some(ring);
    options.workers = workers;
    options.path_dirs = vec![bin, binaries()];
    options.env = [
        ("ZEEBE2FAAS_ZEEBE_ADDRESS", zeebe.to_owned()),
        ("ZEEBE2FAAS_KEYS_TOKEN_FILE", path("token.key")),
        ("ZEEBE2FAAS_KEYS_RUNNER_FILE", path("runner.key")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    Host::start(options).await.expect("the functions start")
}
