//! How calls that run as Jobs end, each way.

use crate::site::{Site, until};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tonic::Code;
use zeebe2faas_tests::fake_gateway::{Answer, Seen};

const NOTHING: Value = Value::Null;
const SCHEDULERS_WORDS: &str = "1 Insufficient memory";

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
            _ => ("refused", "ImagePullBackOff: no such image"),
        };
        assert_eq!(outcome["status"], status, "{image}: {outcome}");
        assert!(outcome["message"].as_str().unwrap_or_default().contains(part), "{image}: {outcome}");
        assert_eq!(outcome["outOfMemory"], *image == "killed", "{image}: {outcome}");
        assert_eq!(outcome["exitCode"] == 3, *image == "fails", "{image}: {outcome}");
        assert_eq!(outcome["logTail"] == "the last line\n", *image == "fails", "{image}: {outcome}");
    }
    // The time to live is set once the outcome is delivered: job, pod and secret go.
    for (_, id) in &calls {
        site.until_gone(id).await;
    }
    assert_eq!(site.outcomes().len(), calls.len(), "each one once");
    // The log says of each end whose it is.
    let log = site.bridge.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let ended: Vec<Value> = lines.filter(|line| line["fields"]["message"] == "ended").collect();
    assert_eq!(ended.len(), calls.len(), "{log}");
    for (line, (image, id)) in ended.iter().flat_map(|line| calls.iter().map(move |call| (line, call))) {
        let is_its = line["span"]["call"] == id.as_str();
        assert!(!is_its || line["span"]["instance"].is_i64() && line["span"]["element"].is_string(), "{image}: {line}");
    }
    assert!(calls.iter().all(|(_, id)| ended.iter().any(|line| line["span"]["call"] == id.as_str())), "{log}");
}

#[tokio::test]
async fn a_runner_in_a_pod_reports_with_its_signature_and_the_jobs_end_adds_nothing() {
    let site = Site::start("").await;
    let good = site.begin_shell(1, "echo seen");
    let bad = site.begin_shell(2, "echo broken; exit 7");
    let outcome = site.outcome(&good).await;
    assert_eq!((&outcome["status"], &outcome["logTail"]), (&json!("succeeded"), &json!("seen\n")), "{outcome}");
    let outcome = site.outcome(&bad).await;
    assert_eq!((&outcome["exitCode"], &outcome["logTail"]), (&json!(7), &json!("broken\n")), "{outcome}");
    site.until_gone(&good).await;
    site.until_gone(&bad).await;
    assert_eq!(site.outcomes().len(), 2);
    for id in [good, bad] {
        assert_eq!(site.bridge.call(id.as_str()).await["late"], Value::Null);
    }
}

#[tokio::test]
async fn where_a_runner_cannot_call_back_its_exit_code_is_told_by_the_watch() {
    let site = Site::start("").await;
    site.callbacks.aim("http://127.0.0.1:1");
    let id = site.begin_shell(1, "exit 7");
    let outcome = site.outcome(&id).await;
    assert_eq!((&outcome["status"], &outcome["exitCode"]), (&json!("failed"), &json!(7)), "{outcome}");
    assert!(site.callbacks.seen("/callback/") > 0, "it tried");
}

#[tokio::test]
async fn the_schedulers_words_are_shown_while_a_pod_waits() {
    let site = Site::start("").await;
    let id = site.begin(1, "unschedulable", json!({ "timeout": "1h" }), NOTHING);
    let step = |call: &Value| call["progress"]["step"].as_str().unwrap_or_default().to_owned();
    site.until_shown(&id, |call| step(call).contains(SCHEDULERS_WORDS)).await;
    site.kubelet.make_room();
    assert_eq!(site.outcome(&id).await["status"], "succeeded");
}

