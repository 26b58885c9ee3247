//! The gateway's methods: each asks the writer, and waits where the request waits.

use super::{
    MAX_MESSAGE_BYTES,
    ask::{Answer, Ask, Handed, Stream as JobStream},
    writer::PARTITION,
};
use crate::engine::machine::{Command, Rejection, Reply};
use futures_util::{Stream, StreamExt};
use std::{pin::Pin, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status};
use zeebe2faas::zeebe::proto::{gateway_server::Gateway, partition::*, *};

/// What it says that it is.
const VERSION: &str = crate::broker::VERSION;
/// How long `ActivateJobs` waits when the request leaves that to the gateway, as in Zeebe.
const LONG_POLL: Duration = Duration::from_secs(10);
/// How long `CreateProcessInstanceWithResult` waits then, as in Zeebe.
const RESULT_WITHIN: Duration = Duration::from_secs(15);
/// Jobs that a stream's client has not read yet.
const STREAM_BUFFER: usize = 32;
/// What a batch of jobs needs beside them, in bytes.
const BATCH_OVERHEAD_BYTES: usize = 64;
/// What each job needs beside itself there, in bytes.
const JOB_OVERHEAD_BYTES: usize = 8;
/// The only tenant: there are no others, as in a Zeebe without multi-tenancy.
const DEFAULT_TENANT: &str = "<default>";

#[derive(Clone)]
pub(super) struct Service(mpsc::Sender<Ask>);

type Batches = Pin<Box<dyn Stream<Item = Result<ActivateJobsResponse, Status>> + Send>>;
type Jobs = Pin<Box<dyn Stream<Item = Result<ActivatedJob, Status>> + Send>>;

impl Service {
    pub(super) const fn new(asks: mpsc::Sender<Ask>) -> Self {
        Self(asks)
    }

    /// Waits for a place in the queue; false when the engine stops.
    pub(super) async fn send(&self, ask: Ask) -> bool {
        self.0.send(ask).await.is_ok()
    }

    fn ask(&self, ask: Ask) -> Result<(), Status> {
        self.0.try_send(ask).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                Status::resource_exhausted(format!("{} requests wait for the engine, its limit", super::QUEUE))
            }
            mpsc::error::TrySendError::Closed(_) => stopping(),
        })
    }

    pub(super) async fn answer<T>(&self, ask: impl FnOnce(Answer<T>) -> Ask) -> Result<T, Status> {
        let (answer, answered) = oneshot::channel();
        self.ask(ask(answer))?;
        answered.await.map_err(|_| stopping())?.map_err(status)
    }

    /// Applies a command whose answer is of one kind.
    async fn apply<T>(&self, command: Command, pick: fn(Reply) -> Option<T>) -> Result<Response<T>, Status> {
        let reply = self.answer(|answer| Ask::Apply(command, answer)).await?;
        pick(reply).map(Response::new).ok_or_else(|| Status::internal("the machine answered something else"))
    }

    /// Applies a command whose answer is empty.
    async fn done<T: Default>(&self, command: Command) -> Result<Response<T>, Status> {
        self.apply(command, |reply| matches!(reply, Reply::Done).then(T::default)).await
    }
}

#[tonic::async_trait]
impl Gateway for Service {
    type ActivateJobsStream = Batches;
    type StreamActivatedJobsStream = Jobs;

    async fn topology(&self, _: Request<TopologyRequest>) -> Result<Response<TopologyResponse>, Status> {
        let partition = Partition {
            partition_id: PARTITION,
            role: PartitionBrokerRole::Leader.into(),
            health: PartitionBrokerHealth::Healthy.into(),
        };
        let broker = BrokerInfo {
            node_id: 0,
            host: "127.0.0.1".to_owned(),
            port: 26501,
            partitions: vec![partition],
            version: VERSION.to_owned(),
        };
        Ok(Response::new(TopologyResponse {
            brokers: vec![broker],
            cluster_size: 1,
            partitions_count: 1,
            replication_factor: 1,
            gateway_version: VERSION.to_owned(),
        }))
    }

