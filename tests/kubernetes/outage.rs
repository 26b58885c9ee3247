//! The API server goes away for half a minute, and has forgotten where the watches were when it is back.

use crate::site::Site;
use futures_util::StreamExt;
use kube::api::{ListParams, WatchEvent, WatchParams};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use zeebe2faas_tests::soon;

const NOTHING: Value = Value::Null;
const AWAY: Duration = Duration::from_secs(30);

#[tokio::test]
async fn calls_survive_an_api_server_that_is_away_for_half_a_minute_and_forgets_where_the_watches_were() {
    let mut site = Site::alone("").await;
    let hanging = site.begin(1, "hangs", NOTHING, NOTHING);
    let flag = site.folder.path().join("flag");
    let headers =
        json!({ "function": "guarded", "cmdline": "sh -c 'while ! test -e \"$0\"; do sleep 0.1; done' {{ FLAG }}" });
    let running = site.begin(2, "runs", headers, json!({ "FLAG": flag }));
    for key in [1, 2] {
        site.until_submitted(key).await;
    }
    site.until_runs(&hanging).await;
    site.until_runs(&running).await;
    let before = site.jobs().list(&ListParams::default()).await.expect("a list").metadata.resource_version;

    let cluster = Arc::get_mut(&mut site.cluster).expect("a cluster of its own");
    cluster.kill_api_server();
    cluster.forget_the_past().await.expect("etcd is there");
    // A runner tells by itself; a submission waits; what the kubelet has to tell waits too.
    std::fs::write(&flag, "").expect("a file");
    let waiting = site.begin(3, "succeeds", NOTHING, NOTHING);
    assert_eq!(site.outcome(&running).await["status"], "succeeded");
    site.kubelet.make_room();
    tokio::time::sleep(AWAY).await;
    let cluster = Arc::get_mut(&mut site.cluster).expect("a cluster of its own");
    cluster.restart_api_server().await.expect("it is back");

    assert!(is_forgotten(&site, &before.expect("a version")).await, "the watch has expired (410)");
    assert_eq!(site.outcome(&hanging).await["status"], "succeeded");
    assert_eq!(site.outcome(&waiting).await["status"], "succeeded");
    for id in [&hanging, &running, &waiting] {
        site.until_gone(id).await;
    }
    assert_eq!(site.outcomes().len(), 3, "each one once");
}

/// Whether a watch from there on is answered with 410.
async fn is_forgotten(site: &Site, version: &str) -> bool {
    let jobs = site.jobs();
    let watch = jobs.watch(&WatchParams::default(), version).await;
    let mut events = Box::pin(match watch {
        Err(kube::Error::Api(status)) => return status.code == 410,
        watch => watch.expect("an answer"),
    });
    matches!(soon(events.next()).await, Some(Ok(WatchEvent::Error(status))) if status.code == 410)
}
