//! zeebe-rs as the steps need it: workers that fetch jobs, and commands that are not lost under back-pressure.

use crate::{Steps, outbound};
use serde_json::{Value, json};
use std::{error::Error, sync::Arc, time::Duration};
use tokio::{task::JoinSet, time::Instant};
use tonic::Code;
use zeebe_rs::{ActivatedJob, Client, ClientError, SharedState};
use zeebe2faas::{
    bridge::outcome::Outcome,
    config,
    ledger::Pending,
    zeebe::{FailJob, Job},
};

/// Workers for one job type: each one that was given jobs is deaf until its next poll, up to 15 s later.
const WORKERS: usize = 4;
/// How long a poll waits for jobs. A worker begins one every 15 s, so it is deaf for a second when nothing came.
const LONG_POLL: Duration = Duration::from_secs(14);
/// The pause before a second attempt is random up to the first bound, which then doubles up to the second.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Worth another attempt. `Unknown` is what tonic 0.12 says of most broken connections.
const PASSING: [Code; 5] =
    [Code::ResourceExhausted, Code::Unavailable, Code::DeadlineExceeded, Code::Cancelled, Code::Unknown];

/// Starts the workers of one job type, on a connection of their own.
pub async fn spawn_workers(
    tasks: &mut JoinSet<()>,
    worker: &config::Worker,
    steps: &Arc<Steps>,
) -> Result<(), Box<dyn Error>> {
    // No time-out: it would cut the long polls, too.
    let client = connect(&steps.settings.zeebe.address, None).await?;
    let share = worker.max_in_flight.div_ceil(WORKERS);
    for _ in 0..WORKERS {
        let worker = client
            .worker()
            .with_request_timeout(LONG_POLL)
            .with_job_timeout(worker.lock)
            .with_max_jobs_to_activate(share.try_into()?)
            .with_concurrency_limit(share.try_into()?)
            .with_job_type(worker.job_type.clone())
            .with_state(Arc::new(SharedState(Arc::clone(steps))))
            .with_handler(outbound::work)
            .with_worker_name("zeebe2faas-zeebe-rs".to_owned())
            .with_tenant_ids(steps.settings.zeebe.tenants.clone())
            .build();
        tasks.spawn(worker.run());
    }
    Ok(())
}

/// A zeebe-rs job as the steps of the bridge take it.
pub fn job(job: &ActivatedJob) -> Result<Job, serde_json::Error> {
    Ok(Job {
        key: job.key(),
        job_type: job.job_type().to_owned(),
        process_instance_key: job.process_instance_key(),
        bpmn_process_id: job.bpmn_process_id().to_owned(),
        process_version: job.process_definition_version(),
        process_definition_key: job.process_definition_key(),
        element_id: job.element_id().to_owned(),
        element_instance_key: job.element_instance_key(),
        headers: serde_json::from_str(job.custom_headers())?,
        retries: job.retries(),
        deadline_ms: job.deadline(),
        variables: job.variables().to_owned(),
        tenant: job.tenant_id().to_owned(),
    })
}

/// Commands, each repeated after passing errors.
pub struct Commands(Client);

impl Commands {
    /// Connects; a broker that is not there yet is an error.
    pub async fn connect(settings: &config::Zeebe) -> Result<Self, Box<dyn Error>> {
        connect(&settings.address, Some(settings.request_timeout)).await.map(Self)
    }

    /// CompleteJob. A job that is gone was completed before, or cancelled.
    pub async fn complete(&self, key: i64, variables: &Value, patience: Duration) -> Result<(), ClientError> {
        let send = move || async move {
            let request = self.0.complete_job().with_job_key(key).with_variables(variables)?;
            request.send().await.map(drop)
        };
        retried(Code::NotFound, patience, send).await
    }

    /// FailJob; at 0 retries an incident is raised.
    pub async fn fail(&self, fail: &FailJob, patience: Duration) -> Result<(), ClientError> {
        let send = move || async move {
            let request = self.0.fail_job().with_job_key(fail.key).with_retries(fail.retries);
            let request = request.with_retry_back_off(fail.back_off).with_error_message(fail.message.clone());
            request.with_variables(&fail.variables)?.send().await.map(drop)
        };
        retried(Code::NotFound, patience, send).await
    }

    /// PublishMessage of this name: the outcome of a call, under the call's id. One that is there already counts as published.
    pub async fn publish(
        &self,
        name: &str,
        call: &Pending,
        outcome: &Outcome,
        time_to_live: Duration,
        patience: Duration,
    ) -> Result<(), ClientError> {
        let variables = &json!({ call.result.as_str(): outcome });
        let send = move || async move {
            let request = self.0.publish_message().with_name(name.to_owned());
            let request = request.with_correlation_key(call.id.to_string()).with_message_id(call.id.to_string());
            let request = request.with_time_to_live(time_to_live).with_tenant_id(call.tenant.clone());
            request.with_variables(variables)?.send().await.map(drop)
        };
        retried(Code::AlreadyExists, patience, send).await
    }
}

async fn connect(address: &str, timeout: Option<Duration>) -> Result<Client, Box<dyn Error>> {
    let (host, port) = address.rsplit_once(':').ok_or("zeebe.address: expected http://HOST:PORT")?;
    let builder = Client::builder().with_address(host, port.parse()?);
    let builder = match timeout {
        Some(timeout) => builder.with_timeout(timeout),
        None => builder,
    };
    let client = builder.build().await;
    client.map_err(|error| format!("Zeebe at {address}: {error}; is it running?").into())
}

/// Repeats a command after back-pressure and lost connections, until it is done, now or `done_before`.
async fn retried<F>(done_before: Code, patience: Duration, send: impl Fn() -> F) -> Result<(), ClientError>
where
    F: Future<Output = Result<(), ClientError>>,
{
    let end = Instant::now() + patience;
    let mut bound = FIRST_PAUSE;
    loop {
        let Err(error) = send().await else { return Ok(()) };
        let pause = bound.mul_f64(rand::random());
        match &error {
            ClientError::RequestFailed(status) if status.code() == done_before => return Ok(()),
            ClientError::RequestFailed(status) if PASSING.contains(&status.code()) && Instant::now() + pause < end => {}
            _ => return Err(error),
        }
        tokio::time::sleep(pause).await;
        bound = (bound * 2).min(LONGEST_PAUSE);
    }
}
