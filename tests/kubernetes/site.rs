//! A bridge as a process of its own, a namespace of a real cluster, and a kubelet.

use crate::functions;
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Namespace, Pod, Secret},
    rbac::v1::{Role, RoleBinding},
};
use kube::{
    Api, Client,
    api::{ListParams, PostParams},
};
use serde_json::{Value, json};
use std::{
    fs,
    sync::{Arc, Weak},
    time::Duration,
};
use tempfile::TempDir;
use tokio::sync::Mutex;
use zeebe2faas_contract::{CallId, KeyRing, random_key_line};
use zeebe2faas_dev::kube::{Cluster, User};
use zeebe2faas_tests::{
    crash::{Bridge, Proxy},
    fake_gateway::{FakeGateway, Seen, job},
    fake_openfaas::FakeOpenFaas,
    kubelet::Kubelet,
    soon,
};

const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Longer than an outage: the fake Zeebe hands no job out again.
const LOCK: Duration = Duration::from_secs(300);

/// The cluster that tests share which run at the same time.
static SHARED: Mutex<Weak<Cluster>> = Mutex::const_new(Weak::new());

/// All of it. In its namespace the bridge has exactly the shipped Role.
pub struct Site {
    pub zeebe: FakeGateway,
    pub bridge: Bridge,
    pub callbacks: Proxy,
    pub client: Client,
    pub namespace: String,
    pub kubelet: Kubelet,
    pub folder: TempDir,
    pub cluster: Arc<Cluster>,
    _openfaas: FakeOpenFaas,
}

impl Site {
    /// With these lines in the bridge's configuration.
    pub async fn start(lines: &str) -> Self {
        Self::start_at(shared().await, lines, &[]).await
    }

    /// In a cluster of the test's own, which may go away.
    pub async fn alone(lines: &str) -> Self {
        Self::start_at(Arc::new(Cluster::start().await.expect("a cluster")), lines, &[]).await
    }

    /// With another Zeebe than the fake one.
    pub async fn beside(zeebe: &str, lines: &str) -> Self {
        Self::start_at(shared().await, lines, &[("ZEEBE2FAAS_ZEEBE_ADDRESS", zeebe)]).await
    }

    async fn start_at(cluster: Arc<Cluster>, lines: &str, settings: &[(&str, &str)]) -> Self {
        let client = cluster.client(User::Admin).await.expect("a client");
        let namespace = make_namespace(&client).await;
        let (zeebe, openfaas, callbacks) = (FakeGateway::start(), FakeOpenFaas::start().await, Proxy::http().await);
        let folder = TempDir::new().expect("a folder");
        let secret = random_key_line("k8s");
        for key in ["token.key", "admin.token"] {
            fs::write(folder.path().join(key), random_key_line("k8s")).expect("a file");
        }
        fs::write(folder.path().join("runner.key"), &secret).expect("a file");
        functions::write(&folder.path().join("templates"));
        let text = format!(
            "cluster = \"k8s\"\nzeebe.address = \"{}\"\nopenfaas.gateway = \"{}\"\n\
             callback = {{ listen = \"127.0.0.1:0\", url = \"{}\" }}\n\
             admin = {{ listen = \"127.0.0.1:0\", token_file = \"admin.token\" }}\n\
             keys = {{ token_file = \"token.key\", runner_file = \"runner.key\" }}\n\
             functions = {{ guarded.run_once = true, otbcli.run_once = true, normalize-product.run_once = true }}\n\
             kubernetes = {{ namespace = \"{namespace}\", kubeconfig = \"{}\", keep = \"1s\" }}\n\
             {lines}\n[[worker]]\ntype = \"faas\"\nlock = \"{}s\"\npoll_interval = \"100ms\"\nmax_in_flight = 2000\n\
             [[worker]]\ntype = \"openfaas\"\npoll_interval = \"100ms\"\n",
            zeebe.address(),
            openfaas.url(),
            callbacks.url(),
            cluster.kubeconfig(User::Bridge).display(),
            LOCK.as_secs(),
        );
        let configuration = folder.path().join("zeebe2faas.toml");
        fs::write(&configuration, text).expect("a file");
        let ring = KeyRing::parse(&secret).expect("a key");
        make_key(&client, &namespace, "key", "key", &ring.for_function("guarded")).await;
        for function in ["otbcli", "normalize-product"] {
            let name = format!("zeebe2faas-runner-{function}");
            make_key(&client, &namespace, &name, &name, &ring.for_function(function)).await;
        }
        let kubelet = Kubelet::start(client.clone(), &namespace, folder.path());
        let bridge = Bridge::start(&configuration, settings, &callbacks).await;
        Self { zeebe, bridge, callbacks, client, namespace, kubelet, folder, cluster, _openfaas: openfaas }
    }

    /// Lets Zeebe hand out a job whose call runs as a Job with this image.
    pub fn begin(&self, key: i64, image: &str, headers: Value, variables: Value) -> CallId {
        let mut all = json!({ "function": "plain", "cmdline": "prog", "executor": "kubernetes-job" });
        merge(&mut all, headers);
        all.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
        let mut values = json!({ "IMAGE": image });
        merge(&mut values, variables);
        let mut job = job(key, LOCK);
        (job.custom_headers, job.variables) = (all.to_string(), values.to_string());
        (job.element_id, job.element_instance_key) = ("task".to_owned(), key);
        self.zeebe.add_to_backlog([job]);
        CallId::new("k8s", key, 1)
    }

