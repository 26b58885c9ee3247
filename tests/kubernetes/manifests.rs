//! Everything in `k8s/` is what a cluster takes: rendered by kustomize itself, tried out on a real API server that checks
//! each field and enforces restricted pod security; and the configuration in it is what the bridge takes.

use crate::{
    rendered::{find, folders, prepare, project, read, render, try_out},
    site::shared,
};
use kube::{Client, Error};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
    sync::Arc,
};
use tempfile::TempDir;
use tokio::sync::Mutex;
use zeebe2faas::config;
use zeebe2faas_contract::random_key_line;
use zeebe2faas_dev::kube::{Cluster, User};
use zeebe2faas_tests::binaries;

/// The Camunda chart's values files, the component that each one's keys belong to, and what it runs as.
const VALUES: [(&str, &str, &str); 3] = [
    ("values-8.6-broker.yaml", "zeebe", "StatefulSet"),
    ("values-8.6-gateway.yaml", "zeebeGateway", "Deployment"),
    ("values-8.8.yaml", "orchestration", "StatefulSet"),
];
/// Of the keys that the chart has below each of these, those that ours use.
const CHART_KEYS: [&str; 3] = ["extraVolumes", "podLabels", "sidecars"];

static PREPARING: Mutex<()> = Mutex::const_new(());

/// An administrator of a cluster that has all that manifests name, and where that came from.
async fn prepared() -> (Arc<Cluster>, Client, Vec<String>) {
    // Tests that make the same things at the same moment would be in each other's way.
    let _alone = PREPARING.lock().await;
    let cluster = shared().await;
    let client = cluster.client(User::Admin).await.expect("a client");
    let report = prepare(&client).await;
    (cluster, client, report)
}

#[tokio::test]
async fn every_manifest_is_accepted_by_the_api_server_and_a_field_that_is_none_is_not() {
    let (_cluster, client, report) = prepared().await;
    println!("custom resources are checked against\n  {}", report.join("\n  "));
    let mut manifests = Vec::new();
    for folder in folders() {
        manifests.extend(render(&folder).await);
    }
    for example in fs::read_dir(project().join("k8s/examples")).expect("a folder") {
        let name = example.expect("an entry").file_name().into_string().expect("a name");
        manifests.extend(read(&format!("k8s/examples/{name}")));
    }
    for manifest in &manifests {
        if let Err(error) = try_out(&client, manifest).await {
            panic!("{} {}: {error}", manifest["kind"], manifest["metadata"]["name"]);
        }
        let mut wrong = manifest.clone();
        wrong["spec"]["fieldThatIsNone"] = json!("any");
        let answer = try_out(&client, &wrong).await;
        let said = answer.expect_err("the server knows the fields").to_string();
        assert!(said.contains("fieldThatIsNone") || said.contains(".spec: field not declared"), "{said}");
    }
    let kinds: BTreeSet<_> = manifests.iter().filter_map(|one| one["kind"].as_str()).collect();
    for kind in [
        "ConfigMap",
        "Dataset",
        "Function",
        "Namespace",
        "NetworkPolicy",
        "PersistentVolume",
        "PersistentVolumeClaim",
        "PodDisruptionBudget",
        "Role",
        "RoleBinding",
        "Secret",
        "Service",
        "ServiceAccount",
        "ServiceMonitor",
        "StatefulSet",
    ] {
        assert!(kinds.contains(kind), "{kind}");
    }
}