    async fn activate_jobs(&self, request: Request<ActivateJobsRequest>) -> Result<Response<Batches>, Status> {
        let request = request.into_inner();
        let wait = match u64::try_from(request.request_timeout) {
            Err(_) => None,
            Ok(0) => Some(LONG_POLL),
            Ok(ms) => Some(Duration::from_millis(ms)),
        };
        if request.max_jobs_to_activate < 1 {
            // As Zeebe's gateway: it asks nobody, and waits for jobs that cannot come.
            tokio::time::sleep(wait.unwrap_or_default()).await;
            return Ok(Response::new(Box::pin(tokio_stream::empty())));
        }
        let (answer, mut answered) = oneshot::channel();
        self.ask(Ask::Activate { request, waits: wait.is_some(), answer })?;
        let jobs = match timeout(wait.unwrap_or(Duration::MAX), &mut answered).await {
            Ok(jobs) => jobs.map_err(|_| stopping())?.map_err(status)?,
            Err(_) => {
                // What came at the last moment is not lost.
                answered.close();
                answered.try_recv().unwrap_or_else(|_| Ok(Vec::new())).map_err(status)?
            }
        };
        let batches = tokio_stream::iter(batches(jobs))
            .map(|batch| Ok(ActivateJobsResponse { jobs: batch.into_iter().map(Handed::take).collect() }));
        Ok(Response::new(Box::pin(batches)))
    }

    async fn stream_activated_jobs(
        &self,
        request: Request<StreamActivatedJobsRequest>,
    ) -> Result<Response<Jobs>, Status> {
        let request = request.into_inner();
        check(&request)?;
        let (jobs, receiver) = mpsc::channel(STREAM_BUFFER);
        let stream = JobStream {
            job_type: request.r#type,
            worker: request.worker,
            timeout_ms: request.timeout,
            fetch_variables: request.fetch_variable,
            jobs,
        };
        self.answer(|answer| Ask::Stream(stream, answer)).await?;
        let mut jobs = ReceiverStream::new(receiver);
        // As Zeebe does: no answer, not even its head, before the first job.
        let first = jobs.next().await;
        Ok(Response::new(Box::pin(tokio_stream::iter(first).chain(jobs).map(|job| Ok(job.take())))))
    }

    async fn create_process_instance_with_result(
        &self,
        request: Request<CreateProcessInstanceWithResultRequest>,
    ) -> Result<Response<CreateProcessInstanceWithResultResponse>, Status> {
        let request = request.into_inner();
        let wait = match u64::try_from(request.request_timeout) {
            Ok(ms @ 1..) => Duration::from_millis(ms),
            _ => RESULT_WITHIN,
        };
        let instance = request.request.unwrap_or_default();
        let completed = timeout(wait, self.answer(|answer| Ask::CreateWithResult(instance, answer))).await;
        let late =
            |_| Status::deadline_exceeded(format!("Time out between gateway and broker: no end within {wait:?}"));
        let completed = completed.map_err(late)??;
        let (created, mut variables) = (completed.created, completed.variables);
        if !request.fetch_variables.is_empty() {
            variables.retain(|name, _| request.fetch_variables.contains(name));
        }
        Ok(Response::new(CreateProcessInstanceWithResultResponse {
            process_definition_key: created.process_definition_key,
            bpmn_process_id: created.bpmn_process_id,
            version: created.version,
            process_instance_key: created.process_instance_key,
            variables: serde_json::Value::from(variables).to_string(),
            tenant_id: created.tenant_id,
        }))
    }

    async fn deploy_resource(
        &self,
        request: Request<DeployResourceRequest>,
    ) -> Result<Response<DeployResourceResponse>, Status> {
        let pick = |reply| if let Reply::Deployed(it) = reply { Some(it) } else { None };
        self.apply(Command::Deploy(request.into_inner()), pick).await
    }

    async fn create_process_instance(
        &self,
        request: Request<CreateProcessInstanceRequest>,
    ) -> Result<Response<CreateProcessInstanceResponse>, Status> {
        let pick = |reply| if let Reply::Created(it) = reply { Some(it) } else { None };
        self.apply(Command::CreateInstance(request.into_inner()), pick).await
    }

