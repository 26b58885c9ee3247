//! How programs end, and what becomes of their outputs.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::fs;
use support::{Function, is_alive, lines, now_ms, outcome, shell, until};
use zeebe2faas_contract::{CallState, Invocation, Outcome};

#[tokio::test]
async fn nothing_is_started_after_the_deadline() {
    let function = Function::new();
    let runner = function.runner(&[]);
    let late = shell(1, "echo ran >> \"$1/ran\"", &[&function.text("")]);
    let report = runner.post(&Invocation { deadline_ms: now_ms() - 1, ..late }).await;
    assert_eq!((report.outcome, report.started_at_ms), (Outcome::TimedOut, None));
    assert_eq!(lines(&function.path("ran")), 0);
}

#[tokio::test]
async fn the_deadline_ends_the_whole_group_even_a_grandchild_that_ignores_sigterm() {
    let function = Function::new();
    let runner = function.runner(&[]);
    let script = "sh -c 'trap \"\" TERM; echo $$ > \"$1/pid\"; while :; do sleep 1; done' x \"$1\" & wait; wait";
    let call = shell(2, script, &[&function.text("")]);
    let report = runner.post(&Invocation { deadline_ms: now_ms() + 1500, ..call }).await;
    assert_eq!(report.outcome, Outcome::TimedOut);
    assert!(report.message.contains("deadline"), "{}", report.message);
    let pid = fs::read_to_string(function.path("pid")).unwrap();
    until("the grandchild has ended", || !is_alive(&pid)).await;
}

#[tokio::test]
async fn a_program_that_ignores_sigterm_is_killed_after_the_grace_and_that_is_not_lack_of_memory() {
    let function = Function::new();
    let runner = function.runner(&[]);
    let call = shell(3, "trap '' TERM; while :; do sleep 0.05; done", &[]);
    let report = runner.post(&Invocation { deadline_ms: now_ms() + 300, ..call }).await;
    assert_eq!((report.outcome, report.signal.as_deref()), (Outcome::TimedOut, Some("SIGKILL")));
    assert!(!report.out_of_memory);
}

#[tokio::test]
async fn what_the_main_process_leaves_behind_is_ended() {
    let function = Function::new();
    let runner = function.runner(&[]);
    let report = runner.post(&shell(4, "sleep 600 & echo $! > \"$1/pid\"", &[&function.text("")])).await;
    assert_eq!(report.outcome, Outcome::Succeeded);
    let pid = fs::read_to_string(function.path("pid")).unwrap();
    until("the rest of the group has ended", || !is_alive(&pid)).await;
}

#[tokio::test]
async fn delete_ends_a_run_here_or_in_another_runner() {
    let function = Function::new();
    let (one, other) = (function.runner(&[]), function.runner(&[]));
    for (number, asked) in [(5, &one), (6, &other)] {
        let pid_file = format!("pid{number}");
        let call = shell(number, "echo $$ > \"$1\"; sleep 600", &[&function.text(&pid_file)]);
        let cancel = async {
            until("it runs", || lines(&function.path(&pid_file)) > 0).await;
            asked.cancel(&call.call_id).await
        };
        let (report, state) = tokio::join!(one.post(&call), cancel);
        assert_eq!(report.outcome, Outcome::Cancelled);
        assert_eq!(outcome(state), Outcome::Cancelled);
        assert!(!is_alive(&fs::read_to_string(function.path(&pid_file)).unwrap()));
        assert_eq!(other.post(&call).await, report);
    }
}

