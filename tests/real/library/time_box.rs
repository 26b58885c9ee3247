use super::{run, site};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use zeebe2faas_tests::{
    crash::{Site, guarded},
    soon,
};

const LOOK_EVERY: Duration = Duration::from_millis(20);
/// `full FOLDER` tells its process, and ends when it may.
const FULL: &str = "#!/bin/sh
echo $$ > \"$1/pid\"
while [ -e \"$1/hold\" ]; do sleep 0.02; done
[ ! -e \"$1/broken\" ] || exit 3
";
/// So that the bridge looks often whether the task is still there.
const SHORT_LOCK: [(&str, &str); 1] = [("ZEEBE2FAAS_CALLS_JOB_LOCK", "1s")];

async fn boxed(name: &'static str) -> Site {
    let functions = [guarded("full", "full", &[("RUNNER_GRACE", "1s")]), guarded("quick", "true", &[])];
    site(name, "time-box", &functions, &[("full", FULL)]).await
}

/// Of a run in this folder.
fn variables(folder: &Path, within: &str, fallback: bool) -> Value {
    let full = json!({ "function": "full", "cmdline": "full {{ folder }}", "variables": { "folder": folder } });
    let quick = fallback.then(|| json!({ "function": "quick", "cmdline": "true" }));
    json!({ "request": full, "within": within, "fallback": quick })
}

#[tokio::test]
async fn what_is_done_in_time_counts() {
    let site = boxed("box-in-time").await;
    let _bridge = site.bridge().await;
    let variables = variables(site.folder(), "PT1H", true);
    let outcome = run(&site, "box-in-time-time-box", variables).await["outcome"].take();
    assert_eq!((&outcome["status"], &outcome["by"]), (&json!("succeeded"), &json!("request")), "{outcome:#}");
}

/// The program of a run whose time was up while it worked; a busy machine may need more than the first time box for its
/// start.
async fn interrupted(site: &Site) -> PathBuf {
    for seconds in [3, 15, 60] {
        let folder = site.folder().join(seconds.to_string());
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("hold"), "").unwrap();
        let variables = variables(&folder, &format!("PT{seconds}S"), true);
        let outcome = run(site, "box-over-time-box", variables).await["outcome"].take();
        assert_eq!((&outcome["status"], &outcome["by"]), (&json!("succeeded"), &json!("fallback")), "{outcome:#}");
        assert_eq!(outcome["function"], "quick", "{outcome:#}");
        if let Ok(pid) = fs::read_to_string(folder.join("pid"))
            && pid.ends_with('\n')
        {
            return PathBuf::from(format!("/proc/{}", pid.trim()));
        }
    }
    panic!("the function was never started");
}

#[tokio::test]
async fn when_the_time_is_up_the_function_is_ended_and_its_fallback_counts() {
    let site = boxed("box-over").await;
    let bridge = site.bridge_with(&SHORT_LOCK).await;
    let program = interrupted(&site).await;
    soon(async {
        while program.exists() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    })
    .await;
    bridge.calls(|calls| calls.iter().any(|call| call["function"] == "full" && call["status"] == "cancelled")).await;
}

#[tokio::test]
async fn without_a_fallback_it_says_that_the_time_is_up_or_how_the_function_failed() {
    let site = boxed("box-nothing").await;
    let _bridge = site.bridge_with(&SHORT_LOCK).await;
    site.hold_functions();
    let outcome = run(&site, "box-nothing-time-box", variables(site.folder(), "PT1S", false)).await["outcome"].take();
    let expected = json!({ "status": "timedOut", "by": "nothing", "message": "not done within PT1S, its time box" });
    assert_eq!(outcome, expected);

    site.release_functions();
    fs::write(site.folder().join("broken"), "").unwrap();
    let outcome = run(&site, "box-nothing-time-box", variables(site.folder(), "PT1H", false)).await["outcome"].take();
    assert_eq!((&outcome["status"], &outcome["exitCode"]), (&json!("failed"), &json!(3)), "{outcome:#}");
}
