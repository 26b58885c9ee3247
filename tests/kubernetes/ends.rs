//! How calls that run as Jobs end, each way.

use crate::site::{Site, until};
use kube::ResourceExt;
use serde_json::{Value, json};
use zeebe2faas_tests::fake_gateway::Seen;

const NOTHING: Value = Value::Null;

#[tokio::test]
async fn every_end_of_a_job_is_told_by_the_watch_alone() {
    let site = Site::start("").await;
    let images = ["succeeds", "fails", "killed", "evicted", "preempted", "missing"];
    let calls: Vec<_> =
        (1..).zip(images).map(|(key, image)| (image, site.begin(key, image, NOTHING, NOTHING))).collect();
    for (image, id) in &calls {
        let outcome = site.outcome(id).await;
        let (status, part) = match *image {
            "succeeds" => ("succeeded", ""),
            "fails" => ("failed", "exit code 3"),
            "killed" => ("failed", "ran out of memory"),
            "evicted" => ("failed", "evicted by its node, which ran short of something: The node was low on resource"),
            "preempted" => ("failed", "preempted by a pod of higher priority"),
            _ => ("failed", "ImagePullBackOff: no such image"),
        };
        assert_eq!(outcome["status"], status, "{image}: {outcome}");
        assert!(outcome["message"].as_str().unwrap_or_default().contains(part), "{image}: {outcome}");
        assert_eq!(outcome["outOfMemory"], *image == "killed", "{image}: {outcome}");
        assert_eq!(outcome["exitCode"] == 3, *image == "fails", "{image}: {outcome}");
    }
    // The time to live is set once the outcome is delivered: job, pod and secret go.
    for (_, id) in &calls {
        site.until_gone(id).await;
    }
    assert_eq!(site.live.outcomes().len(), calls.len(), "each one once");
    assert!(site.live.openfaas.is_idle());
}

#[tokio::test]
async fn a_runner_in_a_pod_reports_with_its_signature_and_the_jobs_end_adds_nothing() {
    let site = Site::start("").await;
    let headers = |command: &str| json!({ "function": "guarded", "cmdline": format!("/bin/sh -c '{command}'") });
    let good = site.begin(1, "runner", headers("echo seen"), NOTHING);
    let bad = site.begin(2, "runner", headers("echo broken; exit 7"), NOTHING);
    let outcome = site.outcome(&good).await;
    assert_eq!((&outcome["status"], &outcome["logTail"]), (&json!("succeeded"), &json!("seen\n")), "{outcome}");
    let outcome = site.outcome(&bad).await;
    assert_eq!((&outcome["exitCode"], &outcome["logTail"]), (&json!(7), &json!("broken\n")), "{outcome}");
    site.until_gone(&good).await;
    site.until_gone(&bad).await;
    assert_eq!(site.live.outcomes().len(), 2);
}

#[tokio::test]
async fn the_schedulers_words_are_shown_while_a_pod_waits_and_told_at_the_deadline() {
    let site = Site::start("calls.grace = \"0s\"").await;
    let words = "1 Insufficient memory";
    let waiting = site.begin(1, "unschedulable", json!({ "timeout": "1h" }), NOTHING);
    site.live.until(&format!("/api/calls/{waiting}"), |_, text| text.contains(words)).await;
    let late = site.begin(2, "unschedulable", json!({ "timeout": "15s" }), NOTHING);
    let outcome = site.outcome(&late).await;
    assert_eq!(outcome["status"], "timedOut", "{outcome}");
    assert!(outcome["message"].as_str().unwrap_or_default().contains(words), "{outcome}");
    site.until_gone(&late).await;
    assert!(site.jobs().get_opt(waiting.as_str()).await.expect("an answer").is_some());
}

#[tokio::test]
async fn a_call_that_is_cancelled_leaves_nothing_running() {
    let site = Site::start("admin.token_file = \"admin.token\"").await;
    let id = site.begin(1, "hangs", NOTHING, NOTHING);
    until(async || site.jobs().get_opt(id.as_str()).await.expect("an answer").is_some()).await;
    site.until_seen(|seen| matches!(seen, Seen::Complete(_))).await;
    let (status, text) = site.live.act(&format!("/api/calls/{id}/cancel"), Some(&site.live.admin_token())).await;
    assert_eq!(status, 200, "{text}");
    assert_eq!(site.outcome(&id).await["status"], "cancelled");
    site.until_gone(&id).await;
}

#[tokio::test]
async fn a_try_after_lack_of_memory_asks_for_more() {
    let site = Site::start("calls.retry_backoff = \"0s\"").await;
    let headers = json!({ "cmdline": null, "template": "hungry", "reply": "job" });
    let first = site.begin(1, "hungry", headers.clone(), NOTHING);
    let mut variables = Value::Null;
    until(async || site.live.zeebe.seen().iter().any(|seen| matches!(seen, Seen::Fail(_)))).await;
    for seen in site.live.zeebe.seen() {
        if let Seen::Fail(fail) = seen {
            assert!(fail.error_message.contains("ran out of memory"), "{}", fail.error_message);
            variables = serde_json::from_str(&fail.variables).expect("JSON");
        }
    }
    assert_eq!((&variables["zeebe2faasOom"], &variables["zeebe2faasTry"]), (&json!(1), &json!(2)));
    site.begin(1, "hungry", headers, variables);
    site.until_seen(|seen| matches!(seen, Seen::Complete(complete) if complete.job_key == 1)).await;
    site.until_gone(&first).await;
}

#[tokio::test]
async fn after_a_restart_without_its_ledger_the_bridge_finds_its_jobs_by_their_labels() {
    let mut site = Site::start("").await;
    let id = site.begin(1, "hangs", NOTHING, NOTHING);
    site.until_seen(|seen| matches!(seen, Seen::Complete(_))).await;
    let pod = async || {
        let pods = site.pods().list(&kube::api::ListParams::default()).await.expect("a list");
        pods.iter()
            .find(|pod| pod.status.as_ref().is_some_and(|s| s.phase.as_deref() == Some("Running")))
            .map(ResourceExt::name_any)
    };
    until(async || pod().await.is_some()).await;
    let name = pod().await.expect("it runs");
    site.live.stop().await;
    for file in ["zeebe2faas.ledger", "zeebe2faas.ledger-wal", "zeebe2faas.ledger-shm"] {
        drop(std::fs::remove_file(site.live.folder.path().join(file)));
    }
    let ended = json!({ "status": { "phase": "Succeeded" } });
    let (params, patch) = (kube::api::PatchParams::default(), kube::api::Patch::Merge(ended));
    site.pods().patch_status(&name, &params, &patch).await.expect("it ends while nobody watches");
    site.live.restart().await;
    site.kubelet.bridge_is_at(&site.live.callbacks);
    assert_eq!(site.outcome(&id).await["status"], "succeeded");
    site.until_gone(&id).await;
}

#[tokio::test]
async fn a_job_that_asks_for_more_than_a_template_may_is_an_incident() {
    let site = Site::start("").await;
    site.begin(1, "succeeds", json!({ "function": "unknown" }), NOTHING);
    let told = |part: &'static str| move |seen: &Seen| matches!(seen, Seen::Fail(fail) if fail.retries == 0 && fail.error_message.contains(part));
    site.until_seen(told("there is no Job template `unknown.yaml`")).await;
    let hostile = json!({ "NOTE": "x' }\nspec: { template: { spec: { hostNetwork: true } } } #" });
    let id = site.begin(2, "succeeds", NOTHING, hostile);
    assert_eq!(site.outcome(&id).await["status"], "succeeded");
}
