//! Plays scheduler and kubelet at a real API server. What becomes of a pod its image says: `runner` is started as a
//! process, any other name is the pod's fate.
#![expect(clippy::missing_panics_doc, reason = "a test ends where its surroundings fail")]

use crate::binaries;
use futures_util::StreamExt;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{process::Command, task::JoinHandle};

/// What every callback URL begins with in these tests.
const CALLBACKS: &str = "http://callbacks.invalid";
/// With less memory the image `hungry` is killed.
const ENOUGH_BYTES: u64 = 2 << 30;

/// Runs pods until it is dropped; their processes end with it.
pub struct Kubelet {
    callbacks: Arc<Mutex<String>>,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Node {
    pods: Api<Pod>,
    secrets: Api<Secret>,
    callbacks: Arc<Mutex<String>>,
    folder: PathBuf,
}

impl Kubelet {
    /// For this namespace. Runners find their key as `runner.key` in `folder`, and the bridge at `callbacks`.
    pub fn start(client: Client, namespace: &str, folder: &Path, callbacks: &str) -> Self {
        let callbacks = Arc::new(Mutex::new(callbacks.to_owned()));
        let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
        let secrets = Api::namespaced(client, namespace);
        let node = Node { pods, secrets, callbacks: Arc::clone(&callbacks), folder: folder.to_owned() };
        Self { callbacks, task: tokio::spawn(node.run()) }
    }

    /// The bridge listens there from now on.
    pub fn bridge_is_at(&self, callbacks: &str) {
        callbacks.clone_into(&mut self.callbacks.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A pod's life; dropped, its process is killed.
struct Life(JoinHandle<()>);

impl Drop for Life {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Node {
    async fn run(self) {
        let mut events = pin!(watcher(self.pods.clone(), watcher::Config::default()).default_backoff());
        let mut lives = HashMap::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Apply(pod) | Event::InitApply(pod)) => {
                    let node = self.clone();
                    lives
                        .entry(pod.uid().unwrap_or_default())
                        .or_insert_with(|| Life(tokio::spawn(async move { node.live(pod).await })));
                }
                Ok(Event::Delete(pod)) => drop(lives.remove(&pod.uid().unwrap_or_default())),
                Ok(Event::Init | Event::InitDone) | Err(_) => {}
            }
        }
    }

    async fn live(&self, pod: Pod) {
        let name = pod.name_any();
        let container = pod.spec.as_ref().map(|spec| spec.containers[0].clone()).expect("a pod has a container");
        let limits = container.resources.as_ref().and_then(|resources| resources.limits.as_ref());
        let memory = limits.and_then(|limits| limits.get("memory")).and_then(|limit| limit.0.parse::<u64>().ok());
        let status = match container.image.as_deref().unwrap_or_default() {
            "runner" => {
                self.report(&name, json!({ "phase": "Running" })).await;
                ended(self.run_runner(&pod).await, "Error")
            }
            "succeeds" => ended(0, "Completed"),
            "fails" => ended(3, "Error"),
            "killed" => ended(137, "OOMKilled"),
            "hungry" if memory.is_none_or(|bytes| bytes < ENOUGH_BYTES) => ended(137, "OOMKilled"),
            "hungry" => ended(0, "Completed"),
            "evicted" => taken("TerminationByKubelet", "The node was low on resource: memory."),
            "preempted" => taken("PreemptionByScheduler", "default-scheduler: preempting to accommodate a pod"),
            "unschedulable" => json!({ "phase": "Pending", "conditions": [{
                "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                "message": "0/1 nodes are available: 1 Insufficient memory.",
            }] }),
            "missing" => json!({ "phase": "Pending", "containerStatuses": [with_state(&json!({
                "waiting": { "reason": "ImagePullBackOff", "message": "no such image" },
            }))] }),
            _ => json!({ "phase": "Running" }),
        };
        self.report(&name, status).await;
    }

    /// Until the API server takes it, or the pod is gone.
    async fn report(&self, name: &str, status: Value) {
        let patch = Patch::Merge(json!({ "status": status }));
        loop {
            match self.pods.patch_status(name, &PatchParams::default(), &patch).await {
                Ok(_) => return,
                Err(kube::Error::Api(status)) if status.is_not_found() => return,
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
            }
        }
    }

    /// The container's command with its environment, and the Secret in a folder; its exit code.
    async fn run_runner(&self, pod: &Pod) -> i32 {
        let spec = pod.spec.as_ref().expect("a pod");
        let secret = spec.volumes.iter().flatten().find_map(|volume| volume.secret.as_ref()?.secret_name.clone());
        let secret = secret.expect("the call's Secret is a volume");
        let folder = tempfile::tempdir().expect("a folder");
        let data = loop {
            match self.secrets.get(&secret).await {
                Ok(secret) => break secret.data.unwrap_or_default(),
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            }
        };
        let callbacks = self.callbacks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (key, value) in data {
            let text = String::from_utf8(value.0).expect("a text").replace(CALLBACKS, &callbacks);
            fs::write(folder.path().join(key), text).expect("a file");
        }
        let mut command = Command::new(binaries().join("zeebe2faas-runner"));
        let variables = spec.containers[0].env.iter().flatten();
        command.envs(variables.filter_map(|variable| Some((&variable.name, variable.value.as_ref()?))));
        command.env("RUNNER_KEY_FILE", self.folder.join("function.key")).env("RUNNER_CALL_DIR", folder.path());
        command.env("RUNNER_STATE_DIR", self.folder.join("state")).kill_on_drop(true);
        let status = command.status().await.expect("`cargo build --workspace --bins` has made the runner");
        status.code().unwrap_or(137)
    }
}

fn ended(exit_code: i32, reason: &str) -> Value {
    let phase = if exit_code == 0 { "Succeeded" } else { "Failed" };
    let terminated = json!({ "terminated": { "exitCode": exit_code, "reason": reason } });
    json!({ "phase": phase, "containerStatuses": [with_state(&terminated)] })
}

fn with_state(state: &Value) -> Value {
    json!({ "name": "function", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state })
}

fn taken(reason: &str, message: &str) -> Value {
    let condition = json!({ "type": "DisruptionTarget", "status": "True", "reason": reason, "message": message });
    json!({ "phase": "Failed", "conditions": [condition] })
}
