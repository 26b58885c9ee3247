//! What the configuration says, once it is checked.

use super::{Kubernetes, Replicas};
use crate::{
    listener::Limits,
    reload::{Look, Reloaded},
    secret::Secret,
    zeebe::Auth,
};
use rustls::{ClientConfig, ServerConfig};
use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use zeebe2faas_contract::KeyRing;

/// The checked settings of `zeebe2faas run`. `zeebe2faas.example.toml` explains each key.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of this installation, part of every call id; shared by replicas.
    pub cluster: String,
    /// Name of this replica.
    pub replica: String,
    /// The folder of command templates.
    pub templates: PathBuf,
    /// Constants of the site that every template may use.
    pub vars: serde_json::Map<String, serde_json::Value>,
    /// How the other replicas are reached.
    pub replicas: Replicas,
    /// How Zeebe is reached.
    pub zeebe: Zeebe,
    /// How OpenFaaS is reached.
    pub openfaas: OpenFaas,
    /// Where calls run as Kubernetes Jobs, if they may.
    pub kubernetes: Option<Kubernetes>,
    /// Where callbacks arrive.
    pub callback: Callback,
    /// Health, metrics and the calls API.
    pub admin: SocketAddr,
    /// What a person shows who acts on calls there; without it nobody may.
    pub admin_token: Option<Reloaded<Secret>>,
    /// What each listener bears.
    pub limits: Limits,
    /// Where the ledger lies.
    pub ledger: PathBuf,
    /// Keys.
    pub keys: Keys,
    /// Lifetimes and pace of calls.
    pub calls: Calls,
    /// One for each job type.
    pub workers: Vec<Worker>,
    /// What is known of functions; others have the defaults.
    pub functions: BTreeMap<String, Function>,
    /// Where traces go; nowhere without it.
    pub traces: Option<Traces>,
    /// How long a stop waits for steps under way.
    pub drain_timeout: Duration,
}

impl Settings {
    /// Everything that is made of files which may change while the bridge runs.
    pub fn reloaded(&self) -> Vec<Box<dyn Look>> {
        reloaded(&self.keys, &self.zeebe, &self.callback).chain(self.admin_token.as_ref().map(look)).collect()
    }
}

/// What of the settings models and templates are held against.
#[derive(Debug, Clone)]
pub struct Site {
    /// The folder of command templates.
    pub templates: PathBuf,
    /// Constants of the site that every template may use.
    pub vars: serde_json::Map<String, serde_json::Value>,
    /// Deadline of a call whose task and template name none.
    pub timeout: Duration,
    /// The job types that are worked.
    pub job_types: Vec<String>,
    /// What is known of functions; others have the defaults.
    pub functions: BTreeMap<String, Function>,
}

/// How Zeebe is reached.
#[derive(Debug, Clone)]
pub struct Zeebe {
    /// `http://HOST:PORT` or `https://HOST:PORT` of the gRPC gateway.
    pub address: String,
    /// How its certificate is checked, and the own one, over `https://`.
    pub tls: Option<Reloaded<Arc<ClientConfig>>>,
    /// Who the client is.
    pub auth: Auth,
    /// Deadline of one request.
    pub request_timeout: Duration,
    /// Tenants whose jobs are worked; empty where the cluster has none.
    pub tenants: Vec<String>,
}

/// How OpenFaaS is reached.
#[derive(Debug, Clone)]
pub struct OpenFaas {
    /// The gateway's URL, without a slash at the end.
    pub gateway: String,
    /// How its certificate is checked; as the file was at the start.
    pub tls: Reloaded<Arc<ClientConfig>>,
    /// Deadline of one request.
    pub request_timeout: Duration,
    /// Largest body of an invocation, in bytes; OpenFaaS CE takes 256,000.
    pub body_limit_bytes: usize,
    /// Whether the gateway cancels invocations (`DELETE /async-function/ID`): OpenFaaS Pro.
    pub cancels: bool,
    /// User and the file of the password, for `/system/*` only.
    pub credentials: Option<Credentials>,
}

/// Basic authentication. The password is never printed.
#[derive(Clone)]
pub struct Credentials {
    /// The user's name.
    pub user: String,
    /// The password.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:***", self.user)
    }
}

/// Where callbacks arrive.
#[derive(Debug, Clone)]
pub struct Callback {
    /// The address that is listened on.
    pub listen: SocketAddr,
    /// HTTPS with this, where there is one.
    pub tls: Option<Reloaded<Arc<ServerConfig>>>,
    /// The same listener as functions reach it, without a slash at the end.
    pub url: String,
    /// A longer body is cut, in bytes.
    pub body_limit_bytes: usize,
    /// How long a request may take to arrive.
    pub read_timeout: Duration,
    /// How many callbacks are worked at once; the rest waits.
    pub max_concurrent: usize,
    /// How long a callback that no ledger takes waits for Zeebe before it is answered 503.
    pub patience: Duration,
}

