//! Which fields a Job template may have. Everything else is refused, whoever wrote it: no host's files, no host's
//! network, no privileges, and nothing that the bridge sets itself.

use serde_json::Value;

/// A path a line. `[]` is each element of a list, `*` any key with a text below it, `**` anything at all below.
const FIELDS: &str = "
apiVersion
kind
metadata.annotations.*
metadata.labels.*
spec.podFailurePolicy.**
spec.suspend
spec.template.metadata.annotations.*
spec.template.metadata.labels.*
spec.template.spec.affinity.**
spec.template.spec.automountServiceAccountToken
spec.template.spec.imagePullSecrets.[].name
spec.template.spec.nodeSelector.*
spec.template.spec.priorityClassName
spec.template.spec.runtimeClassName
spec.template.spec.schedulerName
spec.template.spec.serviceAccountName
spec.template.spec.terminationGracePeriodSeconds
spec.template.spec.tolerations.[].**
spec.template.spec.topologySpreadConstraints.[].**
spec.template.spec.resourceClaims.[].**
spec.template.spec.securityContext.fsGroup
spec.template.spec.securityContext.fsGroupChangePolicy
spec.template.spec.securityContext.runAsGroup
spec.template.spec.securityContext.runAsNonRoot
spec.template.spec.securityContext.runAsUser
spec.template.spec.securityContext.seccompProfile.type
spec.template.spec.securityContext.supplementalGroups.[]
spec.template.spec.volumes.[].name
spec.template.spec.volumes.[].configMap.**
spec.template.spec.volumes.[].emptyDir.**
spec.template.spec.volumes.[].ephemeral.**
spec.template.spec.volumes.[].nfs.**
spec.template.spec.volumes.[].persistentVolumeClaim.**
spec.template.spec.volumes.[].secret.**
spec.template.spec.containers.[].args.[]
spec.template.spec.containers.[].command.[]
spec.template.spec.containers.[].env.[].name
spec.template.spec.containers.[].env.[].value
spec.template.spec.containers.[].env.[].valueFrom.**
spec.template.spec.containers.[].image
spec.template.spec.containers.[].imagePullPolicy
spec.template.spec.containers.[].name
spec.template.spec.containers.[].resources.**
spec.template.spec.containers.[].securityContext.allowPrivilegeEscalation
spec.template.spec.containers.[].securityContext.capabilities.**
spec.template.spec.containers.[].securityContext.readOnlyRootFilesystem
spec.template.spec.containers.[].securityContext.runAsGroup
spec.template.spec.containers.[].securityContext.runAsNonRoot
spec.template.spec.containers.[].securityContext.runAsUser
spec.template.spec.containers.[].securityContext.seccompProfile.type
spec.template.spec.containers.[].volumeMounts.[].**
spec.template.spec.containers.[].workingDir
";

/// The path of the first field that may not be there.
pub(super) fn first_foreign(manifest: &Value) -> Option<String> {
    let fields: Vec<Vec<&str>> = FIELDS.split_whitespace().map(|line| line.split('.').collect()).collect();
    let candidates: Vec<&[&str]> = fields.iter().map(Vec::as_slice).collect();
    foreign(manifest, &candidates, "")
}

/// `fields`: what may stand below here, each one as the rest of its path.
fn foreign(value: &Value, fields: &[&[&str]], path: &str) -> Option<String> {
    if fields.iter().any(|rest| rest.first() == Some(&"**")) {
        return None;
    }
    let below = |key: &str| -> Vec<&[&str]> {
        let fits = |rest: &&&[&str]| rest.first().is_some_and(|first| *first == key || *first == "*" && key != "[]");
        fields.iter().filter(fits).map(|rest| &rest[1..]).collect()
    };
    match value {
        Value::Object(object) => object.iter().find_map(|(key, value)| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let fields = below(key);
            if fields.is_empty() { Some(path) } else { foreign(value, &fields, &path) }
        }),
        Value::Array(list) => {
            let fields = below("[]");
            if fields.is_empty() {
                return Some(path.to_owned());
            }
            list.iter().enumerate().find_map(|(index, value)| foreign(value, &fields, &format!("{path}[{index}]")))
        }
        // A text or number must stand where a path ends.
        _ => (!fields.iter().any(|rest| rest.is_empty())).then(|| path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with_pod(pod: &Value) -> Value {
        json!({ "kind": "Job", "spec": { "template": { "spec": pod } } })
    }

    #[test]
    fn nothing_of_the_host_and_no_privilege_may_be_asked_for() {
        let container = |context: Value| json!({ "containers": [{ "image": "i", "securityContext": context }] });
        for (pod, path) in [
            (json!({ "hostNetwork": true }), "hostNetwork"),
            (json!({ "volumes": [{ "name": "a" }, { "hostPath": { "path": "/" } }] }), "volumes[1].hostPath"),
            (json!({ "initContainers": [] }), "initContainers"),
            (container(json!({ "privileged": true })), "containers[0].securityContext.privileged"),
            (json!({ "nodeSelector": { "a": { "b": "c" } } }), "nodeSelector.a.b"),
            (json!({ "serviceAccountName": ["a"] }), "serviceAccountName"),
        ] {
            assert_eq!(first_foreign(&with_pod(&pod)), Some(format!("spec.template.spec.{path}")));
        }
        for (field, value) in [("ttlSecondsAfterFinished", json!(1)), ("backoffLimit", json!(3))] {
            assert_eq!(first_foreign(&json!({ "spec": { field: value } })), Some(format!("spec.{field}")));
        }
        assert_eq!(first_foreign(&json!({ "metadata": { "name": "x" } })), Some("metadata.name".to_owned()));
    }

    #[test]
    fn what_heavy_functions_need_may_be_asked_for() {
        let pod = json!({
            "nodeSelector": { "disk": "fast" }, "tolerations": [{ "key": "gpu", "operator": "Exists" }],
            "priorityClassName": "batch", "serviceAccountName": "eo",
            "volumes": [{ "name": "data", "nfs": { "server": "s", "path": "/" } }],
            "containers": [{ "name": "a", "image": "i", "resources": { "limits": { "rdma/hca": 1 } } }],
        });
        assert_eq!(first_foreign(&with_pod(&pod)), None);
    }
}
