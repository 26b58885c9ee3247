//! One call runs once, whatever is sent twice and whoever dies.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use reqwest::Method;
use std::{fs, process::Command};
use support::{Function, ended, is_alive, lines, outcome, shell, until};
use zeebe2faas_contract::{CallState, Outcome};

/// Notes that it ran, with its process id, and waits for the file `go`.
const WAITING: &str = "echo $$ >> \"$1/ran\"; while ! [ -e \"$1/go\" ]; do sleep 0.02; done; echo done";

#[tokio::test]
async fn two_requests_for_a_call_run_it_once_and_get_the_same_answer() {
    let function = Function::new();
    let runner = function.runner(&[]);
    let call = shell(1, WAITING, &[&function.text("")]);
    let second = async {
        until("it runs", || lines(&function.path("ran")) > 0).await;
        let waiting = runner.send(&call);
        let (response, ()) = tokio::join!(waiting, async { fs::write(function.path("go"), "").unwrap() });
        runner.genuine(response, &call.call_id, "").await
    };
    let first = async { runner.genuine(runner.send(&call).await, &call.call_id, "").await };
    let (first, second) = tokio::join!(first, second);
    assert_eq!(first, second);
    assert_eq!(first.0, 200);
    assert_eq!(runner.genuine(runner.send(&call).await, &call.call_id, "").await, first, "replayed");
    assert_eq!(lines(&function.path("ran")), 1);
}

#[tokio::test]
async fn a_failure_is_stored_and_replayed_too_by_another_runner() {
    let function = Function::new();
    let call = shell(2, "echo ran >> \"$1/ran\"; exit 3", &[&function.text("")]);
    let mut first = function.runner(&[]);
    let report = first.post(&call).await;
    assert_eq!((report.outcome, report.exit_code), (Outcome::Failed, Some(3)));
    first.kill();
    let second = function.runner(&[]);
    assert_eq!(second.post(&call).await, report);
    assert_eq!(ended(second.state(&call.call_id).await), report);
    assert_eq!(lines(&function.path("ran")), 1);
}

#[tokio::test]
async fn a_lost_connection_does_not_end_the_run() {
    let function = Function::new();
    let runner = function.runner(&[]);
    let call = shell(3, WAITING, &[&function.text("")]);
    tokio::select! {
        _ = runner.send(&call) => unreachable!("nobody said go"),
        () = until("it runs", || lines(&function.path("ran")) > 0) => {}
    }
    assert_eq!(runner.state(&call.call_id).await, CallState::Running);
    fs::write(function.path("go"), "").unwrap();
    assert_eq!(runner.post(&call).await.outcome, Outcome::Succeeded);
    assert_eq!(lines(&function.path("ran")), 1);
}

#[tokio::test]
async fn another_runner_waits_for_the_result_of_the_first() {
    let function = Function::new();
    let (one, other) = (function.runner(&[]), function.runner(&[]));
    let call = shell(4, WAITING, &[&function.text("")]);
    let second = async {
        until("it runs", || lines(&function.path("ran")) > 0).await;
        assert_eq!(other.state(&call.call_id).await, CallState::Running);
        let waiting = other.post(&call);
        let (report, ()) = tokio::join!(waiting, async { fs::write(function.path("go"), "").unwrap() });
        report
    };
    let (first, second) = tokio::join!(one.post(&call), second);
    assert_eq!(first, second);
    assert_eq!(lines(&function.path("ran")), 1);
}

#[tokio::test]
async fn a_dead_runners_call_is_taken_over_and_runs_again() {
    let function = Function::new();
    let times = [("RUNNER_GIVE_UP_AFTER", "2s"), ("RUNNER_DEAD_AFTER", "3s")];
    let (mut one, other) = (function.runner(&times), function.runner(&times));
    let call = shell(5, WAITING, &[&function.text("")]);
    tokio::select! {
        _ = one.send(&call) => unreachable!("nobody said go"),
        () = until("it runs", || lines(&function.path("ran")) > 0) => {}
    }
    one.kill();
    let orphan = fs::read_to_string(function.path("ran")).unwrap();
    let again = async {
        until("it runs again", || lines(&function.path("ran")) == 2).await;
        fs::write(function.path("go"), "").unwrap();
    };
    let (report, ()) = tokio::join!(other.post(&call), again);
    assert_eq!(report.outcome, Outcome::Succeeded);
    until("the first program, whose runner was killed, has ended too", || !is_alive(&orphan)).await;
}

#[tokio::test]
async fn a_dead_runners_call_becomes_unknown_and_whoever_buries_it_hears_that_it_was_begun() {
    let function = Function::new();
    let times = [("RUNNER_GIVE_UP_AFTER", "2s"), ("RUNNER_DEAD_AFTER", "3s")];
    let (mut one, other) = (function.runner(&times), function.runner(&times));
    let call = shell(6, WAITING, &[&function.text("")]);
    tokio::select! {
        _ = one.send(&call) => unreachable!("nobody said go"),
        () = until("it runs", || lines(&function.path("ran")) > 0) => {}
    }
    one.kill();
    while other.state(&call.call_id).await == CallState::Running {
        tokio::task::yield_now().await;
    }
    assert_eq!(other.state(&call.call_id).await, CallState::Unknown);
    assert_eq!(outcome(other.ask(Method::DELETE, &call.call_id, "?only=unknown").await), Outcome::Failed);
    let report = other.post(&call).await;
    assert!(report.outcome == Outcome::Failed && report.message.contains("began this call"), "{}", report.message);
    fs::write(function.path("go"), "").unwrap();
    assert_eq!(lines(&function.path("ran")), 1);
}