#[tokio::test]
async fn pods_of_all_workloads_pass_restricted_pod_security_and_laxer_ones_are_refused() {
    let (_cluster, client, _) = prepared().await;
    let mut pods = vec![pod_of(&bridge().await)];
    for (file, component, kind) in VALUES {
        try_out(&client, &beside_zeebe(file, component, kind)).await.unwrap_or_else(|error| panic!("{file}: {error}"));
    }
    pods.extend(VALUES.map(|(file, component, kind)| pod_of(&beside_zeebe(file, component, kind))));
    for job in fs::read_dir(project().join("templates/jobs")).expect("a folder") {
        let name = job.expect("an entry").file_name().into_string().expect("a name");
        let mut job = read(&format!("templates/jobs/{name}")).remove(0);
        job["metadata"] = json!({ "name": "job", "namespace": "eo" });
        job["spec"]["template"]["spec"]["restartPolicy"] = json!("Never");
        pods.push(pod_of(&job));
    }
    for pod in &pods {
        try_out(&client, pod).await.unwrap_or_else(|error| panic!("{error}: {pod:#}"));
        for (field, value) in [
            ("/spec/hostNetwork", json!(true)),
            ("/spec/containers/0/securityContext/allowPrivilegeEscalation", json!(true)),
            ("/spec/containers/0/securityContext/capabilities", json!({})),
            ("/spec/containers/0/securityContext/runAsUser", json!(0)),
        ] {
            let mut lax = pod.clone();
            let (place, field) = field.rsplit_once('/').expect("a path");
            lax.pointer_mut(place).expect("a place")[field] = value;
            match try_out(&client, &lax).await {
                Err(Error::Api(status)) if status.code == 403 && status.message.contains("violates PodSecurity") => {}
                other => panic!("{field}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn the_bridge_takes_its_configuration_and_environment_in_each_place() {
    let rendered = render(&project().join("k8s/bridge")).await;
    check_configuration(&bridge().await, &rendered);
    let rendered = render(&project().join("k8s/sidecar")).await;
    for (file, component, kind) in VALUES {
        check_configuration(&beside_zeebe(file, component, kind), &rendered);
    }
}

#[tokio::test]
async fn the_values_have_the_charts_keys_and_the_service_finds_their_pods() {
    let rendered = render(&project().join("k8s/sidecar")).await;
    let selector = &find(&rendered, "Service", "faas-bridge")["spec"]["selector"];
    for (file, component, _) in VALUES {
        let values = read(&format!("k8s/sidecar/{file}")).remove(0);
        let keys: Vec<_> = values.as_object().expect("an object").keys().collect();
        assert_eq!(keys, [component], "{file}");
        let keys = values[component].as_object().expect("an object").keys();
        assert!(keys.clone().all(|key| CHART_KEYS.contains(&key.as_str())), "{file}: {keys:?}");
        assert_eq!(&values[component]["podLabels"], selector, "{file}");
        let ports = values[component]["sidecars"].as_array().expect("a list").iter();
        let ports: Vec<_> = ports.filter_map(|one| one["ports"].as_array()).flatten().collect();
        assert!(ports.iter().any(|port| port["name"] == "z2f-callback" && port["containerPort"] == 8090), "{file}");
    }
}

#[test]
fn every_file_is_listed_by_its_kustomization_or_is_an_example_or_values() {
    for folder in folders() {
        let kustomization = fs::read_to_string(folder.join("kustomization.yaml")).expect("a file");
        for entry in fs::read_dir(&folder).expect("a folder") {
            let name = entry.expect("an entry").file_name().into_string().expect("a name");
            let known = name == "kustomization.yaml" || VALUES.iter().any(|(file, ..)| *file == name);
            assert!(known || kustomization.contains(&name), "{}: {name}", folder.display());
        }
    }
}

#[tokio::test]
async fn functions_are_those_of_the_stack_file_with_datashims_folders() {
    let rendered = render(&project().join("k8s/functions")).await;
    let stack = read("stack.yml").remove(0);
    let functions = stack["functions"].as_object().expect("an object");
    assert_eq!(rendered.len(), functions.len());
    for (name, function) in functions {
        let spec = &find(&rendered, "Function", name)["spec"];
        assert_eq!((&spec["image"], &spec["secrets"]), (&function["image"], &function["secrets"]), "{name}");
        let theirs = function["environment"].as_object().expect("an object");
        let own = ["RUNNER_ALLOW_DIRS", "RUNNER_STATE_DIR", "ZEEBE2FAAS_ZEEBE_ADDRESS", "ZEEBE2FAAS_REPLICAS_URL"];
        for (key, value) in spec["environment"].as_object().expect("an object") {
            assert!(own.contains(&key.as_str()) || theirs.get(key) == Some(value), "{name}: {key}");
        }
        assert!(theirs.keys().all(|key| !spec["environment"][key].is_null()), "{name}");
    }
}

async fn bridge() -> Value {
    find(&render(&project().join("k8s/bridge")).await, "StatefulSet", "zeebe2faas").clone()
}

/// What the chart makes of a values file: the sidecars beside a container of its own.
fn beside_zeebe(file: &str, component: &str, kind: &str) -> Value {
    let values = read(&format!("k8s/sidecar/{file}")).remove(0)[component].take();
    let mut containers = vec![json!({
        "name": "zeebe", "image": "camunda/zeebe:8.6.0",
        "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] }, "runAsUser": 1001 },
    })];
    containers.extend(values["sidecars"].as_array().expect("a list").iter().cloned());
    // Lax fields are put into the first one: ours.
    containers.rotate_left(1);
    let mut spec = json!({
        "selector": { "matchLabels": values["podLabels"] },
        "template": {
            "metadata": { "labels": values["podLabels"] },
            "spec": {
                "serviceAccountName": "camunda-zeebe",
                "securityContext": {
                    "runAsNonRoot": true, "fsGroup": 1001, "seccompProfile": { "type": "RuntimeDefault" },
                },
                "containers": containers,
                "volumes": values["extraVolumes"],
            },
        },
    });
    if kind == "StatefulSet" {
        let storage = json!({ "requests": { "storage": "32Gi" } });
        let claim = json!({ "accessModes": ["ReadWriteOnce"], "resources": storage });
        spec["serviceName"] = json!("camunda-zeebe");
        spec["volumeClaimTemplates"] = json!([{ "metadata": { "name": "data" }, "spec": claim }]);
    }
    let metadata = json!({ "name": "camunda-zeebe", "namespace": "camunda" });
    json!({ "apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec })
}

/// The pod that the controller of a workload makes.
fn pod_of(workload: &Value) -> Value {
    let (metadata, template) = (&workload["metadata"], &workload["spec"]["template"]);
    let mut spec = template["spec"].clone();
    for claim in workload["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten() {
        let name = &claim["metadata"]["name"];
        let volume = json!({ "name": name, "persistentVolumeClaim": { "claimName": name } });
        spec["volumes"].as_array_mut().expect("a list").push(volume);
    }
    let labels = template["metadata"]["labels"].as_object().cloned().unwrap_or_default();
    let metadata = json!({ "name": metadata["name"], "namespace": metadata["namespace"], "labels": labels });
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec })
}

/// Has the bridge itself check what each of our containers in a workload would find.
fn check_configuration(workload: &Value, rendered: &[Value]) {
    let pod = pod_of(workload);
    let ours = pod["spec"]["containers"].as_array().expect("a list").iter();
    for container in
        ours.filter(|one| one["image"].as_str().is_some_and(|image| image.contains("zeebe2faas/zeebe2faas:")))
    {
        let security = &container["securityContext"];
        assert_eq!(security["readOnlyRootFilesystem"], true, "{security}");
        let folder = TempDir::new().expect("a folder");
        fill(folder.path(), &pod, container, rendered);
        let mut environment = environment(folder.path(), &pod, container, rendered);
        let templates = project().join("templates").display().to_string();
        environment.insert("ZEEBE2FAAS_TEMPLATES".to_owned(), templates);
        let file = environment["ZEEBE2FAAS_CONFIG"].clone();
        if container["args"] == json!(["callback"]) {
            environment.remove("ZEEBE2FAAS_CONFIG");
            let relay = config::load_relay(Some(Path::new(&file)), &environment).expect("it is good");
            // So that a callback is answered once Zeebe has its outcome, and not a ledger that goes with the pod.
            assert!(relay.replicas.url.is_none() && relay.replicas.peers.is_empty());
            continue;
        }
        let mut command = Command::new(binaries().join("zeebe2faas"));
        let output = command.args(["run", "--check"]).env_clear().envs(&environment).output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Writes what a container's volumes hold: the files of its ConfigMap, and genuine keys under their Secret's names.
fn fill(folder: &Path, pod: &Value, container: &Value, rendered: &[Value]) {
    for mount in container["volumeMounts"].as_array().expect("a list") {
        let volumes = pod["spec"]["volumes"].as_array().expect("a list");
        let volume = volumes.iter().find(|volume| volume["name"] == mount["name"]).expect("it is there");
        let place = here(folder, mount["mountPath"].as_str().expect("a path"));
        fs::create_dir_all(&place).expect("a folder");
        let (files, of_secret) = if let Some(name) = volume["configMap"]["name"].as_str() {
            (find(rendered, "ConfigMap", name)["data"].clone(), false)
        } else if let Some(name) = volume["secret"]["secretName"].as_str() {
            (find(&read("k8s/examples/secrets.yaml"), "Secret", name)["stringData"].clone(), true)
        } else {
            continue;
        };
        for (name, text) in files.as_object().expect("an object") {
            let text = if of_secret { random_key_line("k8s") } else { here(folder, text.as_str().expect("a text")) };
            fs::write(Path::new(&place).join(name), text).expect("a file");
        }
    }
}

/// The variables of a container, with those that Kubernetes adds for the Services of its namespace.
fn environment(folder: &Path, pod: &Value, container: &Value, rendered: &[Value]) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for variable in container["env"].as_array().expect("a list") {
        let value = variable["value"].as_str().map_or_else(
            || format!("{}-0", pod["metadata"]["name"].as_str().expect("a name")),
            |text| here(folder, text),
        );
        all.insert(variable["name"].as_str().expect("a name").to_owned(), value);
    }
    let namespace = &pod["metadata"]["namespace"];
    let services = rendered.iter().filter(|one| one["kind"] == "Service" && &one["metadata"]["namespace"] == namespace);
    for service in
        services.filter(|service| service["spec"]["clusterIP"] != "None" && pod["spec"]["enableServiceLinks"] != false)
    {
        let name = service["metadata"]["name"].as_str().expect("a name").to_uppercase().replace('-', "_");
        all.insert(format!("{name}_SERVICE_HOST"), "10.96.0.7".to_owned());
    }
    all
}

/// A text in which the container's folders are ones of this machine.
fn here(folder: &Path, text: &str) -> String {
    let folders = ["/config", "/keys", "/var/lib/zeebe2faas", "/var/run/secrets"];
    folders.iter().fold(text.to_owned(), |text, name| {
        let quoted = text.replace(&format!("\"{name}"), &format!("\"{}{name}", folder.display()));
        quoted.strip_prefix(name).map_or(quoted.clone(), |rest| format!("{}{name}{rest}", folder.display()))
    })
}
