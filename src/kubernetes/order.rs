//! From a rendered template to the Job and the Secret of one call. Pure.

use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Container, EnvVar, SecretVolumeSource, Volume, VolumeMount},
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use zeebe2faas_contract::{CallId, Resources};

/// Label with [`owner`], by which a replica finds its Jobs and their pods again.
pub const OWNER_LABEL: &str = "zeebe2faas.io/owner";
/// Label with the call's id.
pub const CALL_LABEL: &str = "zeebe2faas.io/call";
/// Annotation with the function's name.
pub const FUNCTION: &str = "zeebe2faas.io/function";
/// Where the runner finds its call.
pub const CALL_FOLDER: &str = "/var/run/zeebe2faas";
/// Tells the runner so.
const CALL_FOLDER_VARIABLE: &str = "RUNNER_CALL_DIR";
const VOLUME: &str = "zeebe2faas-call";
/// Keys of the Secret, and so the names of the files in that folder.
pub const CALLBACK_URL: &str = "callback-url";
/// The invocation that the runner would be posted.
pub const INVOCATION: &str = "invocation.json";

/// What a call's Job is made of.
#[derive(Debug)]
pub struct Call<'a> {
    /// Its id, and the Job's name.
    pub id: &'a CallId,
    /// Its function.
    pub function: &'a str,
    /// [`owner`] of the replica that submits it.
    pub owner: &'a str,
    /// The argument vector for the container, where no runner takes it from the invocation.
    pub command: Option<&'a [String]>,
    /// What the program is meant to get by with.
    pub resources: Resources,
    /// How long it may run from its start on, in seconds.
    pub deadline_seconds: i64,
}

/// A label's value for one replica of one installation.
pub fn owner(cluster: &str, replica: &str) -> String {
    let digest = Sha256::digest(format!("{cluster}\n{replica}"));
    digest.iter().take(10).map(|byte| format!("{byte:02x}")).collect()
}

/// Completes a rendered template.
///
/// # Errors
/// A sentence, where the template is no Job.
pub fn job(manifest: Value, call: &Call<'_>) -> Result<Box<Job>, String> {
    let mut job: Box<Job> = serde_json::from_value(manifest).map_err(|error| format!("the Job template: {error}"))?;
    job.metadata.name = Some(call.id.to_string());
    label(&mut job.metadata.labels, call);
    job.metadata.annotations.get_or_insert_default().insert(FUNCTION.to_owned(), call.function.to_owned());
    let spec = job.spec.get_or_insert_default();
    // Only the bridge tries again, under another call id.
    spec.backoff_limit = Some(0);
    spec.pod_replacement_policy = Some("Failed".to_owned());
    spec.active_deadline_seconds = Some(call.deadline_seconds.max(1));
    let metadata = spec.template.metadata.get_or_insert_default();
    label(&mut metadata.labels, call);
    metadata.annotations.get_or_insert_default().insert(FUNCTION.to_owned(), call.function.to_owned());
    let pod = spec.template.spec.get_or_insert_default();
    pod.restart_policy = Some("Never".to_owned());
    pod.automount_service_account_token.get_or_insert(false);
    let container = pod.containers.first_mut().ok_or("the Job template has no container")?;
    limit(container, call.resources);
    // What it printed last then stands in its pod's status.
    container.termination_message_policy = Some("FallbackToLogsOnError".to_owned());
    match call.command {
        Some(command) => (container.command, container.args) = (Some(command.to_vec()), None),
        None => {
            hand_over(container);
            let secret = SecretVolumeSource { secret_name: Some(call.id.to_string()), ..Default::default() };
            pod.volumes.get_or_insert_default().push(Volume {
                name: VOLUME.to_owned(),
                secret: Some(secret),
                ..Default::default()
            });
        }
    }
    Ok(job)
}

fn label(labels: &mut Option<BTreeMap<String, String>>, call: &Call<'_>) {
    let labels = labels.get_or_insert_default();
    labels.insert(OWNER_LABEL.to_owned(), call.owner.to_owned());
    labels.insert(CALL_LABEL.to_owned(), call.id.to_string());
}

