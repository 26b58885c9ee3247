//! Tasks that wait themselves (`reply` = `job`): the job stays open under a lock that is renewed, until its call has ended.

mod disturbed;
mod failures;
mod gone;
mod recovery;

use serde_json::Value;
use std::fs;
use zeebe2faas_tests::crash::{Bridge, Calling, Setup, Site, guarded, stack};

/// Counts its run, tells its process, and ends as the files of the folder say.
const PROGRAM: &str = "#!/bin/sh
echo $$ > \"$1/pid\"
echo \"$2\" >> \"$1/runs\"
while [ -e \"$1/hold\" ]; do sleep 0.02; done
[ -e \"$1/oom\" ] && rm \"$1/oom\" && kill -9 $$
[ -e \"$1/broken\" ] && echo 'no such scene' && exit 3
exit 0
";

/// Everything but the bridge; the task has these headers besides, and this event at its boundary.
async fn site(name: &'static str, headers: &[(&str, &str)], boundary: &str) -> Site {
    let call = [("function", "count"), ("cmdline", "work {{ folder }} {{ name }}"), ("reply", "job")];
    let process = Calling { retries: 2, boundary, ..Calling::with(name, &[&call, headers].concat()) };
    let setup = Setup {
        stack: stack(&[guarded("count", "work", &[("RUNNER_GRACE", "1s")]), guarded("count-large", "work", &[])]),
        programs: &[("work", PROGRAM)],
        configuration: "functions.count.run_once = true\nfunctions.count-large.run_once = true",
        processes: vec![process.file()],
    };
    Site::with(name, setup).await
}

/// From now on a run fails…
fn break_functions(site: &Site) {
    fs::write(site.folder().join("broken"), "").unwrap();
}

/// …until now.
fn mend_functions(site: &Site) {
    fs::remove_file(site.folder().join("broken")).unwrap();
}

/// Waits until so many calls have ended and Zeebe knows it, and gives them, the first one first.
async fn delivered(bridge: &Bridge, count: usize) -> Vec<Value> {
    let mut calls = bridge.calls(|calls| calls.iter().filter(|call| call["delivered"] == true).count() == count).await;
    calls.reverse();
    calls
}

fn statuses(calls: &[Value]) -> Vec<&str> {
    calls.iter().map(|call| call["status"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_task_ends_with_the_outcome_in_the_process_and_nothing_else_is_left_there() {
    let site = site("job-success", &[("result", "ortho")], "").await;
    let bridge = site.bridge().await;
    let variables = zeebe2faas_tests::soon(site.instance("a")).await.unwrap();

    let call = &delivered(&bridge, 1).await[0];
    assert_eq!(variables["ortho"]["status"], "succeeded");
    assert_eq!(variables["ortho"]["callId"], call["callId"]);
    let mut names: Vec<&String> = variables.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["folder", "name", "ortho"]);
    assert_eq!(site.runs(), ["a"]);
    assert_eq!(site.zeebe.seen("/PublishMessage"), 0);
}

#[tokio::test]
async fn the_lock_is_renewed_so_that_a_function_outlives_many_locks_and_runs_once() {
    let site = site("job-lock", &[], "").await;
    site.hold_functions();
    let bridge = site.bridge_with(&[("ZEEBE2FAAS_CALLS_JOB_LOCK", "1s")]).await;
    let instance = site.begin(site.variables("a")).await;
    site.ran(1).await;
    // Three to a lock.
    site.zeebe.has_seen("/UpdateJobTimeout", 12).await;
    site.release_functions();

    assert_eq!(site.records.ended_instances(1).await, [instance].into());
    assert_eq!(statuses(&delivered(&bridge, 1).await), ["succeeded"]);
    assert_eq!(site.records.count("JOB", "TIMED_OUT").await, 0);
    assert_eq!((site.runs(), site.gateway.seen("/async-function/")), (vec!["a".to_owned()], 1));
}
