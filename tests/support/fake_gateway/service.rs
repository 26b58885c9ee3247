use super::{Seen, Service};
use std::{pin::Pin, time::Duration};
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt, wrappers::UnboundedReceiverStream};
use tonic::{Request, Response, Status};
use zeebe2faas::zeebe::proto::{gateway_server::Gateway, *};

/// What it says that it is: one broker with one healthy partition of this version.
const VERSION: &str = "8.6.0";

/// Wakes the tests that wait when the client has closed a stream.
struct ChangedWhenDropped(Service);

impl Drop for ChangedWhenDropped {
    fn drop(&mut self) {
        self.0.change(|_| ());
    }
}

type Batches = Pin<Box<dyn Stream<Item = Result<ActivateJobsResponse, Status>> + Send>>;
type Jobs = Pin<Box<dyn Stream<Item = Result<ActivatedJob, Status>> + Send>>;

#[tonic::async_trait]
impl Gateway for Service {
    type ActivateJobsStream = Batches;
    type StreamActivatedJobsStream = Jobs;

    async fn activate_jobs(&self, request: Request<ActivateJobsRequest>) -> Result<Response<Batches>, Status> {
        let request = request.into_inner();
        let wait = Duration::from_millis(u64::try_from(request.request_timeout).unwrap_or(0));
        let most = usize::try_from(request.max_jobs_to_activate).unwrap_or(0);
        self.take("ActivateJobs", Seen::Activate(request)).await?;
        let jobs = self.jobs_from_backlog(most, wait).await;
        // One job to a batch: a client must read on to the end.
        let batches: Vec<_> = jobs.into_iter().map(|job| Ok(ActivateJobsResponse { jobs: vec![job] })).collect();
        Ok(Response::new(Box::pin(tokio_stream::iter(batches))))
    }

    async fn stream_activated_jobs(
        &self,
        request: Request<StreamActivatedJobsRequest>,
    ) -> Result<Response<Jobs>, Status> {
        self.take("StreamActivatedJobs", Seen::Stream(request.into_inner())).await?;
        let (send, receive) = mpsc::unbounded_channel();
        self.change(|state| state.streams.push(send));
        // Dropped after the receiver, here and in the stream below.
        let closed = ChangedWhenDropped(self.clone());
        let mut jobs = UnboundedReceiverStream::new(receive);
        // As Zeebe does: no answer, not even its head, before the first job.
        let first = jobs.next().await;
        let jobs = tokio_stream::iter(first).chain(jobs).map(move |job| {
            let _ = &closed;
            job
        });
        Ok(Response::new(Box::pin(jobs)))
    }

    async fn topology(&self, _: Request<TopologyRequest>) -> Result<Response<TopologyResponse>, Status> {
        self.take("Topology", Seen::Other("Topology")).await?;
        let partition = Partition { partition_id: 1, ..Default::default() };
        let broker = BrokerInfo { partitions: vec![partition], version: VERSION.to_owned(), ..Default::default() };
        Ok(Response::new(TopologyResponse {
            brokers: vec![broker],
            cluster_size: 1,
            partitions_count: 1,
            replication_factor: 1,
            gateway_version: VERSION.to_owned(),
        }))
    }

    async fn deploy_resource(
        &self,
        _: Request<DeployResourceRequest>,
    ) -> Result<Response<DeployResourceResponse>, Status> {
        self.take("DeployResource", Seen::Other("DeployResource")).await?;
        Ok(Response::new(Default::default()))
    }

    async fn create_process_instance(
        &self,
        request: Request<CreateProcessInstanceRequest>,
    ) -> Result<Response<CreateProcessInstanceResponse>, Status> {
        self.take("CreateProcessInstance", Seen::Create(request.into_inner())).await?;
        Ok(Response::new(CreateProcessInstanceResponse { process_instance_key: 1, ..Default::default() }))
    }

    async fn create_process_instance_with_result(
        &self,
        request: Request<CreateProcessInstanceWithResultRequest>,
    ) -> Result<Response<CreateProcessInstanceWithResultResponse>, Status> {
        let created = Seen::Create(request.into_inner().request.unwrap_or_default());
        self.take("CreateProcessInstanceWithResult", created).await?;
        Ok(Response::new(Default::default()))
    }

    async fn cancel_process_instance(
        &self,
        _: Request<CancelProcessInstanceRequest>,
    ) -> Result<Response<CancelProcessInstanceResponse>, Status> {
        self.take("CancelProcessInstance", Seen::Other("CancelProcessInstance")).await?;
        Ok(Response::new(Default::default()))
    }

    async fn complete_job(
        &self,
        request: Request<CompleteJobRequest>,
    ) -> Result<Response<CompleteJobResponse>, Status> {
        self.take("CompleteJob", Seen::Complete(request.into_inner())).await?;
        Ok(Response::new(Default::default()))
    }

    async fn fail_job(&self, request: Request<FailJobRequest>) -> Result<Response<FailJobResponse>, Status> {
        self.take("FailJob", Seen::Fail(request.into_inner())).await?;
        Ok(Response::new(Default::default()))
    }

    async fn throw_error(&self, request: Request<ThrowErrorRequest>) -> Result<Response<ThrowErrorResponse>, Status> {
        self.take("ThrowError", Seen::Throw(request.into_inner())).await?;
        Ok(Response::new(Default::default()))
    }

    async fn update_job_timeout(
        &self,
        request: Request<UpdateJobTimeoutRequest>,
    ) -> Result<Response<UpdateJobTimeoutResponse>, Status> {
        self.take("UpdateJobTimeout", Seen::UpdateTimeout(request.into_inner())).await?;
        Ok(Response::new(Default::default()))
    }

    async fn update_job_retries(
        &self,
        _: Request<UpdateJobRetriesRequest>,
    ) -> Result<Response<UpdateJobRetriesResponse>, Status> {
        self.take("UpdateJobRetries", Seen::Other("UpdateJobRetries")).await?;
        Ok(Response::new(Default::default()))
    }

    async fn set_variables(&self, _: Request<SetVariablesRequest>) -> Result<Response<SetVariablesResponse>, Status> {
        self.take("SetVariables", Seen::Other("SetVariables")).await?;
        Ok(Response::new(Default::default()))
    }

    async fn publish_message(
        &self,
        request: Request<PublishMessageRequest>,
    ) -> Result<Response<PublishMessageResponse>, Status> {
        self.take("PublishMessage", Seen::Publish(request.into_inner())).await?;
        Ok(Response::new(PublishMessageResponse { key: 7, ..Default::default() }))
    }

    async fn resolve_incident(
        &self,
        _: Request<ResolveIncidentRequest>,
    ) -> Result<Response<ResolveIncidentResponse>, Status> {
        self.take("ResolveIncident", Seen::Other("ResolveIncident")).await?;
        Ok(Response::new(Default::default()))
    }
}