#[tokio::test]
async fn an_owner_that_was_taken_over_ends_its_program_and_stores_nothing() {
    let function = Function::new();
    let runner = function.runner(&[]);
    let call = shell(7, WAITING, &[&function.text("")]);
    let directory = function.path("state").join("otbcli/calls").join(call.call_id.as_str());
    let take_over = async {
        until("it runs", || lines(&function.path("ran")) > 0).await;
        let pid = fs::read_to_string(function.path("ran")).unwrap();
        // As another runner does: the owner's file gets another incarnation's name, at whatever count it is.
        until("taken over", || {
            let names = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
            let owner = names.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("owner.")).last();
            owner.is_some_and(|owner| fs::rename(owner, directory.join("owner.other.0")).is_ok())
        })
        .await;
        until("its program has ended", || !is_alive(&pid)).await;
        assert!(
            !fs::read_dir(&directory).unwrap().any(|e| e.unwrap().file_name().to_str().unwrap().starts_with("ended"))
        );
        // The other one's result is the answer.
        let cancelled = runner.cancel(&call.call_id);
        let end = async {
            until("asked to cancel", || directory.join("cancel").exists()).await;
            let report = r#"{"callId":"ID","function":"otbcli","outcome":"cancelled"}"#;
            fs::write(directory.join("report.other"), report.replace("ID", call.call_id.as_str())).unwrap();
            fs::rename(directory.join("owner.other.0"), directory.join("ended.other")).unwrap();
        };
        tokio::join!(cancelled, end).0
    };
    let (report, state) = tokio::join!(runner.post(&call), take_over);
    assert_eq!(report.outcome, Outcome::Cancelled);
    assert!(matches!(state, CallState::Running | CallState::Ended { .. }));
}

#[tokio::test]
async fn an_owner_that_cannot_reach_its_state_ends_its_program() {
    let function = Function::new();
    let times = [("RUNNER_GIVE_UP_AFTER", "300ms"), ("RUNNER_DEAD_AFTER", "20s")];
    let runner = function.runner(&times);
    let call = shell(8, WAITING, &[&function.text("")]);
    let break_it = async {
        until("it runs", || lines(&function.path("ran")) > 0).await;
        // A file where the folder was: neither there nor gone.
        fs::rename(function.path("state"), function.path("away")).unwrap();
        fs::write(function.path("state"), "").unwrap();
    };
    let (response, ()) = tokio::join!(runner.send(&call), break_it);
    let (status, _) = runner.genuine(response, &call.call_id, "").await;
    assert_eq!(status, 503);
    assert!(!is_alive(&fs::read_to_string(function.path("ran")).unwrap()));
}

#[tokio::test]
async fn sigterm_ends_the_program_and_another_runner_may_run_the_call_at_once() {
    let function = Function::new();
    let (mut one, other) = (function.runner(&[]), function.runner(&[]));
    let call = shell(9, WAITING, &[&function.text("")]);
    let stop = async {
        until("it runs", || lines(&function.path("ran")) > 0).await;
        one.signal("TERM");
    };
    let (response, ()) = tokio::join!(one.send(&call), stop);
    assert_eq!(response.status(), 503);
    assert!(response.headers().get("x-zeebe2faas-signature").is_none());
    assert!(one.process.wait().unwrap().success());
    assert!(!is_alive(&fs::read_to_string(function.path("ran")).unwrap()));
    assert_eq!(other.state(&call.call_id).await, CallState::Unknown);
    fs::write(function.path("go"), "").unwrap();
    assert_eq!(other.post(&call).await.outcome, Outcome::Succeeded);
    assert_eq!(lines(&function.path("ran")), 2);
}

#[tokio::test]
async fn sigterm_ends_the_whole_process_group_even_a_grandchild_that_ignores_it() {
    let function = Function::new();
    let mut runner = function.runner(&[]);
    let script = "sh -c 'trap \"\" TERM; echo $$ > \"$1/pid\"; while :; do sleep 0.1; done' x \"$1\" & wait; wait";
    let call = shell(10, script, &[&function.text("")]);
    let stop = async {
        until("the grandchild runs", || lines(&function.path("pid")) > 0).await;
        runner.signal("TERM");
    };
    let (response, ()) = tokio::join!(runner.send(&call), stop);
    assert_eq!(response.status(), 503);
    assert!(runner.process.wait().unwrap().success());
    let pid = fs::read_to_string(function.path("pid")).unwrap();
    until("the grandchild has ended", || !is_alive(&pid)).await;
}

#[tokio::test]
async fn wrong_settings_are_told_all_at_once_with_exit_code_2() {
    let output = Command::new(env!("CARGO_BIN_EXE_zeebe2faas-runner"))
        .args(["--function", "../x", "--state-dir", "/nowhere", "--key-file", "/nowhere"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    for name in ["RUNNER_FUNCTION", "RUNNER_ALLOW", "RUNNER_KEY_FILE"] {
        assert!(told.contains(name), "{told}");
    }
}
