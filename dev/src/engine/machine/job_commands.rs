//! What workers and operators say about a job.

use super::{
    Failure, Machine, Rejection, Reply, Step, Triggered,
    jobs::{Job, JobState, Jobs},
    variables::document,
};
use zeebe2faas::zeebe::proto;

/// Zeebe cuts longer messages of workers.
const ERROR_MESSAGE_CHARACTERS: usize = 10_000;

impl Jobs {
    /// Why a command on a job that waits or is locked does not fit.
    pub(super) fn refused(&self, command: &str, verb: &str, key: i64) -> Rejection {
        match self.by_key.get(&key).map(|job| job.state) {
            None => Rejection::not_found(
                command,
                format!("Expected to {verb} job with key '{key}', but no such job was found"),
            ),
            Some(state) => Rejection::invalid_state(
                command,
                format!("Expected to {verb} job with key '{key}', but it is in state '{}'", name(state)),
            ),
        }
    }

    fn open(&self, command: &str, verb: &str, key: i64) -> Result<&Job, Rejection> {
        match self.by_key.get(&key) {
            Some(job) if matches!(job.state, JobState::Activatable | JobState::Activated(_)) => Ok(job),
            _ => Err(self.refused(command, verb, key)),
        }
    }
}

impl Machine {
    pub(super) fn complete_job(&mut self, request: &proto::CompleteJobRequest) -> Result<Reply, Rejection> {
        let variables = document(&request.variables)?;
        let key = request.job_key;
        self.check_partition(key)?;
        let task = self.jobs.open("COMPLETE", "complete", key)?.instance;
        self.jobs.remove(key);
        if let Some(instance) = self.instances.get_mut(&task) {
            instance.job = None;
            let element = instance.element;
            instance.trigger(Triggered { element, variables });
            self.queue.push_back(Step::Complete(task));
        }
        Ok(Reply::Done)
    }

    pub(super) fn fail_job(&mut self, request: proto::FailJobRequest) -> Result<Reply, Rejection> {
        let variables = document(&request.variables)?;
        let key = request.job_key;
        self.check_partition(key)?;
        let task = self.jobs.open("FAIL", "fail", key)?.instance;
        if let Some(job) = self.jobs.by_key.get_mut(&key) {
            job.retries = request.retries;
        }
        self.merge_local(task, variables);
        let back_off = request.retry_back_off;
        if request.retries <= 0 {
            self.jobs.set_state(key, JobState::Failed(None));
            let message = match request.error_message {
                message if message.is_empty() => "No more retries left.".to_owned(),
                message => limited(message),
            };
            self.raise_for_job(key, task, None, Failure { error_type: "JOB_NO_RETRIES", message });
        } else if back_off > 0 {
            self.jobs.set_state(key, JobState::Failed(Some(self.now.saturating_add(back_off))));
        } else {
            self.reactivate_job(key);
        }
        Ok(Reply::Done)
    }

    fn raise_for_job(&mut self, key: i64, task: i64, element: Option<&str>, failure: Failure) {
        let id = self.instances.get(&task).map(|instance| instance.element().id.to_string());
        let element = element.map_or_else(|| id.unwrap_or_default(), str::to_owned);
        let incident = self.create_incident(task, Some(key), element, failure);
        if let Some(job) = self.jobs.by_key.get_mut(&key) {
            job.incident = Some(incident);
        }
    }

    pub(super) fn throw_error(&mut self, request: proto::ThrowErrorRequest) -> Result<Reply, Rejection> {
        let variables = document(&request.variables)?;
        let key = request.job_key;
        self.check_partition(key)?;
        let task = self.jobs.open("THROW_ERROR", "throw an error for", key)?.instance;
        let message = limited(request.error_message);
        match self.find_catcher(Some(task), &request.error_code, &message) {
            Ok(catcher) if self.takes(catcher.instance, catcher.event) => {
                self.jobs.remove(key);
                if let Some(instance) = self.instances.get_mut(&task) {
                    instance.job = None;
                }
                self.throw(catcher, variables);
            }
            Ok(_) => {
                let reason = "Expected to find event scope that is accepting events, but was interrupted".to_owned();
                return Err(Rejection::invalid_state("THROW_ERROR", reason));
            }
            Err(failure) => {
                self.jobs.set_state(key, JobState::ErrorThrown);
                self.raise_for_job(key, task, Some("NO_CATCH_EVENT_FOUND"), failure);
            }
        }
        Ok(Reply::Done)
    }

    fn takes(&self, key: i64, event: crate::engine::bpmn::ElementIx) -> bool {
        self.instances.get(&key).is_some_and(|instance| instance.takes(event))
    }

    pub(super) fn update_job_retries(&mut self, request: &proto::UpdateJobRetriesRequest) -> Result<Reply, Rejection> {
        let (key, retries) = (request.job_key, request.retries);
        self.check_partition(key)?;
        let Some(job) = self.jobs.by_key.get_mut(&key) else { return Err(no_job("UPDATE_RETRIES", key)) };
        if retries < 1 {
            let reason = format!(
                "Expected to update retries for job with key '{key}' with a positive amount of retries, but the amount \
                 given was '{retries}'"
            );
            return Err(Rejection::rejected(
                tonic::Code::InvalidArgument,
                "UPDATE_RETRIES",
                "INVALID_ARGUMENT",
                &reason,
            ));
        }
        job.retries = retries;
        Ok(Reply::Done)
    }

    pub(super) fn update_job_timeout(&mut self, request: &proto::UpdateJobTimeoutRequest) -> Result<Reply, Rejection> {
        let key = request.job_key;
        self.check_partition(key)?;
        match self.jobs.by_key.get(&key).map(|job| job.state) {
            None => Err(no_job("UPDATE_TIMEOUT", key)),
            Some(JobState::Activated(_)) => {
                self.jobs.set_state(key, JobState::Activated(self.now.saturating_add(request.timeout)));
                Ok(Reply::Done)
            }
            Some(_) => {
                let reason = format!("Expected to update the timeout of job with key '{key}', but it is not active");
                Err(Rejection::invalid_state("UPDATE_TIMEOUT", reason))
            }
        }
    }
}

fn no_job(command: &str, key: i64) -> Rejection {
    Rejection::not_found(command, format!("Expected to update job with key '{key}', but no such job was found"))
}

fn name(state: JobState) -> &'static str {
    match state {
        JobState::Activatable => "ACTIVATABLE",
        JobState::Activated(_) => "ACTIVATED",
        JobState::Failed(_) => "FAILED",
        JobState::ErrorThrown => "ERROR_THROWN",
    }
}

fn limited(message: String) -> String {
    if message.len() <= ERROR_MESSAGE_CHARACTERS {
        return message;
    }
    let cut: String = message.chars().take(ERROR_MESSAGE_CHARACTERS).collect();
    cut + "..."
}
