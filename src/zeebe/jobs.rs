use super::{
    Client, Error, JobStream, Retry,
    client::{Command, Stub, json, millis, with_deadline},
    proto,
};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};
use tonic::Request;

const ACTIVATE: &str = "ActivateJobs";

/// One job, handed out and locked for this worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Names it in every later request.
    pub key: i64,
    /// Its type: what the service task asks for.
    pub job_type: String,
    /// The process instance that it belongs to.
    pub process_instance_key: i64,
    /// The process's id in BPMN.
    pub bpmn_process_id: String,
    /// The deployed version of the process.
    pub process_version: i32,
    /// The key of that version.
    pub process_definition_key: i64,
    /// The service task's id in BPMN.
    pub element_id: String,
    /// This pass through the service task.
    pub element_instance_key: i64,
    /// The service task's headers.
    pub headers: BTreeMap<String, String>,
    /// How often it may still be tried, this time included.
    pub retries: i32,
    /// When the lock ends, in milliseconds since 1970 (UTC) by the broker's clock.
    pub deadline_ms: i64,
    /// A JSON object, not parsed yet.
    pub variables: String,
    /// The tenant; `<default>` where there is only one.
    pub tenant: String,
}

/// Which jobs are wanted, and for how long they are locked. Zeebe joins streams for which all of it is equal: keep it
/// equal across replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobQuery {
    /// The jobs' type.
    pub job_type: String,
    /// This worker's name, for people.
    pub worker: String,
    /// How long a job stays with this worker before Zeebe hands it out again.
    pub lock: Duration,
    /// The variables to send along; none means all.
    pub variables: Vec<String>,
    /// The tenants; none means the default one.
    pub tenants: Vec<String>,
}

/// Gives a job back, with what is to become of it.
#[derive(Debug, Clone, Default)]
pub struct FailJob {
    /// The job.
    pub key: i64,
    /// How often it may be tried from now on; at 0 an incident is raised.
    pub retries: i32,
    /// How long Zeebe waits before it hands the job out again. The bridge leaves it at zero: Zeebe can lose the job
    /// (`bridge::pause`).
    pub back_off: Duration,
    /// What went wrong and what to do, for the operator.
    pub message: String,
    /// A JSON object that becomes local to the task, or null for none.
    pub variables: Value,
}

impl Client {
    /// StreamActivatedJobs: jobs as they become activatable from now on. The request leaves with the first
    /// [`JobStream::next`].
    pub fn stream_activated_jobs(&self, query: &JobQuery) -> JobStream {
        let JobQuery { job_type, worker, lock, variables, tenants } = query.clone();
        let request = proto::StreamActivatedJobsRequest {
            r#type: job_type,
            worker,
            timeout: millis(lock),
            fetch_variable: variables,
            tenant_ids: tenants,
        };
        let mut stub = self.activation();
        let client = self.clone();
        let open = async move {
            let send = |request| async move { stub.stream_activated_jobs(request).await };
            client.authority().send(Request::new(request), send).await
        };
        JobStream::new(self.address(), open)
    }

    /// ActivateJobs, one attempt: up to `most` jobs that wait. With none there, waits up to `wait` for one.
    ///
    /// After an error or when dropped, jobs may have been locked for nobody; Zeebe hands them out when the lock ends.
    pub async fn activate_jobs(&self, query: &JobQuery, most: u32, wait: Duration) -> Result<Vec<Job>, Error> {
        let JobQuery { job_type, worker, lock, variables, tenants } = query.clone();
        let request = proto::ActivateJobsRequest {
            r#type: job_type,
            worker,
            timeout: millis(lock),
            max_jobs_to_activate: i32::try_from(most).unwrap_or(i32::MAX),
            fetch_variable: variables,
            request_timeout: if wait.is_zero() { -1 } else { millis(wait) },
            tenant_ids: tenants,
        };
        let after = wait + self.settings().request_timeout;
        let mut stub = self.activation();
        let all = |request| async move {
            let mut batches = stub.activate_jobs(request).await?.into_inner();
            let mut jobs = Vec::new();
            while let Some(batch) = batches.message().await? {
                jobs.extend(batch.jobs);
            }
            Ok(jobs)
        };
        let sent = self.authority().send(with_deadline(request, after), all);
        let jobs = self.answer(ACTIVATE, after, sent).await?;
        jobs.into_iter().map(|job| Job::from_wire(self.address(), ACTIVATE, job)).collect()
    }