#[tokio::test]
async fn the_schedulers_words_are_told_at_the_deadline_and_the_job_goes() {
    let site = Site::start("calls.grace = \"0s\"").await;
    let id = site.begin(1, "unschedulable", json!({ "timeout": "40s" }), NOTHING);
    let outcome = site.outcome(&id).await;
    assert_eq!(outcome["status"], "timedOut", "{outcome}");
    assert!(outcome["message"].as_str().unwrap_or_default().contains(SCHEDULERS_WORDS), "{outcome}");
    site.until_gone(&id).await;
}

#[tokio::test]
async fn a_job_that_kubernetes_ends_at_its_deadline_is_timed_out() {
    let site = Site::start("").await;
    let id = site.begin(1, "hangs", NOTHING, NOTHING);
    site.until_runs(&id).await;
    let shorter = Patch::Merge(json!({ "spec": { "activeDeadlineSeconds": 1 } }));
    site.jobs().patch(id.as_str(), &PatchParams::default(), &shorter).await.expect("it is changed");
    assert_eq!(site.outcome(&id).await["status"], "timedOut");
    site.until_gone(&id).await;
}

#[tokio::test]
async fn a_job_that_somebody_deletes_has_failed() {
    let site = Site::start("").await;
    let id = site.begin(1, "hangs", NOTHING, NOTHING);
    site.until_shown(&id, |call| call["state"] == "submitted").await;
    site.until_runs(&id).await;
    site.jobs().delete(id.as_str(), &kube::api::DeleteParams::background()).await.expect("it is deleted");
    let outcome = site.outcome(&id).await;
    assert_eq!(outcome["status"], "failed", "{outcome}");
    assert!(outcome["message"].as_str().unwrap_or_default().contains("its Job was deleted"), "{outcome}");
}

#[tokio::test]
async fn a_call_that_is_cancelled_leaves_nothing_running() {
    let site = Site::start("").await;
    let script = format!("echo $$ > {}/pid; exec sleep 1000", site.folder.path().display());
    let id = site.begin_shell(1, &script);
    site.until_submitted(1).await;
    let pid = site.folder.path().join("pid");
    let runs =
        || std::fs::read_to_string(&pid).is_ok_and(|pid| std::path::Path::new("/proc").join(pid.trim()).exists());
    until(async || runs()).await;
    let token = std::fs::read_to_string(site.folder.path().join("admin.token")).expect("the token");
    let (status, text) = site.bridge.act(id.as_str(), "cancel", token.trim()).await;
    assert_eq!(status, 200, "{text}");
    assert_eq!(site.outcome(&id).await["status"], "cancelled");
    site.until_gone(&id).await;
    assert!(!runs());
}

#[tokio::test]
async fn a_task_that_is_left_takes_its_job_with_it() {
    let site = Site::start("").await;
    site.zeebe.script("UpdateJobTimeout", Answer::Status(Code::NotFound));
    let id = site.begin(1, "hangs", json!({ "reply": "job" }), NOTHING);
    site.until_shown(&id, |call| call["status"] == "cancelled").await;
    site.until_gone(&id).await;
}

#[tokio::test]
async fn a_try_after_lack_of_memory_asks_for_more() {
    let site = Site::start("calls.retry_backoff = \"0s\"").await;
    let headers = json!({ "cmdline": null, "template": "hungry", "reply": "job" });
    let first = site.begin(1, "hungry", headers.clone(), NOTHING);
    site.until_seen(|seen| matches!(seen, Seen::Fail(_))).await;
    let seen = site.zeebe.seen();
    let fail = seen.iter().find_map(|seen| if let Seen::Fail(fail) = seen { Some(fail) } else { None });
    let fail = fail.expect("it was seen");
    assert!(fail.error_message.contains("ran out of memory"), "{}", fail.error_message);
    let variables: Value = serde_json::from_str(&fail.variables).expect("JSON");
    assert_eq!((&variables["zeebe2faasOom"], &variables["zeebe2faasTry"]), (&json!(1), &json!(2)));
    site.begin(1, "hungry", headers, variables);
    site.until_submitted(1).await;
    site.until_gone(&first).await;
}
