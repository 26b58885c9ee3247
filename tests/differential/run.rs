//! One scenario on one peer: what it asks, and the trace of what came of it.

use crate::{
    answers::{code, describe, parsed},
    bpmn::Bpmn,
    facts::{Fact, Incident},
    peer::Peer,
    trace::{Trace, masked},
};
use serde_json::Value;
use std::{pin::Pin, sync::Arc, time::Duration};
use tokio::task::JoinHandle;
use tonic::{Status, transport::Channel};
use zeebe2faas::zeebe::{
    Client, Error, FailJob, Job, JobQuery, JobStream, Message, NewInstance, Retry, Version,
    proto::gateway_client::GatewayClient,
};
use zeebe2faas_tests::{PATIENCE, soon};

/// Longer than any scenario.
const LOCK: Duration = Duration::from_secs(3600);
/// More jobs than any scenario has at once.
const MOST_JOBS: u32 = 200;
/// How often it is tried whether a stream brings jobs yet.
const PROBE_EVERY: Duration = Duration::from_millis(100);

/// What a scenario needs and does not get: it ends there.
#[derive(Debug)]
pub struct Missing(pub String);

/// What a scenario does.
pub type Script<'a> = Pin<Box<dyn Future<Output = Result<(), Missing>> + Send + 'a>>;

/// A scenario under way.
pub struct Run {
    peer: Arc<Peer>,
    tag: String,
    trace: Trace,
    open: Vec<Incident>,
    texts: bool,
    together: bool,
}

impl Run {
    /// `number` tells scenarios on the same peer apart.
    pub fn new(peer: Arc<Peer>, number: usize) -> Self {
        Self {
            peer,
            tag: format!("t{number}_"),
            trace: Trace::default(),
            open: Vec::new(),
            texts: true,
            together: false,
        }
    }

    /// What came of it, with the names and keys that both peers share.
    pub fn finish(self, result: Result<(), Missing>) -> String {
        let mut trace = self.trace;
        if let Err(Missing(what)) = result {
            trace.line(format!("MISSING {what}"));
        }
        trace.normalised(&self.tag)
    }

    /// From now on the texts of refusals are not compared, only their codes.
    pub fn codes_only(&mut self) {
        self.texts = false;
    }

    /// From now on, until it is called again, all that happens counts as one: what comes by itself has no time.
    pub async fn together(&mut self, together: bool) {
        self.together = together;
        self.settle().await;
    }

    /// A word about what is shown.
    pub fn note(&mut self, text: impl Into<String>) {
        self.trace.line(format!("-- {}", text.into()));
    }

    // Deployments and instances.

    pub async fn deploy(&mut self, process: Bpmn) -> bool {
        self.deploy_files(vec![("process.bpmn".to_owned(), process.xml())]).await
    }

    /// Whether they are there.
    pub async fn deploy_files(&mut self, files: Vec<(String, String)>) -> bool {
        let files = files.into_iter().map(|(name, text)| (name, self.own(&text).into_bytes())).collect();
        let answer = self.client().deploy_resource(files, "", forever()).await;
        let told = answer.as_ref().map(|deployed| {
            let process = |p: &zeebe2faas::zeebe::Process| {
                format!(" {} {} v{} {} {}", p.bpmn_process_id, p.definition_key, p.version, p.resource, p.tenant)
            };
            deployed.processes.iter().map(process).collect::<String>()
        });
        self.answered("deploy", told.map_err(code)).await;
        answer.is_ok()
    }

    /// Starts an instance of the last version; gives its key.
    pub async fn start(&mut self, process: &str, variables: Value) -> Result<i64, Missing> {
        self.start_version(process, Version::Latest, variables).await
    }

    pub async fn start_version(&mut self, process: &str, version: Version, variables: Value) -> Result<i64, Missing> {
        let what = format!("start {process} {version:?} {variables}");
        let instance = self.new_instance(process, version, &variables);
        let answer = self.client().create_process_instance(&instance, forever()).await;
        self.answered(&what, answer.as_ref().map(|key| format!(" instance {key}")).map_err(code)).await;
        answer.map_err(|_| Missing(what))
    }

    /// Starts an instance; [`result`](Self::result) waits for its end.
    pub fn start_and_wait(&mut self, process: &str, variables: &Value, fetch: &[&str]) -> JoinHandle<Waited> {
        self.trace.line(format!("start {process} {variables} and wait for {fetch:?}"));
        let (client, instance) = (self.client(), self.new_instance(process, Version::Latest, variables));
        let fetch: Vec<String> = fetch.iter().map(|name| (*name).to_owned()).collect();
        tokio::spawn(async move {
            let answer = client.create_process_instance_with_result(&instance, &fetch, PATIENCE, forever()).await;
            answer.map(|answer| answer.variables)
        })
    }

    pub async fn result(&mut self, waiting: JoinHandle<Waited>) {
        let answer = soon(waiting).await.unwrap();
        self.answered("the result", answer.map(|text| format!(" {}", parsed(&text))).map_err(|e| code(&e))).await;
    }