#[tokio::test]
async fn a_failure_names_the_exit_code_and_the_last_error_and_keeps_a_bounded_tail() {
    let function = Function::new();
    let runner = function.runner(&[("RUNNER_LOG_TAIL_BYTES", "100")]);
    let script = "i=0; while [ $i -lt 50 ]; do echo line $i; i=$((i+1)); done; echo '(FATAL) App: no such image' >&2; echo bye; exit 7";
    let report = runner.post(&shell(7, script, &[])).await;
    assert_eq!((report.outcome, report.exit_code), (Outcome::Failed, Some(7)));
    assert_eq!(report.message, "otbcli: /bin/sh failed with exit code 7: (FATAL) App: no such image");
    assert!(report.log_tail.ends_with("(FATAL) App: no such image\nbye\n"), "{}", report.log_tail);
    assert!(report.log_tail.len() <= 100);
}

#[tokio::test]
async fn output_that_is_not_text_does_no_harm() {
    let function = Function::new();
    let runner = function.runner(&[("RUNNER_LOG_TAIL_BYTES", "5")]);
    let report = runner.post(&shell(8, r"printf '\303\251\303\251\377\000a'", &[])).await;
    assert_eq!(report.outcome, Outcome::Succeeded);
    assert_eq!(report.log_tail, "é\u{fffd}\0a");
}

#[tokio::test]
async fn exit_code_0_with_otbs_warning_of_a_missing_dem_is_a_failure() {
    let function = Function::new();
    let runner = function.runner(&[]);
    let script = "echo '(WARNING) /dem is not a valid DEM directory'; echo x > \"$2\"";
    let mut call = shell(9, script, &["-out", &function.text("o.tif")]);
    call.outputs = vec!["out".into()];
    let report = runner.post(&call).await;
    assert_eq!((report.outcome, report.exit_code), (Outcome::Failed, Some(0)));
    assert!(report.message.contains("(WARNING) /dem is not a valid DEM directory"), "{}", report.message);
    assert!(!function.path("o.tif").exists());
}

#[tokio::test]
async fn sigkill_that_is_not_ours_is_told_as_lack_of_memory() {
    let function = Function::new();
    let runner = function.runner(&[]);
    let report = runner.post(&shell(10, "kill -KILL $$", &[])).await;
    assert_eq!((report.outcome, report.signal.as_deref()), (Outcome::Failed, Some("SIGKILL")));
    assert!(report.out_of_memory && report.message.contains("out of memory"), "{}", report.message);
    let below_a_shell = runner.post(&shell(11, "sh -c 'kill -KILL $$'; exit $?", &[])).await;
    assert!(below_a_shell.out_of_memory, "{below_a_shell:?}");
    let other = runner.post(&shell(12, "kill -SEGV $$", &[])).await;
    assert_eq!((other.signal.as_deref(), other.out_of_memory), (Some("SIGSEGV"), false));
}

#[tokio::test]
async fn cpu_time_and_memory_are_those_of_the_whole_group() {
    let function = Function::new();
    let runner = function.runner(&[]);
    let busy = "sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done'; x=$(head -c 20000000 /dev/zero | tr '\\0' x); times";
    let report = runner.post(&shell(13, busy, &[])).await;
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
    // `times` prints the shell's own and its children's times, such as 0m0.12s.
    let seconds = |text: &str| {
        let (minutes, rest) = text.trim_end_matches('s').split_once('m').unwrap();
        minutes.parse::<f64>().unwrap() * 60.0 + rest.parse::<f64>().unwrap()
    };
    let told: f64 = report.log_tail.split_whitespace().map(seconds).sum();
    assert!((report.cpu_seconds - told).abs() < 0.1 + told * 0.1, "{} against {told}", report.cpu_seconds);
    assert!(report.peak_memory_bytes > 20_000_000, "{}", report.peak_memory_bytes);
    assert!(report.duration_seconds > 0.0 && report.started_at_ms.is_some());
}

/// A call that writes `$2` and a side-car, and `$4`, then does what `then` says.
fn writer(function: &Function, number: i64, then: &str) -> Invocation {
    let script = format!(
        "[ -e \"$2\" ] && exit 9; path=${{2%%\\?*}}; echo a > \"$path\"; echo g > \"$path.geom\"; echo b > \"$4\"; {then}"
    );
    let (a, b) = (format!("{}?&gdal:co:TILED=YES", function.text("new/a.tif")), function.text("new/b.tif"));
    let outputs = vec!["out".into(), "io.out".into()];
    Invocation { outputs, ..shell(number, &script, &["-out", &a, "--io.out", &b]) }
}

