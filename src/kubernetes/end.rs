//! How a Job ended, from its own conditions and its pods'. Pure.

use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{ContainerStateTerminated, Pod},
};

/// How a Job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Its pod's containers all exited with 0.
    Succeeded,
    /// Its function's container exited with another code.
    Failed {
        /// The code.
        exit_code: i32,
        /// The end of its log, where the kubelet kept it.
        last_words: String,
    },
    /// The kernel killed the container at its memory limit.
    OutOfMemory,
    /// The function may be without fault: evicted, preempted, its node gone. In words.
    Lost(String),
    /// It was never started: its image is not there. In words.
    NeverRan(String),
    /// Its time was over.
    TimedOut,
}

/// What keeps a pod from running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// It may run yet: the scheduler's words.
    Waits(String),
    /// It never runs as it is, in words.
    Stuck(String),
    /// It was taken away, in words.
    Taken(String),
}

/// Reasons for which a container waits that no time mends.
const STUCK: [&str; 5] =
    ["ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError", "CreateContainerError"];
/// For how many characters somebody else's words are quoted.
const QUOTED_CHARACTERS: usize = 600;

/// How the Job ended; nothing while it has not. `known`: what was seen of a pod that may be gone by now.
pub fn of_job(job: &Job, pods: &[Pod], known: Option<&Trouble>) -> Option<End> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let holds = |kind: &str| conditions.iter().find(|condition| condition.type_ == kind && condition.status == "True");
    if holds("Complete").is_some() {
        return Some(End::Succeeded);
    }
    let failed = holds("Failed")?;
    let ends = pods.iter().filter_map(of_pod);
    // A pod that was taken away and one that failed may both be there: what the function itself did says more.
    let of_pods = ends.max_by_key(|end| u8::from(!matches!(end, End::Lost(_))));
    match (failed.reason.as_deref(), of_pods, known) {
        (Some("DeadlineExceeded"), _, _) => Some(End::TimedOut),
        (_, Some(end), _) => Some(end),
        (_, None, Some(Trouble::Taken(why))) => Some(End::Lost(why.clone())),
        (_, None, Some(Trouble::Stuck(why))) => Some(End::NeverRan(why.clone())),
        _ => {
            Some(End::Lost(format!("its Job failed: {}", quote(failed.message.as_deref().unwrap_or("without a word")))))
        }
    }
}

/// Whether a Job has come to its end.
pub fn is_finished(job: &Job) -> bool {
    of_job(job, &[], None).is_some()
}

/// How a failed pod ended.
fn of_pod(pod: &Pod) -> Option<End> {
    let status = pod.status.as_ref()?;
    if status.phase.as_deref() != Some("Failed") {
        return None;
    }
    if let Some(Trouble::Taken(why)) = trouble(pod) {
        return Some(End::Lost(why));
    }
    let terminated =
        status.container_statuses.iter().flatten().filter_map(|status| status.state.as_ref()?.terminated.as_ref());
    let failed: Option<&ContainerStateTerminated> = terminated.clone().find(|ended| ended.exit_code != 0);
    match failed {
        Some(ended) if ended.reason.as_deref() == Some("OOMKilled") => Some(End::OutOfMemory),
        Some(ended) => {
            let last_words = ended.message.clone().unwrap_or_default();
            Some(End::Failed { exit_code: ended.exit_code, last_words })
        }
        None => Some(End::Lost(match (&status.reason, &status.message) {
            (Some(reason), Some(message)) => format!("its pod failed: {reason}: {}", quote(message)),
            (Some(one), None) | (None, Some(one)) => format!("its pod failed: {}", quote(one)),
            (None, None) => "its pod failed without a word".to_owned(),
        })),
    }
}

/// Whether the pod has a node.
pub fn is_scheduled(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "PodScheduled" && condition.status == "True")
}

/// What keeps this pod from running, or took it away.
pub fn trouble(pod: &Pod) -> Option<Trouble> {
    let status = pod.status.as_ref()?;
    let conditions = status.conditions.iter().flatten();
    for condition in conditions {
        let why = quote(condition.message.as_deref().unwrap_or_default());
        match (condition.type_.as_str(), condition.status.as_str(), condition.reason.as_deref()) {
            ("DisruptionTarget", "True", reason) => {
                let what = match reason {
                    Some("PreemptionByScheduler") => "preempted by a pod of higher priority",
                    Some("TerminationByKubelet") => "evicted by its node, which ran short of something",
                    Some("EvictionByEvictionAPI") => "evicted",
                    Some("DeletionByTaintManager") => "evicted by a taint of its node",
                    _ => "taken away",
                };
                return Some(Trouble::Taken(format!("its pod was {what}: {why}")));
            }
            ("PodScheduled", "False", Some("Unschedulable")) => return Some(Trouble::Waits(why)),
            _ => {}
        }
    }
    if status.reason.as_deref() == Some("Evicted") {
        let why = quote(status.message.as_deref().unwrap_or_default());
        return Some(Trouble::Taken(format!("its pod was evicted by its node, which ran short of something: {why}")));
    }
    status.container_statuses.iter().flatten().find_map(|container| {
        let waiting = container.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting.reason.as_deref()?;
        let why = quote(waiting.message.as_deref().unwrap_or_default());
        STUCK
            .contains(&reason)
            .then(|| Trouble::Stuck(format!("its container `{}` cannot start: {reason}: {why}", container.image)))
    })
}