/// Where traces go.
#[derive(Debug, Clone)]
pub struct Traces {
    /// An OTLP collector's URL, without `/v1/traces`.
    pub endpoint: String,
    /// How its certificate is checked; as the file was at the start.
    pub tls: Reloaded<Arc<ClientConfig>>,
    /// The bridge's name in traces.
    pub service: String,
    /// Deadline of one request.
    pub timeout: Duration,
}

/// What keys, Zeebe's access and the callback listener are made of.
pub(super) fn reloaded(keys: &Keys, zeebe: &Zeebe, callback: &Callback) -> impl Iterator<Item = Box<dyn Look>> {
    let secret = match &zeebe.auth {
        Auth::None => None,
        Auth::Basic { password, .. } => Some(look(password)),
        Auth::OAuth(oauth) => Some(look(&oauth.client_secret)),
    };
    let keys = std::iter::once(&keys.token).chain(&keys.runner).map(look);
    keys.chain(zeebe.tls.as_ref().map(look)).chain(callback.tls.as_ref().map(look)).chain(secret)
}

fn look<T: Clone + Send + Sync + 'static>(value: &Reloaded<T>) -> Box<dyn Look> {
    Box::new(value.clone())
}

/// Key rings, read from files, and again when these change.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Signs callback tokens. Never leaves the bridge.
    pub token: Reloaded<KeyRing>,
    /// The secret from which each function's key is made; absent when no function has a runner.
    pub runner: Option<Reloaded<KeyRing>>,
}

/// Lifetimes and pace of calls.
#[derive(Debug, Clone)]
pub struct Calls {
    /// Deadline of a call whose task and template name none.
    pub timeout: Duration,
    /// How long past the deadline the bridge waits for the runner's word before it says `timedOut`.
    pub grace: Duration,
    /// How long the token in a callback URL outlives its call's deadline, and the ledger's row with it.
    pub token_grace: Duration,
    /// Pause between two looks for rows that nothing can ask for any more.
    pub forget_interval: Duration,
    /// How long Zeebe keeps a message for a receive task that is not there yet.
    pub message_ttl: Duration,
    /// Pause between two questions to a runner about the same call, at most.
    pub ask_interval: Duration,
    /// How long nothing may be heard of a submitted call before its runner is asked; then ever more rarely.
    pub heartbeat_timeout: Duration,
    /// Largest rendered command, in bytes.
    pub command_limit_bytes: usize,
    /// Outcomes that are delivered to Zeebe at the same time.
    pub max_deliveries: usize,
    /// Pause before Zeebe hands a job out again whose submission was refused, or whose call failed for the first time.
    pub retry_backoff: Duration,
    /// How long a job that stays open is locked once its call is submitted; renewed in time.
    pub job_lock: Duration,
}

/// One job type.
#[derive(Debug, Clone)]
pub struct Worker {
    /// The type in the BPMN task definition.
    pub job_type: String,
    /// Calls from activation until their outcome is delivered.
    pub max_in_flight: usize,
    /// How long a job is locked for its submission.
    pub lock: Duration,
    /// Whether jobs are streamed besides being polled.
    pub stream: bool,
    /// Pause between two polls.
    pub poll_interval: Duration,
}

/// What is known of a function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Function {
    /// Whether our runner answers behind it, which runs each call once and signs its report.
    pub run_once: bool,
    /// What an invocation's body is.
    pub body: BodyFormat,
    /// Whether a submission with an unknown result is made again.
    pub on_unknown: OnUnknown,
}

/// What an invocation's body is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BodyFormat {
    /// A JSON invocation, for the runner.
    #[default]
    Json,
    /// The command line as text, quoted for a POSIX shell.
    Text,
}

/// What runs a call's function.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Executor {
    /// OpenFaaS's queue.
    #[default]
    OpenFaas,
    /// A Kubernetes Job of its own.
    KubernetesJob,
}

impl std::str::FromStr for Executor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "openfaas" => Ok(Self::OpenFaas),
            "kubernetes-job" => Ok(Self::KubernetesJob),
            other => Err(format!("expected openfaas or kubernetes-job, found `{other}`")),
        }
    }
}

/// What follows when nobody knows whether OpenFaaS queued an invocation, for functions that are not `run_once`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnUnknown {
    /// Wait for a callback or the deadline: the function may be run no time.
    #[default]
    Wait,
    /// Invoke again: the function may be run twice.
    Resubmit,
}

impl std::str::FromStr for OnUnknown {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "wait" => Ok(Self::Wait),
            "resubmit" => Ok(Self::Resubmit),
            other => Err(format!("expected wait or resubmit, found `{other}`")),
        }
    }
}