#[tokio::test]
async fn outputs_and_side_cars_get_their_names_when_the_program_has_succeeded() {
    let function = Function::new();
    let runner = function.runner(&[]);
    let call = writer(&function, 14, "[ -e \"$(dirname \"$4\")/../a.tif\" ] && exit 8; echo \"$2\"");
    let report = runner.post(&call).await;
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
    let temporary = format!("new/.zeebe2faas-{}", call.call_id);
    assert_eq!(report.log_tail.trim(), format!("{}/a.tif?&gdal:co:TILED=YES", function.text(&temporary)));
    let names = ["new/a.tif", "new/b.tif", "new/a.tif.geom"].map(|name| function.text(name));
    assert_eq!(report.outputs, names);
    for (name, content) in names.iter().zip(["a\n", "b\n", "g\n"]) {
        assert_eq!(fs::read_to_string(name).unwrap(), content);
    }
    assert_eq!(fs::read_dir(function.path("new")).unwrap().count(), 3);
}

#[tokio::test]
async fn a_failed_program_leaves_no_outputs_and_an_older_file_as_it_was() {
    let function = Function::new();
    let runner = function.runner(&[]);
    fs::create_dir(function.path("new")).unwrap();
    fs::write(function.path("new/a.tif"), "older").unwrap();
    let report = runner.post(&writer(&function, 15, "exit 1")).await;
    assert_eq!(report.outcome, Outcome::Failed);
    assert_eq!(fs::read_to_string(function.path("new/a.tif")).unwrap(), "older");
    assert_eq!(fs::read_dir(function.path("new")).unwrap().count(), 1);
}

#[tokio::test]
async fn a_success_without_its_output_file_is_a_failure() {
    let function = Function::new();
    let runner = function.runner(&[]);
    let path = function.text("o.tif");
    let call = shell(16, "echo x > \"$2.other\"", &["-out", &path]);
    let report = runner.post(&Invocation { outputs: vec!["out".into()], ..call }).await;
    assert_eq!((report.outcome, report.exit_code), (Outcome::Failed, Some(0)));
    assert!(report.message.contains(&path) && report.message.contains("o.tif.other"), "{}", report.message);
}

#[tokio::test]
async fn a_target_folder_that_cannot_be_made_is_refused_and_can_be_tried_again() {
    let function = Function::new();
    let runner = function.runner(&[]);
    fs::write(function.path("new"), "a file").unwrap();
    let call = writer(&function, 17, "true");
    let report = runner.post(&call).await;
    assert_eq!(report.outcome, Outcome::Refused);
    assert!(report.message.contains(&function.text("new")), "{}", report.message);
    assert_eq!(runner.state(&call.call_id).await, CallState::Unknown);
    fs::remove_file(function.path("new")).unwrap();
    assert_eq!(runner.post(&call).await.outcome, Outcome::Succeeded);
}

#[tokio::test]
async fn a_fixed_program_gets_the_arguments_as_they_are_and_only_allowed_applications() {
    let function = Function::new();
    let runner = function.runner(&[("RUNNER_PROGRAM", "/bin/echo"), ("RUNNER_ALLOW", "BundleToPerfectSensor")]);
    let mut call = shell(18, "", &[]);
    call.args = ["BundleToPerfectSensor", "-inp", "a b; $(id)", "*"].map(Into::into).to_vec();
    assert_eq!(runner.post(&call).await.log_tail, "BundleToPerfectSensor -inp a b; $(id) *\n");
    let mut other = shell(19, "", &[]);
    other.args = vec!["Superimpose".into()];
    assert_eq!(runner.post(&other).await.outcome, Outcome::Refused);
}
