//! What Job templates may ask for, what they may not, and what a variable can do in one.

use crate::site::Site;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use zeebe2faas_tests::fake_gateway::Seen;

const NOTHING: Value = Value::Null;

#[tokio::test]
async fn a_job_waits_for_its_queue_to_start_it() {
    let site = Site::start("").await;
    let id = site.begin(1, "succeeds", json!({ "function": "queued" }), NOTHING);
    site.until_submitted(1).await;
    assert!(site.pods_of(&id).await.is_empty());
    let admitted = Patch::Merge(json!({ "spec": { "suspend": false } }));
    site.jobs().patch(id.as_str(), &PatchParams::default(), &admitted).await.expect("it is changed");
    assert_eq!(site.outcome(&id).await["status"], "succeeded");
}

#[tokio::test]
async fn a_hostile_variable_stays_one_text_and_what_no_template_has_is_an_incident() {
    let site = Site::start("").await;
    let hostile = "x' }\nspec: { template: { spec: { hostNetwork: true } } } #";
    let id = site.begin(1, "hangs", NOTHING, json!({ "NOTE": hostile }));
    site.until_submitted(1).await;
    let job = site.job(&id).await.expect("it is there");
    assert_eq!(job.metadata.annotations.expect("some")["note"], hostile);
    let pod = job.spec.and_then(|spec| spec.template.spec).expect("a pod");
    assert_eq!((pod.host_network, pod.containers.len()), (None, 1));
    site.kubelet.make_room();
    assert_eq!(site.outcome(&id).await["status"], "succeeded");

    site.begin(2, "succeeds", json!({ "function": "unknown" }), NOTHING);
    let why = "there is no Job template `unknown.yaml`";
    site.until_seen(|seen| matches!(seen, Seen::Fail(fail) if fail.retries == 0 && fail.error_message.contains(why)))
        .await;
}

#[tokio::test]
async fn what_the_api_server_refuses_is_an_incident_with_its_words() {
    let site = Site::start("").await;
    site.begin(1, "Not An Image\u{0}", json!({ "executor": "kubernetes-job" }), json!({ "NOTE": "x".repeat(300_000) }));
    site.until_seen(
        |seen| matches!(seen, Seen::Fail(fail) if fail.retries == 0 && fail.error_message.contains("annotations")),
    )
    .await;
}

#[tokio::test]
async fn gpus_infiniband_huge_pages_and_the_rest_of_what_heavy_functions_need_arrive_in_the_cluster() {
    let site = Site::start("").await;
    let headers = json!({ "function": null, "cmdline": null, "template": "everything" });
    let id = site.begin(1, "any", headers, json!({ "ZONE": "toulouse" }));
    site.until_submitted(1).await;
    let job = serde_json::to_value(site.job(&id).await.expect("it is there")).expect("JSON");
    assert_eq!(job["spec"]["podFailurePolicy"]["rules"][0]["action"], "FailJob");
    let pod = &job["spec"]["template"]["spec"];
    assert_eq!(pod["nodeSelector"], json!({ "zone": "toulouse" }));
    assert_eq!(pod["tolerations"][0]["key"], "nvidia.com/gpu");
    let resources = &pod["containers"][0]["resources"];
    for (name, amount) in
        [("nvidia.com/gpu", "1"), ("rdma/hca", "2"), ("hugepages-2Mi", "64Mi"), ("ephemeral-storage", "1Gi")]
    {
        assert_eq!(resources["limits"][name], amount, "{resources}");
    }
    // The command template's, which come before those of the Job's.
    assert_eq!((&resources["requests"]["cpu"], &resources["limits"]["memory"]), (&json!("3"), &json!("2147483648")));
    assert_eq!(pod["containers"][0]["command"], json!(["prog", "a b"]));
}

#[tokio::test]
async fn why_a_job_gets_no_pod_is_shown_while_its_call_waits() {
    let site = Site::start("").await;
    let id = site.begin(1, "any", json!({ "function": "privileged" }), NOTHING);
    site.until_shown(&id, |call| call["progress"]["step"].as_str().is_some_and(|step| step.contains("PodSecurity")))
        .await;
}