    pub async fn cancel(&mut self, instance: i64) {
        let answer = self.client().cancel_process_instance(instance, forever()).await;
        self.done(&format!("cancel {instance}"), &answer).await;
    }

    // Jobs.

    /// All jobs of a type that wait, sorted; they are locked for an hour.
    pub async fn jobs(&mut self, job_type: &str) -> Vec<Job> {
        let query = self.query(job_type);
        self.jobs_by(&query).await
    }

    pub async fn jobs_by(&mut self, query: &JobQuery) -> Vec<Job> {
        self.some_jobs(query, MOST_JOBS).await
    }

    pub async fn some_jobs(&mut self, query: &JobQuery, most: u32) -> Vec<Job> {
        let answer = self.client().activate_jobs(query, most, Duration::ZERO).await;
        let what = format!("activate {}", query.job_type);
        match answer {
            Ok(mut jobs) => {
                jobs.sort_by_cached_key(|job| (masked(&describe(job)), job.key));
                self.trace.line(format!("{what} -> {}", jobs.len()));
                for job in &jobs {
                    self.trace.line(format!("    {}", describe(job)));
                }
                jobs
            }
            Err(error) => {
                self.answered(&what, Err(code(&error))).await;
                Vec::new()
            }
        }
    }

    /// The one job of a type that waits.
    pub async fn job(&mut self, job_type: &str) -> Result<Job, Missing> {
        self.jobs(job_type).await.into_iter().next().ok_or_else(|| Missing(format!("a job {job_type}")))
    }

    /// Takes the job of a type and completes it.
    pub async fn work(&mut self, job_type: &str, variables: Value) -> Result<(), Missing> {
        let job = self.job(job_type).await?;
        self.complete(&job, variables).await;
        Ok(())
    }

    /// Asks for jobs that may still come; [`polled`](Self::polled) waits for them.
    pub fn poll(&mut self, job_type: &str) -> JoinHandle<Result<Vec<Job>, Error>> {
        self.trace.line(format!("poll {job_type}"));
        let (client, query) = (self.client(), self.query(job_type));
        tokio::spawn(async move { client.activate_jobs(&query, 1, PATIENCE).await })
    }

    pub async fn polled(&mut self, polling: JoinHandle<Result<Vec<Job>, Error>>) -> Result<Job, Missing> {
        let job = soon(polling).await.unwrap().map(|jobs| jobs.into_iter().next());
        let Ok(Some(job)) = job else { return Err(Missing("a polled job".to_owned())) };
        self.trace.line(format!("polled {}", describe(&job)));
        Ok(job)
    }

    /// A stream of jobs that has begun. That it has is seen by a first job, of a process of its own.
    pub async fn open_stream(&mut self, job_type: &str) -> JobStream {
        self.trace.line(format!("stream {job_type}"));
        let (client, query) = (self.client(), self.query(job_type));
        let process = Bpmn::process("probe").task_of("probe", job_type, "").xml();
        let file = ("probe.bpmn".to_owned(), self.own(&process).into_bytes());
        client.deploy_resource(vec![file], "", forever()).await.unwrap();
        let probe = self.new_instance("probe", Version::Latest, &Value::Null);
        let mut stream = client.stream_activated_jobs(&query);
        soon(async {
            loop {
                let instance = client.create_process_instance(&probe, forever()).await.unwrap();
                let pushed = tokio::time::timeout(PROBE_EVERY, stream.next()).await;
                client.cancel_process_instance(instance, forever()).await.unwrap();
                if matches!(pushed, Ok(Some(Ok(job))) if job.process_instance_key == instance) {
                    return;
                }
            }
        })
        .await;
        self.peer.settle(&self.tag).await;
        self.peer.facts().take(&self.tag);
        stream
    }

    /// The job that a stream brings next.
    pub async fn streamed(&mut self, stream: &mut JobStream) -> Result<Job, Missing> {
        let Some(Ok(job)) = soon(stream.next()).await else { return Err(Missing("a streamed job".to_owned())) };
        self.trace.line(format!("streamed {}", describe(&job)));
        Ok(job)
    }

    /// What jobs are asked for by [`jobs`](Self::jobs).
    pub fn query(&self, job_type: &str) -> JobQuery {
        let (job_type, worker) = (format!("{}{job_type}", self.tag), "worker".to_owned());
        JobQuery { job_type, worker, lock: LOCK, variables: Vec::new(), tenants: Vec::new() }
    }

    pub async fn complete(&mut self, job: &Job, variables: Value) {
        let variables = self.own_value(&variables);
        let answer = self.client().complete_job(job.key, &variables, forever()).await;
        self.done(&format!("complete {} {variables}", job.key), &answer).await;
    }

    pub async fn fail(&mut self, job: &Job, retries: i32, message: &str) {
        let failure = FailJob { key: job.key, retries, message: message.to_owned(), ..FailJob::default() };
        self.fail_with(failure).await;
    }

    pub async fn fail_with(&mut self, failure: FailJob) {
        let answer = self.client().fail_job(&failure, forever()).await;
        let FailJob { key, retries, back_off, message, variables } = failure;
        self.done(&format!("fail {key} retries {retries} after {back_off:?} {variables}: {message}"), &answer).await;
    }