    /// CompleteJob. A repeated one may find the job gone ([`Error::NotFound`]), as does one for a cancelled job.
    pub async fn complete_job(&self, key: i64, variables: &Value, retry: Retry) -> Result<(), Error> {
        let request = proto::CompleteJobRequest { job_key: key, variables: json(variables) };
        let send = |mut stub: Stub, request| async move { stub.complete_job(request).await };
        self.command(Command::repeatable("CompleteJob"), retry, request, send).await?;
        Ok(())
    }

    /// FailJob. It sets what it says, so twice is once, unless somebody was handed the job in between: that one's lock
    /// is lost, and the job is handed out once more.
    pub async fn fail_job(&self, failure: &FailJob, retry: Retry) -> Result<(), Error> {
        let request = proto::FailJobRequest {
            job_key: failure.key,
            retries: failure.retries,
            error_message: failure.message.clone(),
            retry_back_off: millis(failure.back_off),
            variables: json(&failure.variables),
        };
        let send = |mut stub: Stub, request| async move { stub.fail_job(request).await };
        self.command(Command::repeatable("FailJob"), retry, request, send).await?;
        Ok(())
    }

    /// ThrowError: ends the job with a BPMN error. A repeated one may find the job gone ([`Error::NotFound`]).
    pub async fn throw_error(
        &self,
        key: i64,
        code: &str,
        message: &str,
        variables: &Value,
        retry: Retry,
    ) -> Result<(), Error> {
        let request = proto::ThrowErrorRequest {
            job_key: key,
            error_code: code.to_owned(),
            error_message: message.to_owned(),
            variables: json(variables),
        };
        let send = |mut stub: Stub, request| async move { stub.throw_error(request).await };
        self.command(Command::repeatable("ThrowError"), retry, request, send).await?;
        Ok(())
    }

    /// UpdateJobTimeout: the lock ends this long from now. [`Error::NotFound`] means that the task is gone. Harmless
    /// to repeat.
    pub async fn update_job_timeout(&self, key: i64, lock: Duration, retry: Retry) -> Result<(), Error> {
        let request = proto::UpdateJobTimeoutRequest { job_key: key, timeout: millis(lock) };
        let send = |mut stub: Stub, request| async move { stub.update_job_timeout(request).await };
        self.command(Command::repeatable("UpdateJobTimeout"), retry, request, send).await?;
        Ok(())
    }

    /// UpdateJobRetries. Harmless to repeat.
    pub async fn update_job_retries(&self, key: i64, retries: i32, retry: Retry) -> Result<(), Error> {
        let request = proto::UpdateJobRetriesRequest { job_key: key, retries };
        let send = |mut stub: Stub, request| async move { stub.update_job_retries(request).await };
        self.command(Command::repeatable("UpdateJobRetries"), retry, request, send).await?;
        Ok(())
    }
}

impl Job {
    /// How much of the lock is left at a time in milliseconds since 1970; it is as right as this host's clock and the
    /// broker's agree.
    pub fn lock_left(&self, now_ms: i64) -> Duration {
        Duration::from_millis(u64::try_from(self.deadline_ms.saturating_sub(now_ms)).unwrap_or(0))
    }

    pub(super) fn from_wire(address: &str, rpc: &'static str, job: proto::ActivatedJob) -> Result<Self, Error> {
        let headers = if job.custom_headers.is_empty() { "{}" } else { &job.custom_headers };
        let headers = serde_json::from_str(headers).map_err(|error| Error::Protocol {
            address: address.to_owned(),
            rpc,
            code: "custom headers".to_owned(),
            message: format!("those of job {} are not an object of strings: {error}", job.key),
        })?;
        Ok(Self {
            key: job.key,
            job_type: job.r#type,
            process_instance_key: job.process_instance_key,
            bpmn_process_id: job.bpmn_process_id,
            process_version: job.process_definition_version,
            process_definition_key: job.process_definition_key,
            element_id: job.element_id,
            element_instance_key: job.element_instance_key,
            headers,
            retries: job.retries,
            deadline_ms: job.deadline,
            variables: job.variables,
            tenant: job.tenant_id,
        })
    }
}
