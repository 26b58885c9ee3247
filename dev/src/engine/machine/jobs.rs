//! Jobs: waiting, locked until a deadline, held back until a time, or stuck in an incident.

use super::{DEFAULT_TENANT, Event, Failure, Machine, Rejection, Reply, variables::to_text};
use crate::engine::bpmn::JobDefinition;
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};
use zeebe2faas::zeebe::proto;

/// Where a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobState {
    Activatable,
    /// Locked until then.
    Activated(i64),
    /// Failed: held back until then, or in an incident.
    Failed(Option<i64>),
    ErrorThrown,
}

/// A service task's job.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) job_type: Arc<str>,
    pub(super) instance: i64,
    pub(super) retries: i32,
    pub(super) headers: Arc<str>,
    pub(super) state: JobState,
    pub(super) incident: Option<i64>,
}

/// All jobs.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    pub(super) by_key: HashMap<i64, Job>,
    activatable: HashMap<Arc<str>, BTreeSet<i64>>,
    /// Ends of locks and of back-offs.
    due: BTreeSet<(i64, i64)>,
}

impl Jobs {
    pub(super) fn next_due(&self) -> Option<i64> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The job's new state, where others find it.
    pub(super) fn set_state(&mut self, key: i64, state: JobState) {
        let Some(job) = self.by_key.get_mut(&key) else { return };
        match std::mem::replace(&mut job.state, state) {
            JobState::Activatable => {
                if let Some(waiting) = self.activatable.get_mut(&job.job_type) {
                    waiting.remove(&key);
                    if waiting.is_empty() {
                        self.activatable.remove(&job.job_type);
                    }
                }
            }
            JobState::Activated(due) | JobState::Failed(Some(due)) => {
                self.due.remove(&(due, key));
            }
            JobState::Failed(None) | JobState::ErrorThrown => {}
        }
        match state {
            JobState::Activatable => {
                self.activatable.entry(Arc::clone(&job.job_type)).or_default().insert(key);
            }
            JobState::Activated(due) | JobState::Failed(Some(due)) => {
                self.due.insert((due, key));
            }
            JobState::Failed(None) | JobState::ErrorThrown => {}
        }
    }

    pub(super) fn insert(&mut self, key: i64, job: Job) {
        let state = job.state;
        self.by_key.insert(key, Job { state: JobState::ErrorThrown, ..job });
        self.set_state(key, state);
    }

    pub(super) fn remove(&mut self, key: i64) -> Option<Job> {
        self.set_state(key, JobState::ErrorThrown);
        self.by_key.remove(&key)
    }

    fn waiting(&self, job_type: &str, count: usize) -> Vec<i64> {
        self.activatable.get(job_type).into_iter().flatten().copied().take(count).collect()
    }

    pub(super) fn check_retries(&self, incident: i64, job: i64) -> Result<(), Rejection> {
        if self.by_key.get(&job).is_some_and(|job| job.retries > 0) {
            return Ok(());
        }
        let reason = format!(
            "Expected to resolve incident with key '{incident}', but job with key '{job}' has no retries left. Please \
             update the job retries and retry resolving the incident"
        );
        Err(Rejection::not_found("RESOLVE", reason))
    }
}

impl Machine {
    pub(super) fn activate_service(&mut self, key: i64, definition: &JobDefinition) -> Result<(), Failure> {
        let job_type = self.evaluate_string(&definition.job_type, Some(key))?;
        if job_type.is_empty() {
            let text = definition.job_type.text();
            return Err(Failure::extract_value(format!(
                "Expected result of the expression '{text}' to be a not-empty string, but was an empty string."
            )));
        }
        let retries = self.evaluate_retries(&definition.retries, key)?;
        self.subscribe(key)?;
        let job_key = self.next_key();
        let job = Job {
            job_type: job_type.into(),
            instance: key,
            retries,
            headers: Arc::clone(&definition.headers),
            state: JobState::Activatable,
            incident: None,
        };
        self.jobs.insert(job_key, job);
        self.announce(job_key);
        if let Some(instance) = self.instances.get_mut(&key) {
            instance.job = Some(job_key);
        }
        self.set_active(key);
        Ok(())
    }

