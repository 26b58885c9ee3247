//! Plays scheduler and kubelet at a real API server. What becomes of a pod its image says: those of the project and `runs`
//! are started as processes, any other name is the pod's fate.

mod container;
mod status;

use container::Container;
use futures_util::StreamExt;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// With less memory the image `hungry` is killed.
const ENOUGH_BYTES: u64 = 2 << 30;
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Each has a connection.
const MAX_REQUESTS: usize = 16;

/// Runs pods until it is dropped; their processes end with it.
pub struct Kubelet {
    room: watch::Sender<bool>,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Node {
    pods: Api<Pod>,
    secrets: Api<Secret>,
    folder: PathBuf,
    room: watch::Receiver<bool>,
    requests: Arc<Semaphore>,
}

/// What scheduler and kubelet ask of the API server.
enum Order {
    Bind,
    Report(Value),
    Delete { grace_seconds: Option<u32> },
}

/// A pod's life. Dropped, its process ends.
struct Life {
    ending: CancellationToken,
    task: JoinHandle<()>,
}

impl Kubelet {
    /// For this namespace. Claims on volumes are folders below `folder`.
    pub fn start(client: Client, namespace: &str, folder: &Path) -> Self {
        let (room, has_room) = watch::channel(false);
        let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
        let secrets = Api::namespaced(client, namespace);
        let requests = Arc::new(Semaphore::new(MAX_REQUESTS));
        let node = Node { pods, secrets, folder: folder.to_owned(), room: has_room, requests };
        Self { room, task: tokio::spawn(node.run()) }
    }

    /// What was unschedulable is scheduled from now on, and what hung succeeds.
    pub fn make_room(&self) {
        self.room.send_replace(true);
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Node {
    async fn run(self) {
        let mut events = pin!(watcher(self.pods.clone(), watcher::Config::default()).default_backoff());
        let mut lives: HashMap<String, Life> = HashMap::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Apply(pod) | Event::InitApply(pod)) => {
                    let ends = pod.metadata.deletion_timestamp.is_some();
                    let life = lives.entry(pod.uid().unwrap_or_default()).or_insert_with(|| self.begin(pod));
                    if ends {
                        life.ending.cancel();
                    }
                }
                Ok(Event::Delete(pod)) => drop(lives.remove(&pod.uid().unwrap_or_default())),
                // It lists them all again.
                Ok(Event::Init | Event::InitDone) | Err(_) => {}
            }
        }
    }

    fn begin(&self, pod: Pod) -> Life {
        let ending = CancellationToken::new();
        let (node, ended) = (self.clone(), ending.clone());
        Life { ending, task: tokio::spawn(async move { node.live(&pod, &ended).await }) }
    }

    async fn live(mut self, pod: &Pod, ending: &CancellationToken) {
        let (name, image) = (pod.name_any(), container::image(pod));
        if image == "unschedulable" {
            self.report(&name, status::unschedulable()).await;
            self.has_room().await;
        }
        self.order(&name, &Order::Bind).await;
        if let Some(end) = self.run_pod(pod, image, ending).await {
            self.report(&name, end).await;
        }
        ending.cancelled().await;
        self.order(&name, &Order::Delete { grace_seconds: Some(0) }).await;
    }

    /// Its last status; none where it never began.
    async fn run_pod(&mut self, pod: &Pod, image: &str, ending: &CancellationToken) -> Option<Value> {
        let name = pod.name_any();
        if image == "missing" {
            self.report(&name, status::missing()).await;
            return None;
        }
        if image == "runs" || image.starts_with("ghcr.io/zeebe2faas/") {
            let mut container = Container::start(pod, &self.secrets, &self.folder).await;
            self.report(&name, status::running()).await;
            return Some(container.ended(ending).await);
        }
        self.report(&name, status::running()).await;
        Some(match image {
            "succeeds" | "unschedulable" => status::ended(0, "Completed", ""),
            "fails" => status::ended(3, "Error", "the last line\n"),
            "killed" => status::ended(137, "OOMKilled", ""),
            "hungry" if container::memory_limit(pod).is_none_or(|bytes| bytes < ENOUGH_BYTES) => {
                status::ended(137, "OOMKilled", "")
            }
            "hungry" => status::ended(0, "Completed", ""),
            "evicted" => status::evicted(),
            "preempted" => {
                // First the scheduler says why, then it deletes the pod, then the kubelet ends it.
                self.report(&name, status::preempted()).await;
                self.order(&name, &Order::Delete { grace_seconds: None }).await;
                ending.cancelled().await;
                status::ended(143, "Error", "")
            }
            _ => tokio::select! {
                () = self.has_room() => status::ended(0, "Completed", ""),
                () = ending.cancelled() => status::ended(143, "Error", ""),
            },
        })
    }

    async fn has_room(&mut self) {
        // The test has ended where nobody makes any.
        let _ = self.room.wait_for(|room| *room).await;
    }

    async fn report(&self, name: &str, status: Value) {
        self.order(name, &Order::Report(status)).await;
    }

    /// Until the API server does it, or the pod is gone.
    async fn order(&self, name: &str, order: &Order) {
        loop {
            match self.ask(name, order).await {
                Ok(()) => return,
                Err(kube::Error::Api(status)) if status.is_not_found() => return,
                Err(_) => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    async fn ask(&self, name: &str, order: &Order) -> kube::Result<()> {
        let _request = self.requests.acquire().await.expect("it is never closed");
        match order {
            Order::Bind => {
                let target = json!({ "apiVersion": "v1", "kind": "Node", "name": "node" });
                let binding =
                    json!({ "apiVersion": "v1", "kind": "Binding", "metadata": { "name": name }, "target": target });
                let params = PostParams::default();
                let bound: kube::Result<Value> = self.pods.create_subresource("binding", name, &params, &binding).await;
                match bound {
                    Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
                    bound => bound.map(drop),
                }
            }
            Order::Report(status) => {
                let patch = Patch::Merge(json!({ "status": status }));
                self.pods.patch_status(name, &PatchParams::default(), &patch).await.map(drop)
            }
            Order::Delete { grace_seconds } => {
                let params = DeleteParams { grace_period_seconds: *grace_seconds, ..DeleteParams::default() };
                self.pods.delete(name, &params).await.map(drop)
            }
        }
    }
}
