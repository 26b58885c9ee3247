//! What lies in `k8s/` as kustomize renders it, and a cluster that knows the custom resources in it.

use crate::site::until;
use kube::{
    Api, Client, Error,
    api::{DynamicObject, ListParams, Patch, PatchParams},
    core::GroupVersionKind,
    discovery::{ApiResource, Scope, pinned_kind},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tokio::process::Command;
use zeebe2faas_dev::broker::cache;
use zeebe2faas_tests::soon;

/// Where the project's own definition of a ServiceMonitor comes from: a Go module, and a file in it.
const PROMETHEUS: (&str, &str) = (
    "github.com/prometheus-operator/prometheus-operator@v0.85.0",
    "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
);
/// Other projects' namespaces that manifests name.
const OTHERS: [&str; 2] = ["camunda", "openfaas-fn"];

/// The project's folder.
pub fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the project's folder")
}

/// The folders of `k8s/` that kustomize renders.
pub fn folders() -> Vec<PathBuf> {
    let all = fs::read_dir(project().join("k8s")).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut folders: Vec<_> = all.filter(|path| path.join("kustomization.yaml").exists()).collect();
    folders.sort();
    folders
}

/// What `kubectl apply -k` would send.
pub async fn render(folder: &Path) -> Vec<Value> {
    let kustomize = cache().expect("a cache").join("tools/bin/kustomize");
    let output = soon(Command::new(kustomize).arg("build").arg(folder).output()).await;
    let output = output.expect("`make test-k8s` has built kustomize");
    assert!(output.status.success(), "{}: {}", folder.display(), String::from_utf8_lossy(&output.stderr));
    documents(&String::from_utf8(output.stdout).expect("UTF-8"))
}

/// The documents of a YAML file of this project.
pub fn read(file: &str) -> Vec<Value> {
    documents(&fs::read_to_string(project().join(file)).expect("a file of the project"))
}

fn documents(text: &str) -> Vec<Value> {
    let documents = serde_norway::Deserializer::from_str(text).map(|one| Value::deserialize(one).expect("YAML"));
    documents.filter(|one| !one.is_null()).collect()
}

/// The one of this kind and name.
pub fn find<'a>(manifests: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let one = manifests.iter().find(|one| one["kind"] == kind && one["metadata"]["name"] == name);
    one.unwrap_or_else(|| panic!("there is no {kind} {name}"))
}

/// Makes the namespaces and the definitions of custom resources that manifests need; says where these come from.
pub async fn prepare(client: &Client) -> Vec<String> {
    let mut namespaces = read("k8s/base/namespace.yaml");
    let labels = namespaces[0]["metadata"]["labels"].clone();
    namespaces.extend(OTHERS.map(|name| {
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": labels.clone() } })
    }));
    for namespace in &namespaces {
        apply(client, namespace).await.expect("it is made");
    }
    let mut definitions = vec![(format!("the project's own, from {}", PROMETHEUS.0), projects_own().await)];
    for entry in fs::read_dir(project().join("tests/kubernetes/crds")).expect("a folder") {
        let path = entry.expect("an entry").path();
        let text = fs::read_to_string(&path).expect("a file");
        definitions.push((format!("a small schema of ours, {}", path.display()), documents(&text).remove(0)));
    }
    let mut report = Vec::new();
    for (origin, definition) in definitions {
        apply(client, &definition).await.expect("it is made");
        until_served(client, &definition["spec"]).await;
        report.push(format!("{}: {origin}", definition["metadata"]["name"].as_str().expect("a name")));
    }
    report
}

async fn projects_own() -> Value {
    let (module, file) = PROMETHEUS;
    let output = soon(Command::new("go").args(["mod", "download", "-json", module]).output()).await.expect("Go runs");
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let folder = answer["Dir"].as_str().unwrap_or_else(|| panic!("{module} cannot be fetched: {answer}"));
    let text = fs::read_to_string(Path::new(folder).join(file)).expect("its definition");
    documents(&text).remove(0)
}

async fn until_served(client: &Client, spec: &Value) {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let version = text(&spec["versions"][0]["name"]);
    let kind = GroupVersionKind::gvk(&text(&spec["group"]), &version, &text(&spec["names"]["kind"]));
    let resource = ApiResource::from_gvk_with_plural(&kind, &text(&spec["names"]["plural"]));
    let api = Api::<DynamicObject>::all_with(client.clone(), &resource);
    until(async || api.list(&ListParams::default()).await.is_ok() && pinned_kind(client, &kind).await.is_ok()).await;
}

/// What `kubectl apply --server-side` does.
pub async fn apply(client: &Client, manifest: &Value) -> Result<(), Error> {
    send(client, manifest, PatchParams::apply("tests").force().validation_strict()).await
}

/// The same with `--dry-run=server`.
pub async fn try_out(client: &Client, manifest: &Value) -> Result<(), Error> {
    send(client, manifest, PatchParams::apply("tests").force().validation_strict().dry_run()).await
}

async fn send(client: &Client, manifest: &Value, params: PatchParams) -> Result<(), Error> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let (group, version) = match text(&manifest["apiVersion"]).split_once('/') {
        Some((group, version)) => (group.to_owned(), version.to_owned()),
        None => (String::new(), text(&manifest["apiVersion"])),
    };
    let kind = GroupVersionKind::gvk(&group, &version, &text(&manifest["kind"]));
    let (resource, capabilities) = pinned_kind(client, &kind).await?;
    let api = match capabilities.scope {
        Scope::Cluster => Api::<DynamicObject>::all_with(client.clone(), &resource),
        Scope::Namespaced => Api::namespaced_with(client.clone(), &text(&manifest["metadata"]["namespace"]), &resource),
    };
    api.patch(&text(&manifest["metadata"]["name"]), &params, &Patch::Apply(manifest)).await.map(drop)
}