    async fn set_variables(
        &self,
        request: Request<SetVariablesRequest>,
    ) -> Result<Response<SetVariablesResponse>, Status> {
        let pick = |reply| if let Reply::VariablesSet(it) = reply { Some(it) } else { None };
        self.apply(Command::SetVariables(request.into_inner()), pick).await
    }

    async fn publish_message(
        &self,
        request: Request<PublishMessageRequest>,
    ) -> Result<Response<PublishMessageResponse>, Status> {
        let pick = |reply| if let Reply::Published(it) = reply { Some(it) } else { None };
        self.apply(Command::PublishMessage(request.into_inner()), pick).await
    }

    async fn cancel_process_instance(
        &self,
        request: Request<CancelProcessInstanceRequest>,
    ) -> Result<Response<CancelProcessInstanceResponse>, Status> {
        self.done(Command::Cancel(request.into_inner())).await
    }

    async fn complete_job(
        &self,
        request: Request<CompleteJobRequest>,
    ) -> Result<Response<CompleteJobResponse>, Status> {
        self.done(Command::CompleteJob(request.into_inner())).await
    }

    async fn fail_job(&self, request: Request<FailJobRequest>) -> Result<Response<FailJobResponse>, Status> {
        self.done(Command::FailJob(request.into_inner())).await
    }

    async fn throw_error(&self, request: Request<ThrowErrorRequest>) -> Result<Response<ThrowErrorResponse>, Status> {
        self.done(Command::ThrowError(request.into_inner())).await
    }

    async fn update_job_timeout(
        &self,
        request: Request<UpdateJobTimeoutRequest>,
    ) -> Result<Response<UpdateJobTimeoutResponse>, Status> {
        self.done(Command::UpdateJobTimeout(request.into_inner())).await
    }

    async fn update_job_retries(
        &self,
        request: Request<UpdateJobRetriesRequest>,
    ) -> Result<Response<UpdateJobRetriesResponse>, Status> {
        self.done(Command::UpdateJobRetries(request.into_inner())).await
    }

    async fn resolve_incident(
        &self,
        request: Request<ResolveIncidentRequest>,
    ) -> Result<Response<ResolveIncidentResponse>, Status> {
        self.done(Command::ResolveIncident(request.into_inner())).await
    }
}

/// What Zeebe demands of a stream.
fn check(request: &StreamActivatedJobsRequest) -> Result<(), Status> {
    let wrong = |what: &str, expected: &str, found: &str| {
        let text = format!("Expected to stream activated jobs with {what} to be {expected}, but it was {found}");
        Err(Status::invalid_argument(text))
    };
    if request.r#type.trim().is_empty() {
        return wrong("type", "present", "blank");
    }
    if request.timeout < 1 {
        return wrong("timeout", "greater than zero", &request.timeout.to_string());
    }
    if let Some(tenant) = request.tenant_ids.iter().find(|tenant| *tenant != DEFAULT_TENANT) {
        return Err(Status::invalid_argument(format!(
            "Expected to handle gRPC request StreamActivatedJobs with tenant identifier '{tenant}', but multi-tenancy is disabled"
        )));
    }
    Ok(())
}

/// As few messages as the largest size allows.
fn batches(jobs: Vec<Handed>) -> Vec<Vec<Handed>> {
    let (mut batches, mut bytes) = (Vec::<Vec<Handed>>::new(), usize::MAX);
    for job in jobs {
        let size = job.encoded_len() + JOB_OVERHEAD_BYTES;
        bytes = bytes.saturating_add(size);
        match batches.last_mut() {
            Some(batch) if bytes <= MAX_MESSAGE_BYTES - BATCH_OVERHEAD_BYTES => batch.push(job),
            _ => {
                batches.push(vec![job]);
                bytes = size;
            }
        }
    }
    batches
}

fn status(Rejection { code, message }: Rejection) -> Status {
    Status::new(code, message)
}

fn stopping() -> Status {
    Status::new(Code::Unavailable, "the engine is stopping")
}
