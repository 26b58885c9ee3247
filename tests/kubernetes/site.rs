//! A bridge, a cluster and a kubelet.

use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Namespace, Pod, Secret},
    rbac::v1::{Role, RoleBinding},
};
use kube::{Api, Client, api::PostParams};
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
    fake_gateway::{Seen, job},
    kubelet::Kubelet,
    live::Live,
    soon,
};

const LOOK_EVERY: Duration = Duration::from_millis(50);
const LOCK: Duration = Duration::from_secs(60);

/// What `templates/jobs/guarded.yaml` and `plain.yaml` are: accepted where restricted pod security is enforced.
const JOB: &str = "
apiVersion: batch/v1
kind: Job
metadata: { annotations: { note: '{{ NOTE | default(value=\"none\") }}' } }
spec:
  template:
    spec:
      securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: RuntimeDefault } }
      containers:
        - name: function
          image: '{{ IMAGE }}'
          env: [{ name: RUNNER_FUNCTION, value: guarded }, { name: RUNNER_ALLOW, value: /bin/sh }]
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: [ALL] } }
";
const HUNGRY: &str = "function = 'plain'\nexecutor = 'kubernetes-job'\nmemory = ['1Gi', '4Gi']\ncommand = 'prog'\n";

/// The cluster that all tests which run at the same time share.
static SHARED: Mutex<Weak<Cluster>> = Mutex::const_new(Weak::new());

/// All of it, in a namespace of its own, in which the bridge has exactly the shipped Role.
pub struct Site {
    pub live: Live,
    pub client: Client,
    pub namespace: String,
    pub kubelet: Kubelet,
    _cluster: Arc<Cluster>,
}

impl Site {
    pub async fn start(lines: &str) -> Self {
        let cluster = shared().await;
        Self::start_at(cluster, lines).await
    }

    async fn start_at(cluster: Arc<Cluster>, lines: &str) -> Self {
        let client = cluster.client(User::Admin).await.expect("a client");
        let namespace = make_namespace(&client).await;
        let folder = TempDir::new().expect("a folder");
        let jobs = folder.path().join("templates/jobs");
        fs::create_dir_all(&jobs).expect("a folder");
        for function in ["guarded", "plain"] {
            fs::write(jobs.join(format!("{function}.yaml")), JOB).expect("a file");
        }
        fs::write(folder.path().join("templates/hungry.toml"), HUNGRY).expect("a file");
        let secret = random_key_line("mock");
        fs::write(folder.path().join("runner.key"), &secret).expect("a file");
        let ring = KeyRing::parse(&secret).expect("a key").for_function("guarded");
        fs::write(folder.path().join("function.key"), ring.to_file_text()).expect("a file");
        let kubeconfig = cluster.kubeconfig(User::Bridge);
        let lines = format!(
            "{lines}\n[kubernetes]\nnamespace = \"{namespace}\"\nkubeconfig = \"{}\"\nkeep = \"1s\"\n",
            kubeconfig.display()
        );
        let live = Live::start_in(folder, &lines).await;
        let kubelet = Kubelet::start(client.clone(), &namespace, live.folder.path(), &live.callbacks);
        Self { live, client, namespace, kubelet, _cluster: cluster }
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
        self.live.zeebe.add_to_backlog([job]);
        CallId::new("mock", key, 1)
    }

    /// The outcome of a call, once Zeebe has it.
    pub async fn outcome(&self, id: &CallId) -> Value {
        soon(async {
            loop {
                if let Some(outcome) = self.live.outcomes().into_iter().find(|outcome| outcome["callId"] == id.as_str())
                {
                    return outcome;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        })
        .await
    }

    /// Waits until Zeebe has seen this.
    pub async fn until_seen(&self, wanted: impl Fn(&Seen) -> bool) {
        until(async || self.live.zeebe.seen().iter().any(&wanted)).await;
    }

    pub fn jobs(&self) -> Api<Job> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Waits until nothing of a call is left in the cluster.
    pub async fn until_gone(&self, id: &CallId) {
        until(async || {
            let pods = self.pods().list(&kube::api::ListParams::default()).await.expect("a list");
            let its_own = |pod: &Pod| pod.metadata.labels.iter().flatten().any(|label| label.1 == id.as_str());
            self.jobs().get_opt(id.as_str()).await.expect("an answer").is_none()
                && self.secrets().get_opt(id.as_str()).await.expect("an answer").is_none()
                && !pods.iter().any(its_own)
        })
        .await;
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

async fn shared() -> Arc<Cluster> {
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
    let text = concat!(env!("CARGO_MANIFEST_DIR"), "/../k8s/rbac.yaml");
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

fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more);
    }
}