/// What the command's template says comes before what the Job's template says: it is what grows after lack of memory.
fn limit(container: &mut Container, Resources { memory_bytes, cores }: Resources) {
    if memory_bytes.is_none() && cores.is_none() {
        return;
    }
    let resources = container.resources.get_or_insert_default();
    let requests = resources.requests.get_or_insert_default();
    if let Some(cores) = cores {
        requests.insert("cpu".to_owned(), Quantity(cores.to_string()));
    }
    if let Some(bytes) = memory_bytes {
        requests.insert("memory".to_owned(), Quantity(bytes.to_string()));
        resources.limits.get_or_insert_default().insert("memory".to_owned(), Quantity(bytes.to_string()));
    }
}

fn hand_over(container: &mut Container) {
    container.volume_mounts.get_or_insert_default().push(VolumeMount {
        name: VOLUME.to_owned(),
        mount_path: CALL_FOLDER.to_owned(),
        read_only: Some(true),
        ..Default::default()
    });
    container.env.get_or_insert_default().push(EnvVar {
        name: CALL_FOLDER_VARIABLE.to_owned(),
        value: Some(CALL_FOLDER.to_owned()),
        ..Default::default()
    });
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use serde_json::json;

    fn made(command: Option<&[String]>) -> Value {
        let resources = json!({ "requests": { "memory": "1Gi", "cpu": "2" }, "limits": { "nvidia.com/gpu": "1" } });
        let manifest = json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": { "labels": { "kueue.x-k8s.io/queue-name": "eo" } },
            "spec": { "suspend": true, "template": { "spec": {
                "containers": [{ "name": "a", "image": "i", "args": ["x"], "resources": resources }],
            } } },
        });
        let id = CallId::new("c", 1, 1);
        let resources = Resources { memory_bytes: Some(1 << 34), cores: Some(4) };
        let call = Call { id: &id, function: "otbcli", owner: "me", command, resources, deadline_seconds: 60 };
        serde_json::to_value(job(manifest, &call).unwrap()).unwrap()
    }

    #[test]
    fn a_job_is_named_after_its_call_and_runs_one_pod_once() {
        let job = made(None);
        let id = CallId::new("c", 1, 1);
        assert_eq!(job["metadata"]["name"], id.as_str());
        assert_eq!(job["metadata"]["labels"][OWNER_LABEL], "me");
        assert_eq!(job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"], "eo");
        let spec = &job["spec"];
        assert_eq!(
            (&spec["backoffLimit"], &spec["suspend"], &spec["activeDeadlineSeconds"]),
            (&json!(0), &json!(true), &json!(60))
        );
        assert_eq!((&spec["podReplacementPolicy"], spec.get("ttlSecondsAfterFinished")), (&json!("Failed"), None));
        let pod = &spec["template"];
        assert_eq!(pod["metadata"]["labels"][CALL_LABEL], id.as_str());
        assert_eq!(
            (&pod["spec"]["restartPolicy"], &pod["spec"]["automountServiceAccountToken"]),
            (&json!("Never"), &json!(false))
        );
    }

    #[test]
    fn the_commands_memory_and_cores_come_before_the_jobs_and_leave_the_rest() {
        let resources = made(None)["spec"]["template"]["spec"]["containers"][0]["resources"].clone();
        let limits = json!({ "memory": "17179869184", "nvidia.com/gpu": "1" });
        assert_eq!(resources, json!({ "requests": { "memory": "17179869184", "cpu": "4" }, "limits": limits }));
    }

    #[test]
    fn a_runner_gets_its_call_in_a_folder_and_any_other_function_its_arguments() {
        let pod = made(None)["spec"]["template"]["spec"].clone();
        assert_eq!(pod["volumes"][0]["secret"]["secretName"], CallId::new("c", 1, 1).as_str());
        assert_eq!(pod["containers"][0]["volumeMounts"][0]["mountPath"], CALL_FOLDER);
        assert_eq!(pod["containers"][0]["args"], json!(["x"]));
        let command = ["prog".to_owned(), "a b".to_owned()];
        let pod = made(Some(&command))["spec"]["template"]["spec"].clone();
        assert_eq!(pod["containers"][0]["command"], json!(["prog", "a b"]));
        assert_eq!((pod.get("volumes"), pod["containers"][0].get("args")), (None, None));
    }
}
