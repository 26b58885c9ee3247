//! The API server: one client, and a constant number of watches.

use super::{
    Manifests,
    end::Trouble,
    order::{CALL_LABEL, OWNER_LABEL, owner},
};
use crate::config;
use futures_util::Stream;
use k8s_openapi::{
    ByteString,
    api::{
        batch::v1::Job,
        core::v1::{Event as Word, Pod, Secret},
    },
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
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
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeebe2faas_contract::CallId;

/// Who changed a field, as the API server shows it.
const MANAGER: &str = "zeebe2faas";
/// Objects in one answer to a list.
const PAGE: u32 = 100;
/// Requests that are under way at the same time, besides the watches.
const MAX_REQUESTS: usize = 32;
/// Jobs that are made at the same time.
const MAX_SUBMISSIONS: usize = 16;
/// Jobs that are looked into at the same time.
const MAX_LOOKS: usize = 16;

/// Why the API server did not do what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kubeconfig, or what a pod has instead.
    #[error("kubernetes: {0}")]
    Settings(String),
    /// The API server refuses it, whoever asks again.
    #[error("Kubernetes refuses it: {0}")]
    Refused(String),
    /// It is not allowed. One that has just started says so for some seconds, before it knows the roles.
    #[error("Kubernetes does not allow it: {0}")]
    Forbidden(String),
    /// It may do so another time.
    #[error("the Kubernetes API server: {0}")]
    NotNow(String),
}

