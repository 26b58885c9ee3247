//! What a program may use, what it used, and what happens when memory runs out.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::fs;
use support::{Function, Runner, shell};
use zeebe2faas_contract::{Invocation, Outcome, Resources, Step, TraceParent};

#[tokio::test]
async fn a_program_that_says_so_ran_out_of_memory() {
    let function = Function::new();
    let runner = function.runner(&[]);
    for (number, line) in [
        (
            1,
            "2026-11-24 06:08:03 (FATAL) BandMathX: Caught std::exception during application execution: std::bad_alloc",
        ),
        (2, "2026-11-24 06:11:39 (FATAL) Smoothing: Failed to allocate memory for image."),
        (3, "ERROR 2: ./gcore/overview.cpp, 3051: cannot allocate 3180000 bytes"),
        (4, "FATAL: CPLMalloc(): Out of memory allocating 99 bytes."),
        (5, "memory allocation of 99 bytes failed"),
    ] {
        let report = runner.post(&shell(number, "echo \"$1\" >&2; exit 1", &[line])).await;
        assert_eq!(
            (report.outcome, report.exit_code, report.out_of_memory),
            (Outcome::Failed, Some(1), true),
            "{line}"
        );
        let message = &report.message;
        assert!(message.contains("ran out of memory") && message.contains(line), "{message}");
        assert!(message.contains("raise the function's memory limit") && message.contains("MiB"), "{message}");
    }
    let well = runner.post(&shell(6, "echo std::bad_alloc caught, with smaller blocks now", &[])).await;
    assert_eq!((well.outcome, well.out_of_memory), (Outcome::Succeeded, false));
    let other = runner.post(&shell(7, "echo ERROR 12: disk full; exit 1", &[])).await;
    assert!(!other.out_of_memory, "{other:?}");
}

#[tokio::test]
async fn the_texts_of_lack_of_memory_can_be_chosen() {
    let function = Function::new();
    let runner = function.runner(&[("RUNNER_OUT_OF_MEMORY_TEXT", "heap is full,no room")]);
    assert!(runner.post(&shell(8, "echo 'there is no room'; exit 3", &[])).await.out_of_memory);
    assert!(!runner.post(&shell(9, "echo std::bad_alloc; exit 3", &[])).await.out_of_memory);
}

/// The variables that a call with these resources sees.
async fn seen(runner: &Runner, number: i64, memory_bytes: Option<u64>, cores: Option<u32>) -> String {
    let script = "echo $OTB_MAX_RAM_HINT $GDAL_CACHEMAX $ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS $GDAL_NUM_THREADS";
    let resources = Resources { memory_bytes, cores };
    let report = runner.post(&Invocation { resources, ..shell(number, script, &[]) }).await;
    report.log_tail.trim().to_owned()
}

#[tokio::test]
async fn a_templates_memory_and_cores_reach_the_program_and_win_over_the_runners_environment() {
    let function = Function::new();
    let set = [("OTB_MAX_RAM_HINT", "77"), ("GDAL_CACHEMAX", "78"), ("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "79")];
    let runner = function.runner(&[set.as_slice(), &[("GDAL_NUM_THREADS", "80")]].concat());
    assert_eq!(seen(&runner, 10, Some(96 << 20), Some(1)).await, "32 6 1 1");
    assert_eq!(seen(&runner, 11, None, None).await, "77 78 79 80");
    assert_eq!(seen(&runner, 12, None, Some(1)).await, "77 78 1 1");
}

#[tokio::test]
async fn a_program_sees_the_span_that_it_runs_in_and_not_one_of_the_runners_environment() {
    let function = Function::new();
    let runner = function.runner(&[("TRACEPARENT", "of the container")]);
    let call = shell(13, "echo $TRACEPARENT", &[]);
    let span = TraceParent::of(&call.call_id, Step::Run, None);
    let report = runner.post(&Invocation { traceparent: Some(span), ..call }).await;
    assert_eq!(report.log_tail.trim(), span.to_string());
}

/// A folder in the place of a cgroup, in which the program plays the kernel's part.
fn grouped(function: &Function) -> Runner {
    fs::create_dir(function.path("groups")).unwrap();
    function.runner(&[("RUNNER_CGROUP", &function.text("groups"))])
}

#[tokio::test]
async fn a_run_joins_its_cgroup_before_it_starts_and_is_measured_and_ended_there() {
    let function = Function::new();
    let runner = grouped(&function);
    let script = "cd \"$1\"/zeebe2faas-*; read pid < cgroup.procs; test $pid = $$ || exit 3; test -t 1 || exit 4; \
                  ! read line || exit 5; echo usage_usec 77000000 > cpu.stat; echo 9000000000 > memory.current; \
                  echo file 1000 > memory.stat; echo oom_kill 0 > memory.events; \
                  while [ ! -e \"$2\" ]; do sleep 0.01; done";
    let call = shell(13, script, &[&function.text("groups"), &function.text("go")]);
    let folder = function.path("groups").join(format!("zeebe2faas-{}", call.call_id));
    let watch = async {
        support::until("the program plays the kernel", || folder.join("memory.events").exists()).await;
        fs::write(function.path("go"), "").unwrap();
    };
    let (report, ()) = tokio::join!(runner.post(&call), watch);
    assert_eq!((report.outcome, report.exit_code), (Outcome::Succeeded, Some(0)), "{report:?}");
    assert_eq!((report.cpu_seconds, report.peak_memory_bytes), (77.0, 8_999_999_000));
    assert_eq!(fs::read_to_string(folder.join("cgroup.kill")).unwrap(), "1");
}

#[tokio::test]
async fn a_process_that_the_kernel_killed_in_the_cgroup_explains_a_failure() {
    let function = Function::new();
    let runner = grouped(&function);
    let script = "cd \"$1\"/zeebe2faas-$2*; echo oom_kill 1 > memory.events; exit $3";
    let post = async |number, code| {
        let call = shell(number, script, &[]);
        let id = call.call_id.to_string();
        let args = [call.args, vec![function.text("groups"), id, code]].concat();
        runner.post(&Invocation { args, ..shell(number, "", &[]) }).await
    };
    let failed = post(14, "1".to_owned()).await;
    assert!(failed.out_of_memory && failed.message.contains("ran out of memory"), "{failed:?}");
    let well = post(15, "0".to_owned()).await;
    assert_eq!((well.outcome, well.out_of_memory), (Outcome::Succeeded, false));
}

#[tokio::test]
async fn a_program_that_is_not_there_is_refused_from_within_its_cgroup_too() {
    let function = Function::new();
    fs::create_dir(function.path("groups")).unwrap();
    let settings =
        [("RUNNER_CGROUP", &*function.text("groups")), ("RUNNER_PROGRAM", "/nowhere/otb"), ("RUNNER_ALLOW", "")];
    let report = function.runner(&settings).post(&shell(16, "", &[])).await;
    assert_eq!(report.outcome, Outcome::Refused);
    assert!(report.message.contains("`/nowhere/otb` is not in this image"), "{}", report.message);
}