    pub async fn throw(&mut self, job: &Job, error: &str, variables: Value) {
        let answer = self.client().throw_error(job.key, error, "thrown", &variables, forever()).await;
        self.done(&format!("throw {error} {} {variables}", job.key), &answer).await;
    }

    pub async fn set_retries(&mut self, job: &Job, retries: i32) {
        let answer = self.client().update_job_retries(job.key, retries, forever()).await;
        self.done(&format!("retries of {} {retries}", job.key), &answer).await;
    }

    pub async fn set_timeout(&mut self, job: &Job, lock: Duration) {
        let answer = self.client().update_job_timeout(job.key, lock, forever()).await;
        self.done(&format!("timeout of {} {lock:?}", job.key), &answer).await;
    }

    // Messages, variables, incidents, time.

    /// Publishes a message that is not kept.
    pub async fn publish(&mut self, name: &str, key: &str, variables: Value) {
        self.publish_with(name, key, "", Duration::ZERO, variables).await;
    }

    /// Publishes a message with an id, kept for a while.
    pub async fn publish_with(&mut self, name: &str, key: &str, id: &str, time_to_live: Duration, variables: Value) {
        let message = Message {
            name: format!("{}{name}", self.tag),
            correlation_key: key.to_owned(),
            id: id.to_owned(),
            time_to_live,
            variables: if variables.is_null() { String::new() } else { variables.to_string() },
            tenant: String::new(),
        };
        let answer = self.client().publish_message(&message, forever()).await.map(drop);
        self.done(&format!("publish {name} {key:?} {id:?} {time_to_live:?} {variables}"), &answer).await;
    }

    pub async fn set_variables(&mut self, scope: i64, variables: Value, local: bool) {
        let answer = self.client().set_variables(scope, &variables, local, forever()).await;
        self.done(&format!("set {scope} {variables} local {local}"), &answer).await;
    }

    /// The oldest incident that is open.
    pub fn incident(&self) -> Result<i64, Missing> {
        self.open.first().map(|incident| incident.key).ok_or_else(|| Missing("an incident".to_owned()))
    }

    pub async fn resolve(&mut self, incident: i64) {
        let answer = self.client().resolve_incident(incident, forever()).await;
        self.done(&format!("resolve {incident}"), &answer).await;
    }

    pub async fn advance(&mut self, minutes: u64) {
        self.peer.advance(Duration::from_secs(60 * minutes)).await;
        self.trace.line(format!("{minutes} minutes later"));
        self.settle().await;
    }

    // What the client has no method for.

    /// A request as it goes over the wire.
    pub async fn raw<A, F>(&mut self, what: &str, send: impl FnOnce(GatewayClient<Channel>, String) -> F)
    where
        F: Future<Output = Result<A, Status>>,
    {
        let answer = send(self.peer.stub.clone(), self.tag.clone()).await;
        let refused = |status: Status| (format!("{:?}", status.code()), status.message().to_owned());
        self.answered(what, answer.map(|_| String::new()).map_err(refused)).await;
    }

    fn client(&self) -> Client {
        self.peer.client.clone()
    }

    fn new_instance(&self, process: &str, version: Version, variables: &Value) -> NewInstance {
        let bpmn_process_id = format!("{}{process}", self.tag);
        NewInstance { bpmn_process_id, version, variables: self.own_value(variables), tenant: String::new() }
    }

    fn own(&self, text: &str) -> String {
        text.replace('~', &self.tag)
    }

    fn own_value(&self, value: &Value) -> Value {
        serde_json::from_str(&self.own(&value.to_string())).unwrap()
    }

    async fn done(&mut self, what: &str, answer: &Result<(), Error>) {
        self.answered(what, answer.as_ref().map(|()| String::new()).map_err(code)).await;
    }

    async fn answered(&mut self, what: &str, answer: Result<String, (String, String)>) {
        let refused = answer.is_err();
        self.trace.line(match answer {
            Ok(told) => format!("{what} ->{told} ok"),
            Err((code, text)) if self.texts => format!("{what} -> {code}: {text}"),
            Err((code, _)) => format!("{what} -> {code}"),
        });
        // What is refused has no consequences.
        if !refused {
            self.settle().await;
        }
    }

    /// Notes what happened since the last request.
    async fn settle(&mut self) {
        self.peer.settle(&self.tag).await;
        if self.together {
            return;
        }
        let mut facts = self.peer.facts().take(&self.tag);
        // What happens side by side has no order.
        facts.sort_by_cached_key(|fact| masked(&fact.to_string()));
        for fact in &facts {
            match fact {
                Fact::Raised(incident) => self.open.push(incident.clone()),
                Fact::Resolved { incident } => self.open.retain(|open| open.key != *incident),
                _ => {}
            }
            self.trace.line(format!("    {fact}"));
        }
    }
}

/// How waiting for an instance ended: with its variables, as text.
pub type Waited = Result<String, Error>;

/// What passes, such as back-pressure, is no answer.
fn forever() -> Retry {
    Retry::within(PATIENCE)
}