/// A namespace in which calls run as Jobs.
pub struct Cluster {
    /// The site's Job templates.
    pub manifests: Manifests,
    /// How long a Job is kept once its outcome is delivered.
    pub keep: Duration,
    owner: String,
    request_timeout: Duration,
    jobs: Api<Job>,
    pods: Api<Pod>,
    words: Api<Word>,
    secrets: Api<Secret>,
    /// Jobs of open calls, with what is known of their pods.
    open: Mutex<HashMap<CallId, Option<Trouble>>>,
    requests: Semaphore,
    submissions: Arc<Semaphore>,
    looks: Arc<Semaphore>,
    pausing: Mutex<HashSet<CallId>>,
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
            request_timeout: settings.request_timeout,
            jobs: Api::namespaced(client.clone(), namespace),
            pods: Api::namespaced(client.clone(), namespace),
            words: Api::namespaced(client.clone(), namespace),
            secrets: Api::namespaced(client, namespace),
            open: Mutex::default(),
            requests: Semaphore::new(MAX_REQUESTS),
            submissions: Arc::new(Semaphore::new(MAX_SUBMISSIONS)),
            looks: Arc::new(Semaphore::new(MAX_LOOKS)),
            pausing: Mutex::default(),
        })
    }

    /// The value of this replica's label.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Creates a call's Job and the Secret that it owns, and gives the Job as it is. One that is there already stays as it
    /// is, and gets its Secret.
    pub async fn create(&self, id: &CallId, job: &Job, secret: BTreeMap<String, Vec<u8>>) -> Result<Box<Job>, Error> {
        self.remember(id.clone());
        let job = match self.within(self.jobs.create(&PostParams::default(), job)).await? {
            Ok(job) => Box::new(job),
            Err(kube::Error::Api(status)) if status.is_already_exists() => self.take_over(id).await?,
            Err(error) => return Err(sorted(error)),
        };
        let reference = OwnerReference {
            api_version: "batch/v1".to_owned(),
            kind: "Job".to_owned(),
            name: id.to_string(),
            uid: job.uid().unwrap_or_default(),
            ..OwnerReference::default()
        };
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(id.to_string()),
                labels: Some(BTreeMap::from([(OWNER_LABEL.to_owned(), self.owner.clone())])),
                owner_references: Some(vec![reference]),
                ..ObjectMeta::default()
            },
            data: Some(secret.into_iter().map(|(key, value)| (key, ByteString(value))).collect()),
            ..Secret::default()
        };
        let (params, patch) = (PatchParams::apply(MANAGER).force(), Patch::Apply(&secret));
        self.within(self.secrets.patch(id.as_str(), &params, &patch)).await?.map_err(sorted)?;
        Ok(job)
    }

    /// A Job that another replica created belongs to whoever works the call now.
    async fn take_over(&self, id: &CallId) -> Result<Box<Job>, Error> {
        let job = self.within(self.jobs.get(id.as_str())).await?.map(Box::new).map_err(sorted)?;
        if job.labels().get(OWNER_LABEL) == Some(&self.owner) {
            return Ok(job);
        }
        let patch = json!({ "metadata": { "labels": { OWNER_LABEL: self.owner } } });
        let patched = self.within(self.jobs.patch(id.as_str(), &PatchParams::default(), &Patch::Merge(patch))).await?;
        patched.map(Box::new).map_err(sorted)
    }

    /// Deletes a call's Job with its pods; one that is not there is deleted. No end of it counts any more.
    pub async fn delete(&self, id: &CallId) -> Result<(), Error> {
        let params =
            DeleteParams { propagation_policy: Some(PropagationPolicy::Background), ..DeleteParams::default() };
        match self.within(self.jobs.delete(id.as_str(), &params)).await? {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            Err(error) => Err(sorted(error)),
        }
    }

    /// Has the cluster remove a call's Job some time after its end.
    pub async fn expire(&self, id: &CallId) -> Result<(), Error> {
        let patch = json!({ "spec": { "ttlSecondsAfterFinished": self.keep.as_secs() } });
        match self.within(self.jobs.patch(id.as_str(), &PatchParams::default(), &Patch::Merge(patch))).await? {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            Err(error) => Err(sorted(error)),
        }
    }

    /// A call's Job, if there is one.
    pub async fn job(&self, id: &CallId) -> Result<Option<Box<Job>>, Error> {
        Ok(self.within(self.jobs.get_opt(id.as_str())).await?.map_err(sorted)?.map(Box::new))
    }

    /// The pods of a call that are still there.
    pub async fn pods(&self, id: &CallId) -> Result<Vec<Pod>, Error> {
        let params = ListParams::default().labels(&format!("{CALL_LABEL}={id}")).limit(PAGE);
        Ok(self.within(self.pods.list(&params)).await?.map_err(sorted)?.items)
    }

    /// What the Secret of a call holds under this key.
    pub async fn secret(&self, id: &CallId, key: &str) -> Result<Option<String>, Error> {
        let secret = self.within(self.secrets.get_opt(id.as_str())).await?.map_err(sorted)?;
        let value = secret.and_then(|secret| secret.data?.remove(key));
        Ok(value.and_then(|bytes| String::from_utf8(bytes.0).ok()))
    }

    /// Watches last; every other request has its time. Boxed, since what the API server tells is large.
    fn within<T>(
        &self,
        request: impl Future<Output = kube::Result<T>>,
    ) -> impl Future<Output = Result<kube::Result<T>, Error>> {
        let request = Box::pin(request);
        async move {
            // Never closed.
            let _room = self.requests.acquire().await.map_err(|error| Error::NotNow(error.to_string()))?;
            let late = |_| Error::NotNow(format!("no answer within {:?}", self.request_timeout));
            tokio::time::timeout(self.request_timeout, request).await.map_err(late)
        }
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

    /// What the cluster says of Jobs, anybody's, whose pods it cannot make.
    pub fn watch_words(&self) -> impl Stream<Item = watcher::Result<Event<Word>>> + Send + 'static {
        let of_jobs = watcher::Config::default().fields("reason=FailedCreate,involvedObject.kind=Job");
        watcher(self.words.clone(), of_jobs.page_size(PAGE)).default_backoff()
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

    /// Its pod has a node; whether it is known to have waited for one.
    pub fn waits_no_more(&self, id: &CallId) -> bool {
        match self.open().get_mut(id) {
            Some(known @ Some(Trouble::Waits(_))) => {
                *known = None;
                true
            }
            _ => false,
        }
    }

    /// The call needs its Job no more; whether it had one.
    pub fn forget(&self, id: &CallId) -> bool {
        self.open().remove(id).is_some()
    }

    /// All calls that have a Job here.
    pub fn calls(&self) -> Vec<CallId> {
        self.open().keys().cloned().collect()
    }

    /// Room for making one Job, until it is dropped.
    pub async fn room_to_submit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.submissions).acquire_owned().await.ok()
    }

    /// Room for one look into a Job, until it is dropped.
    pub async fn room_to_look(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.looks).acquire_owned().await.ok()
    }

    /// Whether a look into this call's Job pauses, and fetches the Job again.
    pub fn pauses(&self, id: &CallId) -> bool {
        locked(&self.pausing).contains(id)
    }

    /// Pauses a look into this call's Job.
    pub async fn pause(&self, id: &CallId, pause: Duration) {
        locked(&self.pausing).insert(id.clone());
        tokio::time::sleep(pause).await;
        locked(&self.pausing).remove(id);
    }

    fn open(&self) -> MutexGuard<'_, HashMap<CallId, Option<Trouble>>> {
        locked(&self.open)
    }
}

/// A panic elsewhere cannot leave these half-changed.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether asking again helps: not after 400, 404, 405, 413, 422; a quota others give back.
fn sorted(error: kube::Error) -> Error {
    match error {
        kube::Error::Api(status) if status.message.contains("exceeded quota") => Error::NotNow(status.message.clone()),
        kube::Error::Api(status) if status.code == 403 => Error::Forbidden(status.message.clone()),
        kube::Error::Api(status) if matches!(status.code, 400 | 404 | 405 | 413 | 422) => {
            Error::Refused(status.message.clone())
        }
        kube::Error::Api(status) => Error::NotNow(format!("HTTP {}: {}", status.code, status.message)),
        other => Error::NotNow(other.to_string()),
    }
}