    /// Tells that a job waits.
    pub(super) fn announce(&mut self, key: i64) {
        if let Some(job) = self.jobs.by_key.get(&key) {
            let job_type = job.job_type.to_string();
            self.events.push(Event::JobActivatable { key, job_type, tenant: DEFAULT_TENANT.to_owned() });
        }
    }

    pub(super) fn reactivate_job(&mut self, key: i64) {
        if let Some(job) = self.jobs.by_key.get_mut(&key) {
            job.incident = None;
        }
        self.jobs.set_state(key, JobState::Activatable);
        self.announce(key);
    }

    /// Its element is gone.
    pub(super) fn cancel_job(&mut self, key: i64) {
        if let Some(incident) = self.jobs.remove(key).and_then(|job| job.incident) {
            self.close_incident(incident);
        }
    }

    /// Ends of locks and of back-offs.
    pub(super) fn release_jobs(&mut self) {
        while let Some((due, key)) = self.jobs.due.first().copied()
            && due <= self.now
        {
            self.reactivate_job(key);
        }
    }

    pub(super) fn activate_jobs(&mut self, request: &proto::ActivateJobsRequest) -> Result<Reply, Rejection> {
        for tenant in &request.tenant_ids {
            Rejection::check_tenant("ActivateJobs", tenant)?;
        }
        let expected = |what: &str, to_be: &str, was: &str| {
            let reason = format!("Expected to activate job batch with {what} to be {to_be}, but it was {was}");
            Rejection::rejected(tonic::Code::InvalidArgument, "ACTIVATE", "INVALID_ARGUMENT", &reason)
        };
        let (count, timeout) = (request.max_jobs_to_activate, request.timeout);
        if count < 1 {
            return Err(expected("max jobs to activate", "greater than zero", &format!("'{count}'")));
        }
        if timeout < 1 {
            return Err(expected("timeout", "greater than zero", &format!("'{timeout}'")));
        }
        if request.r#type.is_empty() {
            return Err(expected("type", "present", "blank"));
        }
        let keys = self.jobs.waiting(&request.r#type, usize::try_from(count).unwrap_or_default());
        let locked =
            keys.into_iter().filter_map(|key| self.lock_job(key, &request.worker, timeout, &request.fetch_variable));
        Ok(Reply::Jobs(locked.collect()))
    }

    pub(super) fn push_job(
        &mut self,
        key: i64,
        worker: &str,
        timeout: i64,
        fetch_variables: &[String],
        tenants: &[String],
    ) -> Result<Reply, Rejection> {
        let waits = self.jobs.by_key.get(&key).is_some_and(|job| job.state == JobState::Activatable);
        let sees = tenants.is_empty() || tenants.iter().any(|tenant| tenant == DEFAULT_TENANT);
        if !waits || !sees {
            return Ok(Reply::Jobs(Vec::new()));
        }
        Ok(Reply::Jobs(self.lock_job(key, worker, timeout, fetch_variables).into_iter().collect()))
    }

    pub(super) fn yield_job(&mut self, key: i64) -> Result<Reply, Rejection> {
        match self.jobs.by_key.get(&key).map(|job| job.state) {
            Some(JobState::Activated(_)) => {
                self.reactivate_job(key);
                Ok(Reply::Done)
            }
            _ => Err(self.jobs.refused("YIELD", "yield", key)),
        }
    }

    fn lock_job(&mut self, key: i64, worker: &str, timeout: i64, names: &[String]) -> Option<proto::ActivatedJob> {
        let deadline = self.now.saturating_add(timeout);
        self.jobs.set_state(key, JobState::Activated(deadline));
        let job = self.jobs.by_key.get(&key)?;
        let instance = self.instances.get(&job.instance)?;
        Some(proto::ActivatedJob {
            key,
            r#type: job.job_type.to_string(),
            process_instance_key: instance.process_instance,
            bpmn_process_id: instance.definition.process.id.to_string(),
            process_definition_version: instance.definition.version,
            process_definition_key: instance.definition.key,
            element_id: instance.element().id.to_string(),
            element_instance_key: job.instance,
            custom_headers: job.headers.to_string(),
            worker: worker.to_owned(),
            retries: job.retries,
            deadline,
            variables: to_text(self.visible_variables(job.instance, names)),
            tenant_id: DEFAULT_TENANT.to_owned(),
        })
    }
}
