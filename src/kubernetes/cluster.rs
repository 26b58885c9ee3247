//! The API server: one client, and a constant number of watches.

use super::{
    Manifests,
    end::Trouble,
    order::{CALL_LABEL, OWNER_LABEL, owner},
};
use crate::config;
use futures_util::Stream;
use k8s_openapi::{
    api::{
        batch::v1::Job,
        core::v1::{Pod, Secret},
    },
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kube::{
    Api, Client, Config, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, PropagationPolicy},
    config::{KubeConfigOptions, Kubeconfig},
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use serde_json::json;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use zeebe2faas_contract::CallId;

/// Who changed a field, as the API server shows it.
const MANAGER: &str = "zeebe2faas";
/// Objects in one answer to a list.
const PAGE: u32 = 100;

/// Why the API server did not do what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kubeconfig, or what a pod has instead.
    #[error("kubernetes: {0}")]
    Settings(String),
    /// The API server refuses it, whoever asks again.
    #[error("Kubernetes refuses it: {0}")]
    Refused(String),
    /// It may do so another time.
    #[error("the Kubernetes API server: {0}")]
    NotNow(String),
}

/// What became of a Job that was to be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// It is there, with its Secret.
    Yes,
    /// It was there before, and has its Secret now.
    Before,
}

/// A namespace in which calls run as Jobs.
pub struct Cluster {
    /// The site's Job templates.
    pub manifests: Manifests,
    /// How long a Job is kept once its outcome is delivered.
    pub keep: Duration,
    owner: String,
    jobs: Api<Job>,
    pods: Api<Pod>,
    secrets: Api<Secret>,
    /// Jobs of open calls, with what is known of their pods.
    open: Mutex<HashMap<CallId, Option<Trouble>>>,
}