    /// The same with a shell as its function's program, behind the runner.
    pub fn begin_shell(&self, key: i64, script: &str) -> CallId {
        let cmdline = format!("sh -c '{script}'");
        self.begin(key, "runs", json!({ "function": "guarded", "cmdline": cmdline }), Value::Null)
    }

    /// The outcomes that Zeebe has had.
    pub fn outcomes(&self) -> Vec<Value> {
        let outcome = |seen: Seen| match seen {
            Seen::Publish(message) => {
                let mut variables: Value = serde_json::from_str(&message.variables).expect("JSON");
                Some(variables["call"].take())
            }
            _ => None,
        };
        self.zeebe.seen().into_iter().filter_map(outcome).collect()
    }

    /// How many outcomes Zeebe has had.
    pub fn published(&self) -> usize {
        self.zeebe.seen().iter().filter(|seen| matches!(seen, Seen::Publish(_))).count()
    }

    /// The outcome of a call, once Zeebe has it.
    pub async fn outcome(&self, id: &CallId) -> Value {
        soon(async {
            loop {
                if let Some(outcome) = self.outcomes().into_iter().find(|outcome| outcome["callId"] == id.as_str()) {
                    return outcome;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        })
        .await
    }

    /// Waits until the bridge has submitted the call, and completed its job.
    pub async fn until_submitted(&self, key: i64) {
        self.until_seen(|seen| matches!(seen, Seen::Complete(complete) if complete.job_key == key)).await;
    }

    /// Waits until Zeebe has seen this.
    pub async fn until_seen(&self, wanted: impl Fn(&Seen) -> bool) {
        until(async || self.zeebe.seen().iter().any(&wanted)).await;
    }

    /// Waits until what the bridge shows of a call has this.
    pub async fn until_shown(&self, id: &CallId, wanted: impl Fn(&Value) -> bool) {
        self.bridge.calls(|calls| calls.iter().any(|call| call["callId"] == id.as_str() && wanted(call))).await;
    }

    /// Waits until the pod of a call runs.
    pub async fn until_runs(&self, id: &CallId) {
        until(async || self.pods_of(id).await.iter().any(|pod| phase(pod) == Some("Running"))).await;
    }

    pub fn jobs(&self) -> Api<Job> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub async fn job(&self, id: &CallId) -> Option<Job> {
        self.jobs().get_opt(id.as_str()).await.expect("an answer")
    }

    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub async fn pods_of(&self, id: &CallId) -> Vec<Pod> {
        let of_call = ListParams::default().labels(&format!("zeebe2faas.io/call={id}"));
        self.pods().list(&of_call).await.expect("a list").items
    }

    /// Waits until nothing of a call is left in the cluster.
    pub async fn until_gone(&self, id: &CallId) {
        until(async || {
            self.job(id).await.is_none()
                && self.secrets().get_opt(id.as_str()).await.expect("an answer").is_none()
                && self.pods_of(id).await.is_empty()
        })
        .await;
    }

    /// Kills the bridge, and what it remembers.
    pub async fn kill_with_ledger(&mut self) {
        self.bridge.kill().await;
        for file in ["zeebe2faas.ledger", "zeebe2faas.ledger-wal", "zeebe2faas.ledger-shm"] {
            // The last two are not always there.
            drop(fs::remove_file(self.folder.path().join(file)));
        }
    }

    pub async fn restart(&mut self) {
        self.bridge.restart(&self.callbacks).await;
    }
}

/// Looks again and again.
pub async fn until(holds: impl AsyncFn() -> bool) {
    soon(async {
        while !holds().await {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    })
    .await;
}

pub fn phase(pod: &Pod) -> Option<&str> {
    pod.status.as_ref()?.phase.as_deref()
}

/// The cluster of the tests that run now.
pub async fn shared() -> Arc<Cluster> {
    let mut shared = SHARED.lock().await;
    if let Some(cluster) = shared.upgrade() {
        return cluster;
    }
    let cluster = Arc::new(Cluster::start().await.expect("a cluster"));
    *shared = Arc::downgrade(&cluster);
    cluster
}

async fn make_namespace(client: &Client) -> String {
    let name = format!("test-{:08x}", rand::random::<u32>());
    let labels = json!({ "pod-security.kubernetes.io/enforce": "restricted" });
    let namespace = json!({ "metadata": { "name": name, "labels": labels } });
    let namespace: Namespace = serde_json::from_value(namespace).expect("a namespace");
    Api::all(client.clone()).create(&PostParams::default(), &namespace).await.expect("it is made");
    let text = concat!(env!("CARGO_MANIFEST_DIR"), "/../k8s/base/rbac.yaml");
    let role: Role = serde_norway::from_str(&fs::read_to_string(text).expect("the role")).expect("a role");
    let binding = json!({
        "metadata": { "name": "bridge" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role.metadata.name },
        "subjects": [{ "kind": "User", "name": "bridge", "apiGroup": "rbac.authorization.k8s.io" }],
    });
    let binding: RoleBinding = serde_json::from_value(binding).expect("a binding");
    Api::namespaced(client.clone(), &name).create(&PostParams::default(), &role).await.expect("it is made");
    Api::namespaced(client.clone(), &name).create(&PostParams::default(), &binding).await.expect("it is made");
    name
}

async fn make_key(client: &Client, namespace: &str, name: &str, key: &str, ring: &KeyRing) {
    let secret = json!({ "metadata": { "name": name }, "stringData": { key: ring.to_file_text() } });
    let secret: Secret = serde_json::from_value(secret).expect("a secret");
    let secrets = Api::namespaced(client.clone(), namespace);
    secrets.create(&PostParams::default(), &secret).await.expect("it is made");
}

fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more);
    }
}
