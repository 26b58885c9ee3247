//! What a program shows on its terminal, and what the bridge is told of it while it runs.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, http::StatusCode, routing::post};
use std::fs;
use support::{Function, PATIENCE, now_ms, shell};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};
use zeebe2faas_contract::{CALL_ID_HEADER, Invocation, Outcome, Progress, SIGNATURE_HEADER};

/// What was posted: the signature and the body.
type Post = (Option<String>, Bytes);

#[derive(Clone)]
struct Bridge {
    posts: mpsc::UnboundedSender<Post>,
    answer: Option<StatusCode>,
}

/// A bridge that answers every post so, or never; its URL, and what it gets.
async fn bridge(answer: Option<StatusCode>) -> (String, mpsc::UnboundedReceiver<Post>) {
    let (posts, received) = mpsc::unbounded_channel();
    let take = |State(bridge): State<Bridge>, headers: HeaderMap, body: Bytes| async move {
        assert!(headers.contains_key(CALL_ID_HEADER));
        let signature = headers.get(SIGNATURE_HEADER).map(|value| value.to_str().unwrap().to_owned());
        bridge.posts.send((signature, body)).unwrap();
        match bridge.answer {
            Some(status) => status,
            None => std::future::pending().await,
        }
    };
    let router = Router::new().route("/progress/token", post(take)).with_state(Bridge { posts, answer });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/progress/token", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, router).await });
    (url, received)
}

/// The first post that is so.
async fn first(posts: &mut mpsc::UnboundedReceiver<Post>, is_so: impl Fn(&Progress) -> bool) -> (Post, Progress) {
    let find = async {
        loop {
            let post = posts.recv().await.unwrap();
            let progress = serde_json::from_slice(&post.1).unwrap();
            if is_so(&progress) {
                return (post, progress);
            }
        }
    };
    timeout(PATIENCE, find).await.unwrap()
}

fn told_to(url: &str, call: Invocation) -> Invocation {
    Invocation { progress_url: Some(url.to_owned()), ..call }
}

const SHORT: (&str, &str) = ("RUNNER_PROGRESS_EVERY", "20ms");

#[tokio::test]
async fn progress_is_told_and_signed_while_the_program_runs() {
    let function = Function::new();
    let runner = function.runner(&[SHORT]);
    let (url, mut posts) = bridge(Some(StatusCode::NO_CONTENT)).await;
    // It prints each next piece only when the one before has arrived.
    let wait = "wait_for() { while [ ! -e \"$1\" ]; do sleep 0.01; done; }";
    let script = format!(
        "{wait}; printf '\\rWriting o.tif...: 40%% [**   ]'; wait_for \"$1/a\"; \
         printf '\\rWriting o.tif...: 100%% [*****] (1s)\\n'; printf 'progress: 7.5%% tiling\\n'; wait_for \"$1/b\""
    );
    let call = told_to(&url, shell(1, &script, &[&function.text("")]));
    let watch = async {
        let (_, one) = first(&mut posts, |progress| progress.percent == Some(40.0)).await;
        assert_eq!(one.step.as_deref(), Some("Writing o.tif..."));
        fs::write(function.path("a"), "").unwrap();
        let (_, two) = first(&mut posts, |progress| progress.step.as_deref() == Some("tiling")).await;
        assert!(two.percent == Some(7.5) && two.sequence > one.sequence, "{one:?} {two:?}");
        // Nothing changes now but the time, so these are heartbeats.
        let ((signature, body), last) = first(&mut posts, |progress| progress.sequence > two.sequence + 2).await;
        fs::write(function.path("b"), "").unwrap();
        let id = &call.call_id;
        assert!(Progress::verify(id, support::FUNCTION, &body, &runner.ring, &signature.unwrap(), now_ms()));
        last
    };
    let (report, last) = tokio::join!(runner.post(&call), watch);
    assert_eq!((report.outcome, report.started_at_ms), (Outcome::Succeeded, Some(last.started_at_ms)));
    assert_eq!((&last.call_id, last.function.as_str()), (&call.call_id, support::FUNCTION));
    assert!(last.memory_bytes > 0 && last.memory_bytes <= last.peak_memory_bytes, "{last:?}");
    assert!(
        last.elapsed_seconds > 0.0 && last.elapsed_seconds <= report.duration_seconds + 0.01,
        "{last:?} {report:?}"
    );
    assert_eq!(report.log_tail, "Writing o.tif...: 100% [*****] (1s)\n");
}