impl Cluster {
    /// A client for the settings' namespace, of this replica of this installation. Nothing is asked yet.
    ///
    /// # Errors
    /// A kubeconfig or a Job template that cannot be used.
    pub async fn new(settings: &config::Kubernetes, cluster: &str, replica: &str) -> Result<Self, Error> {
        let wrong = |error: &dyn std::fmt::Display| Error::Settings(error.to_string());
        let manifests = Manifests::load(&settings.jobs).map_err(|mistakes| wrong(&mistakes.join("\n  ")))?;
        let mut config = match &settings.kubeconfig {
            Some(path) => {
                let kubeconfig = Kubeconfig::read_from(path).map_err(|error| wrong(&error))?;
                let options = KubeConfigOptions::default();
                Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| wrong(&error))?
            }
            None => Config::incluster()
                .map_err(|error| wrong(&format!("{error}; outside a cluster set kubernetes.kubeconfig")))?,
        };
        config.connect_timeout = Some(settings.request_timeout);
        config.write_timeout = Some(settings.request_timeout);
        let client = Client::try_from(config).map_err(|error| wrong(&error))?;
        let namespace = &settings.namespace;
        Ok(Self {
            manifests,
            keep: settings.keep,
            owner: owner(cluster, replica),
            jobs: Api::namespaced(client.clone(), namespace),
            pods: Api::namespaced(client.clone(), namespace),
            secrets: Api::namespaced(client, namespace),
            open: Mutex::default(),
        })
    }

    /// The value of this replica's label.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Creates a call's Job and the Secret that it owns. One that is there already stays as it is, and gets its Secret.
    pub async fn create(&self, id: &CallId, job: &Job, secret: BTreeMap<String, String>) -> Result<Created, Error> {
        self.remember(id.clone());
        let (made, job) = match self.jobs.create(&PostParams::default(), job).await {
            Ok(job) => (Created::Yes, job),
            Err(kube::Error::Api(status)) if status.is_already_exists() => (Created::Before, self.take_over(id).await?),
            Err(error) => return Err(sorted(error)),
        };
        let reference = OwnerReference {
            api_version: "batch/v1".to_owned(),
            kind: "Job".to_owned(),
            name: id.to_string(),
            uid: job.uid().unwrap_or_default(),
            ..OwnerReference::default()
        };
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "stringData": secret,
            "metadata": { "name": id, "labels": { OWNER_LABEL: self.owner }, "ownerReferences": [reference] },
        });
        let applied =
            self.secrets.patch(id.as_str(), &PatchParams::apply(MANAGER).force(), &Patch::Apply(secret)).await;
        applied.map(|_| made).map_err(sorted)
    }

    /// A Job that another replica created belongs to whoever works the call now.
    async fn take_over(&self, id: &CallId) -> Result<Job, Error> {
        let job = self.jobs.get(id.as_str()).await.map_err(sorted)?;
        if job.labels().get(OWNER_LABEL) == Some(&self.owner) {
            return Ok(job);
        }
        let patch = json!({ "metadata": { "labels": { OWNER_LABEL: self.owner } } });
        self.jobs.patch(id.as_str(), &PatchParams::default(), &Patch::Merge(patch)).await.map_err(sorted)
    }

    /// Deletes a call's Job with its pods; one that is not there is deleted. No end of it counts any more.
    pub async fn delete(&self, id: &CallId) -> Result<(), Error> {
        let params =
            DeleteParams { propagation_policy: Some(PropagationPolicy::Background), ..DeleteParams::default() };
        match self.jobs.delete(id.as_str(), &params).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            Err(error) => Err(sorted(error)),
        }
    }

    /// Has the cluster remove a call's Job some time after its end.
    pub async fn expire(&self, id: &CallId) -> Result<(), Error> {
        let patch = json!({ "spec": { "ttlSecondsAfterFinished": self.keep.as_secs() } });
        match self.jobs.patch(id.as_str(), &PatchParams::default(), &Patch::Merge(patch)).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            Err(error) => Err(sorted(error)),
        }
    }

    /// A call's Job, if there is one.
    pub async fn job(&self, id: &CallId) -> Result<Option<Job>, Error> {
        self.jobs.get_opt(id.as_str()).await.map_err(sorted)
    }

    /// The pods of a call that are still there.
    pub async fn pods(&self, id: &CallId) -> Result<Vec<Pod>, Error> {
        let params = ListParams::default().labels(&format!("{CALL_LABEL}={id}")).limit(PAGE);
        Ok(self.pods.list(&params).await.map_err(sorted)?.items)
    }

    /// What the Secret of a call holds under this key.
    pub async fn secret(&self, id: &CallId, key: &str) -> Result<Option<String>, Error> {
        let secret = self.secrets.get_opt(id.as_str()).await.map_err(sorted)?;
        let value = secret.and_then(|secret| secret.data?.remove(key));
        Ok(value.and_then(|bytes| String::from_utf8(bytes.0).ok()))
    }

    /// What happens to this replica's Jobs: first all that are there, then every change; after an interruption, or when
    /// the API server has forgotten where it was (410), all again.
    pub fn watch_jobs(&self) -> impl Stream<Item = watcher::Result<Event<Job>>> + Send + 'static {
        watcher(self.jobs.clone(), self.watched()).default_backoff()
    }

    /// The same of their pods.
    pub fn watch_pods(&self) -> impl Stream<Item = watcher::Result<Event<Pod>>> + Send + 'static {
        watcher(self.pods.clone(), self.watched()).default_backoff()
    }

    fn watched(&self) -> watcher::Config {
        watcher::Config::default().labels(&format!("{OWNER_LABEL}={}", self.owner)).page_size(PAGE)
    }

    /// Whether the call has a Job here, as far as is known.
    pub fn has(&self, id: &CallId) -> bool {
        self.open().contains_key(id)
    }

    /// The call has a Job.
    pub fn remember(&self, id: CallId) {
        self.open().entry(id).or_default();
    }

    /// Keeps what is known of a call's pod; whether that is new.
    pub fn note(&self, id: &CallId, trouble: Trouble) -> bool {
        match self.open().get_mut(id) {
            Some(known) if known.as_ref() != Some(&trouble) => {
                *known = Some(trouble);
                true
            }
            _ => false,
        }
    }

    /// What was last known of a call's pod.
    pub fn noted(&self, id: &CallId) -> Option<Trouble> {
        self.open().get(id).cloned().flatten()
    }

    /// The call needs its Job no more; whether it had one.
    pub fn forget(&self, id: &CallId) -> bool {
        self.open().remove(id).is_some()
    }

    /// All calls that have a Job here.
    pub fn calls(&self) -> Vec<CallId> {
        self.open().keys().cloned().collect()
    }

    fn open(&self) -> MutexGuard<'_, HashMap<CallId, Option<Trouble>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether asking again helps: not after 400, 403, 404, 405, 413, 422, but for a quota, which others give back.
fn sorted(error: kube::Error) -> Error {
    match error {
        kube::Error::Api(status) if status.message.contains("exceeded quota") => Error::NotNow(status.message.clone()),
        kube::Error::Api(status) if matches!(status.code, 400 | 403..=405 | 413 | 422) => {
            Error::Refused(status.message.clone())
        }
        kube::Error::Api(status) => Error::NotNow(format!("HTTP {}: {}", status.code, status.message)),
        other => Error::NotNow(other.to_string()),
    }
}
