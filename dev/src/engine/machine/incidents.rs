//! Incidents: an element or a job that cannot go on, until somebody says that it can.

use super::{Event, Failure, Machine, Rejection, Reply, State};
use zeebe2faas::zeebe::proto;

/// What an incident is about.
#[derive(Debug)]
pub(super) struct Incident {
    pub(super) instance: i64,
    pub(super) job: Option<i64>,
}

impl Machine {
    /// The element instance cannot go on.
    pub(super) fn raise(&mut self, instance: i64, failure: Failure) {
        let element = self.instances.get(&instance).map(|instance| instance.element().id.to_string());
        let key = self.create_incident(instance, None, element.unwrap_or_default(), failure);
        if let Some(instance) = self.instances.get_mut(&instance) {
            instance.incidents.push(key);
        }
    }

    pub(super) fn create_incident(
        &mut self,
        instance: i64,
        job: Option<i64>,
        element: String,
        failure: Failure,
    ) -> i64 {
        let key = self.next_key();
        self.incidents.insert(key, Incident { instance, job });
        self.events.push(Event::IncidentCreated {
            key,
            job_key: job.unwrap_or(-1),
            instance: self.instances.get(&instance).map_or(-1, |instance| instance.process_instance),
            element,
            error_type: failure.error_type,
            message: failure.message,
        });
        key
    }

    /// An incident is gone.
    pub(super) fn close_incident(&mut self, key: i64) {
        if self.incidents.remove(&key).is_some() {
            self.events.push(Event::IncidentResolved { key });
        }
    }

    /// The element instance is gone, and its incidents with it.
    pub(super) fn resolve_incidents_of(&mut self, instance: i64) {
        let Some(instance) = self.instances.get_mut(&instance) else { return };
        for incident in std::mem::take(&mut instance.incidents) {
            self.close_incident(incident);
        }
    }

    pub(super) fn resolve_incident(&mut self, request: &proto::ResolveIncidentRequest) -> Result<Reply, Rejection> {
        let key = request.incident_key;
        self.check_partition(key)?;
        let Some(Incident { instance, job }) = self.incidents.get(&key) else {
            let reason = format!("Expected to resolve incident with key '{key}', but no such incident was found");
            return Err(Rejection::not_found("RESOLVE", reason));
        };
        let (instance, job) = (*instance, *job);
        if let Some(job) = job {
            self.jobs.check_retries(key, job)?;
            self.close_incident(key);
            self.reactivate_job(job);
            return Ok(Reply::Done);
        }
        self.close_incident(key);
        let Some(waiting) = self.instances.get_mut(&instance) else { return Ok(Reply::Done) };
        waiting.incidents.retain(|incident| *incident != key);
        let state = waiting.state;
        if state == State::Completing {
            self.complete(instance);
        } else if state == State::Activating && self.surroundings_run(instance) {
            self.activate_again(instance);
        }
        Ok(Reply::Done)
    }
}