#[tokio::test]
async fn an_insecure_runner_tells_progress_unsigned() {
    let function = Function::new();
    let runner = function.runner(&[SHORT, ("RUNNER_INSECURE", "true")]);
    let (url, mut posts) = bridge(Some(StatusCode::OK)).await;
    let script = "while [ ! -e \"$1/go\" ]; do sleep 0.01; done";
    let call = told_to(&url, shell(2, script, &[&function.text("")]));
    let watch = async {
        let ((signature, _), progress) = first(&mut posts, |_| true).await;
        fs::write(function.path("go"), "").unwrap();
        (signature, progress)
    };
    let (response, (signature, progress)) = tokio::join!(runner.send(&call), watch);
    assert_eq!((response.status().as_u16(), signature, progress.percent), (200, None, None));
}

#[tokio::test]
async fn a_bridge_that_hangs_fails_or_is_not_there_harms_nothing() {
    let function = Function::new();
    let runner = function.runner(&[SHORT]);
    let script = "echo 'progress: 1% x'; [ -z \"$2\" ] || while [ ! -e \"$1\" ]; do sleep 0.01; done; echo done";
    for (number, answer) in [(3, None), (4, Some(StatusCode::INTERNAL_SERVER_ERROR)), (5, Some(StatusCode::FOUND))] {
        let (url, mut posts) = bridge(answer).await;
        let go = function.path(&format!("go{number}"));
        let call = told_to(&url, shell(number, script, &[&go.display().to_string(), "wait"]));
        let watch = async {
            first(&mut posts, |_| true).await;
            fs::write(&go, "").unwrap();
        };
        let (report, ()) = tokio::join!(runner.post(&call), watch);
        assert_eq!((report.outcome, report.log_tail.as_str()), (Outcome::Succeeded, "done\n"));
    }
    for (number, url) in [(6, "http://127.0.0.1:1/progress/token"), (7, "no URL")] {
        let report = runner.post(&told_to(url, shell(number, script, &["", ""]))).await;
        assert_eq!(report.outcome, Outcome::Succeeded);
    }
}

#[tokio::test]
async fn a_program_has_a_dumb_terminal_for_its_output_and_nothing_for_its_input() {
    let function = Function::new();
    let runner = function.runner(&[]);
    let script =
        "test -t 1 && test -t 2 && ! test -t 0 && ! read line && echo $TERM && stty size <&1 && printf 'a\\tb\\n'";
    let report = runner.post(&shell(8, script, &[])).await;
    assert_eq!((report.outcome, report.log_tail.as_str()), (Outcome::Succeeded, "dumb\n24 120\na\tb\n"), "{report:?}");
}

#[tokio::test]
async fn all_that_a_program_printed_before_its_end_is_in_the_tail() {
    let function = Function::new();
    let runner = function.runner(&[("RUNNER_LOG_TAIL_BYTES", "1000000")]);
    let script = "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; printf end";
    let report = runner.post(&shell(9, script, &[])).await;
    let lines: Vec<&str> = report.log_tail.lines().collect();
    assert_eq!((lines.len(), lines[0], lines[19_999], lines[20_000]), (20_001, "line 0", "line 19999", "end"));
}

#[tokio::test]
async fn what_a_program_overwrites_fills_neither_tail_nor_message() {
    let function = Function::new();
    let runner = function.runner(&[("RUNNER_LOG_TAIL_BYTES", "200")]);
    let script = "echo begin; i=0; while [ $i -lt 100 ]; do printf '\\rWriting o.tif...: %d%% [***  ]' $i; i=$((i+1)); \
                  done; echo 'ERROR 1: TIFFReadEncodedStrip() failed.'; exit 1";
    let report = runner.post(&shell(10, script, &[])).await;
    let last = "Writing o.tif...: 99% [***  ]ERROR 1: TIFFReadEncodedStrip() failed.\n";
    assert_eq!(report.log_tail, format!("begin\n{last}"));
    assert!(report.message.ends_with("exit code 1: ERROR 1: TIFFReadEncodedStrip() failed."), "{}", report.message);
}
