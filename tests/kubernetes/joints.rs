//! What the manifests of `k8s/bridge` say of each other: names, labels and ports that no API server compares.

use crate::rendered::{find, project, render};
use serde_json::Value;

async fn bridge() -> Vec<Value> {
    let mut rendered = render(&project().join("k8s/bridge")).await;
    rendered.extend(render(&project().join("k8s/monitoring")).await);
    rendered
}

#[tokio::test]
async fn every_selector_finds_what_it_is_for() {
    let rendered = bridge().await;
    let workload = &find(&rendered, "StatefulSet", "zeebe2faas")["spec"];
    let pod = &workload["template"]["metadata"]["labels"];
    for (kind, name, place) in [
        ("Service", "zeebe2faas", "/spec/selector"),
        ("Service", "zeebe2faas-replicas", "/spec/selector"),
        ("NetworkPolicy", "zeebe2faas", "/spec/podSelector/matchLabels"),
        ("PodDisruptionBudget", "zeebe2faas", "/spec/selector/matchLabels"),
    ] {
        assert!(selects(find(&rendered, kind, name).pointer(place), pod), "{kind} {name}");
    }
    let services = find(&rendered, "Service", "zeebe2faas-replicas");
    let monitor = &find(&rendered, "ServiceMonitor", "zeebe2faas")["spec"];
    assert!(selects(monitor.pointer("/selector/matchLabels"), &services["metadata"]["labels"]), "{monitor}");
    assert!(named(&services["spec"]["ports"], &monitor["endpoints"][0]["port"]), "{monitor}");
    assert_eq!(workload["serviceName"], services["metadata"]["name"]);
    assert_eq!(workload["replicas"], 2);
}

#[tokio::test]
async fn ports_are_the_containers_and_addresses_are_the_services() {
    let rendered = bridge().await;
    let pod = &find(&rendered, "StatefulSet", "zeebe2faas")["spec"]["template"]["spec"];
    let ports = &pod["containers"][0]["ports"];
    for service in ["zeebe2faas", "zeebe2faas-replicas"] {
        for port in find(&rendered, "Service", service)["spec"]["ports"].as_array().expect("a list") {
            assert!(named(ports, &port["targetPort"]), "{service}: {port}");
        }
    }
    for rule in find(&rendered, "NetworkPolicy", "zeebe2faas")["spec"]["ingress"].as_array().expect("a list") {
        assert!(named(ports, &rule["ports"][0]["port"]), "{rule}");
    }
    let configuration = rendered.iter().find(|one| one["kind"] == "ConfigMap").expect("it is there");
    let configuration = configuration["data"]["zeebe2faas.toml"].as_str().expect("a text");
    for address in ["\"http://zeebe2faas.eo:8090\"", "\"http://{replica}.zeebe2faas-replicas.eo:8090\""] {
        assert!(configuration.contains(address), "{address}");
    }
}

#[tokio::test]
async fn the_bridges_account_has_the_role_of_the_tests_and_no_other() {
    let rendered = bridge().await;
    let account = &find(&rendered, "StatefulSet", "zeebe2faas")["spec"]["template"]["spec"]["serviceAccountName"];
    find(&rendered, "ServiceAccount", account.as_str().expect("a name"));
    let bindings: Vec<_> =
        rendered.iter().filter(|one| one["kind"].as_str().is_some_and(|kind| kind.ends_with("Binding"))).collect();
    let [binding] = bindings[..] else { panic!("one binding: {bindings:?}") };
    assert_eq!((&binding["subjects"][0]["name"], &binding["subjects"][0]["namespace"]), (account, &"eo".into()));
    assert_eq!((&binding["roleRef"]["kind"], &binding["roleRef"]["name"]), (&"Role".into(), &"zeebe2faas-jobs".into()));
    find(&rendered, "Role", "zeebe2faas-jobs");
}

fn selects(selector: Option<&Value>, labels: &Value) -> bool {
    let selector = selector.and_then(Value::as_object).expect("a selector");
    !selector.is_empty() && selector.iter().all(|(key, value)| &labels[key] == value)
}

fn named(ports: &Value, name: &Value) -> bool {
    ports.as_array().expect("a list").iter().any(|port| &port["name"] == name)
}