/// The beginning of somebody else's words.
pub fn quote(text: &str) -> String {
    text.chars().take(QUOTED_CHARACTERS).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn job(kind: &str, reason: &str) -> Job {
        let condition = json!({ "type": kind, "status": "True", "reason": reason, "message": "the limit was reached" });
        serde_json::from_value(json!({ "status": { "conditions": [condition] } })).unwrap()
    }

    fn pod(status: &Value) -> Pod {
        serde_json::from_value(json!({ "status": status })).unwrap()
    }

    fn exited(exit_code: i32, reason: &str) -> Pod {
        let state = json!({ "terminated": { "exitCode": exit_code, "reason": reason, "message": "so" } });
        let container =
            json!({ "name": "a", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state });
        pod(&json!({ "phase": "Failed", "containerStatuses": [container] }))
    }

    fn disrupted(reason: &str) -> Pod {
        let condition = json!({ "type": "DisruptionTarget", "status": "True", "reason": reason, "message": "m" });
        pod(&json!({ "phase": "Failed", "conditions": [condition] }))
    }

    fn failed(pods: &[Pod], known: Option<&Trouble>) -> End {
        of_job(&job("Failed", "BackoffLimitExceeded"), pods, known).unwrap()
    }

    #[test]
    fn a_job_has_ended_once_a_condition_says_so() {
        assert_eq!(of_job(&Job::default(), &[], None), None);
        assert_eq!(of_job(&job("SuccessCriteriaMet", ""), &[], None), None);
        assert_eq!(of_job(&job("Complete", ""), &[], None), Some(End::Succeeded));
        assert_eq!(of_job(&job("Failed", "DeadlineExceeded"), &[exited(137, "Error")], None), Some(End::TimedOut));
    }

    #[test]
    fn a_failed_job_ended_as_its_container_did() {
        let of_itself = End::Failed { exit_code: 3, last_words: "so".to_owned() };
        assert_eq!(failed(&[exited(3, "Error")], None), of_itself);
        assert_eq!(failed(&[exited(137, "OOMKilled")], None), End::OutOfMemory);
        assert_eq!(failed(&[disrupted("PreemptionByScheduler"), exited(3, "Error")], None), of_itself);
    }

    #[test]
    fn a_pod_that_was_taken_away_is_no_fault_of_its_function() {
        let told = |end| match end {
            End::Lost(why) => why,
            _ => String::new(),
        };
        assert!(
            told(failed(&[disrupted("PreemptionByScheduler")], None))
                .contains("preempted by a pod of higher priority: m")
        );
        assert!(told(failed(&[disrupted("TerminationByKubelet")], None)).contains("evicted by its node"));
        let evicted = pod(&json!({ "phase": "Failed", "reason": "Evicted", "message": "low on memory" }));
        assert!(told(failed(&[evicted], None)).ends_with("low on memory"));
        assert_eq!(told(failed(&[], Some(&Trouble::Taken("preempted".into())))), "preempted");
        assert_eq!(told(failed(&[], None)), "its Job failed: the limit was reached");
    }

    #[test]
    fn the_schedulers_words_and_those_about_an_image_are_told() {
        let message = "0/1 nodes are available: 1 Insufficient memory.";
        let condition =
            json!({ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message });
        let waits = pod(&json!({ "phase": "Pending", "conditions": [condition] }));
        assert_eq!(trouble(&waits), Some(Trouble::Waits(message.to_owned())));
        let state = |reason: &str| json!({ "waiting": { "reason": reason, "message": "not found" } });
        let container = |reason| json!({ "name": "a", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state(reason) });
        let of = |reason| trouble(&pod(&json!({ "phase": "Pending", "containerStatuses": [container(reason)] })));
        assert_eq!(of("ContainerCreating"), None);
        let Some(Trouble::Stuck(why)) = of("ImagePullBackOff") else { unreachable!("it is stuck") };
        assert!(why.contains("`i` cannot start: ImagePullBackOff: not found"), "{why}");
        assert_eq!(failed(&[], Some(&Trouble::Stuck(why.clone()))), End::NeverRan(why));
    }
}
