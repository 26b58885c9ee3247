//! What the runner accepts, and how it answers.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use reqwest::Method;
use std::fs;
use support::{FUNCTION, Function, lines, now_ms, outcome, shell, until};
use zeebe2faas_contract::{CALL_ID_HEADER, CallState, Outcome, SIGNATURE_HEADER, call_path, signature::Request};

const WAITING: &str = "echo ran >> \"$1/ran\"; while ! [ -e \"$1/go\" ]; do sleep 0.02; done";

#[tokio::test]
async fn a_request_without_a_genuine_signature_changes_nothing_and_learns_nothing() {
    let function = Function::new();
    let runner = function.runner(&[]);
    let call = shell(1, "echo ran >> \"$1/ran\"", &[&function.text("")]);
    let body = serde_json::to_vec(&call).unwrap();
    let other = Function::new().ring;
    let request = Request { method: "POST", path: "/", function: FUNCTION, call_id: &call.call_id, body: &body };
    let good = request.sign(&function.ring, call.deadline_ms);
    let elsewhere = Request { function: "other", ..request }.sign(&function.ring, call.deadline_ms);
    for signature in ["", "x", "1.k1.AAAA", &request.sign(&other, call.deadline_ms), &elsewhere] {
        let sent = runner.client.post(&runner.url).header(CALL_ID_HEADER, call.call_id.as_str());
        let response = sent.header(SIGNATURE_HEADER, signature).body(body.clone()).send().await.unwrap();
        assert_eq!(response.status(), 401, "{signature}");
        assert!(response.headers().get(SIGNATURE_HEADER).is_none());
        assert_eq!(response.text().await.unwrap(), "unauthorized");
    }
    let changed = String::from_utf8(body.clone()).unwrap().replace("ran", "RAN");
    for (id, body) in [(call.call_id.to_string(), changed.into_bytes()), ("../../etc/passwd".into(), body)] {
        let sent = runner.client.post(&runner.url).header(CALL_ID_HEADER, id).header(SIGNATURE_HEADER, &good);
        assert_eq!(sent.body(body).send().await.unwrap().status(), 401);
    }
    assert_eq!(runner.state(&call.call_id).await, CallState::Unknown);
    assert_eq!(lines(&function.path("ran")), 0);
}

#[tokio::test]
async fn a_question_needs_a_fresh_signature_for_its_own_path_and_method() {
    let function = Function::new();
    let runner = function.runner(&[]);
    let call_id = shell(2, "", &[]).call_id;
    let path = call_path(&call_id);
    let request = Request { method: "GET", path: &path, function: FUNCTION, call_id: &call_id, body: b"" };
    let soon = now_ms() + 60_000;
    let stale = request.sign(&function.ring, now_ms() - 1);
    let too_long = request.sign(&function.ring, now_ms() + 3_600_000);
    let get = request.sign(&function.ring, soon);
    for (method, path, signature) in [
        (Method::GET, path.clone(), &stale),
        (Method::GET, path.clone(), &too_long),
        (Method::DELETE, path.clone(), &get),
        (Method::GET, format!("{path}?only=unknown"), &get),
        (Method::GET, "/calls/..%2f..%2fetc%2fpasswd".into(), &get),
        (Method::GET, "/calls/x".into(), &get),
    ] {
        let sent = runner.client.request(method, format!("{}{path}", runner.url)).header(SIGNATURE_HEADER, signature);
        let status = sent.send().await.unwrap().status();
        assert!(status == 401 || status == 404, "{path}: {status}");
    }
    assert_eq!(runner.state(&call_id).await, CallState::Unknown);
}

#[tokio::test]
async fn a_genuine_request_that_is_not_acceptable_is_refused_with_a_signed_reason_and_not_stored() {
    let function = Function::new();
    let runner = function.runner(&[("RUNNER_ALLOW", "/bin/sh,/nowhere/program")]);
    let good = shell(3, "true", &[]);
    let mut cases = vec![];
    for (args, reason) in [
        (vec!["/bin/rm", "-rf", "x"], "RUNNER_ALLOW has: /bin/sh"),
        (vec![], "empty"),
        (vec!["/nowhere/program"], "is not in this image"),
    ] {
        let args = args.into_iter().map(Into::into).collect();
        cases.push((zeebe2faas_contract::Invocation { args, ..good.clone() }, reason));
    }
    cases.push((zeebe2faas_contract::Invocation { outputs: vec!["out".into()], ..good.clone() }, "add `-out PATH`"));
    cases.push((zeebe2faas_contract::Invocation { function: "other".into(), ..good.clone() }, "RUNNER_FUNCTION"));
    for (call, reason) in cases {
        let report = runner.post(&call).await;
        assert_eq!(report.outcome, Outcome::Refused, "{report:?}");
        assert!(report.message.contains(reason), "{reason}: {}", report.message);
    }
    for (body, expires_ms) in
        [(b"{}".to_vec(), good.deadline_ms), (serde_json::to_vec(&good).unwrap(), good.deadline_ms + 1)]
    {
        let response = runner.send_body(&good.call_id, body, expires_ms).await;
        let (status, body) = runner.genuine(response, &good.call_id, "").await;
        assert_eq!(status, 500);
        assert!(String::from_utf8(body).unwrap().contains(r#""outcome":"refused""#));
    }
    assert_eq!(runner.state(&good.call_id).await, CallState::Unknown);
    assert_eq!(runner.post(&good).await.outcome, Outcome::Succeeded);
}

#[tokio::test]
async fn a_path_outside_the_listed_folders_is_refused_before_anything_runs() {
    let function = Function::new();
    let runner = function.runner(&[("RUNNER_ALLOW_DIRS", &function.text("data")), ("RUNNER_NO_PATHS", "c")]);
    fs::create_dir(function.path("data")).unwrap();
    let script = "echo ran >> \"$1/ran\"";
    let outside = runner.post(&shell(11, script, &[&function.text("")])).await;
    assert_eq!(outside.outcome, Outcome::Refused);
    for part in ["argument 4", "lies outside", "RUNNER_ALLOW_DIRS"] {
        assert!(outside.message.contains(part), "{}", outside.message);
    }
    let inside = runner.post(&shell(11, script, &[&function.text("data")])).await;
    assert_eq!(inside.outcome, Outcome::Succeeded, "{}", inside.message);
    assert_eq!((lines(&function.path("ran")), lines(&function.path("data/ran"))), (0, 1));
}

#[tokio::test]
async fn a_program_more_than_may_run_gets_429_and_a_waiter_more_409() {
    let function = Function::new();
    let runner = function.runner(&[("RUNNER_MAX_RUNS", "1"), ("RUNNER_MAX_WAITERS", "0")]);
    let call = shell(4, WAITING, &[&function.text("")]);
    let others = async {
        until("it runs", || lines(&function.path("ran")) > 0).await;
        let second = shell(5, "true", &[]);
        let response = runner.send(&second).await;
        assert!(response.headers().contains_key("retry-after"));
        assert_eq!(runner.genuine(response, &second.call_id, "").await.0, 429);
        assert_eq!(runner.state(&second.call_id).await, CallState::Unknown);
        assert_eq!(runner.genuine(runner.send(&call).await, &call.call_id, "").await.0, 409);
        fs::write(function.path("go"), "").unwrap();
    };
    let (report, ()) = tokio::join!(runner.post(&call), others);
    assert_eq!(report.outcome, Outcome::Succeeded);
    assert_eq!(runner.post(&shell(5, "true", &[])).await.outcome, Outcome::Succeeded);
}

#[tokio::test]
async fn a_call_that_was_deleted_before_it_came_never_starts() {
    let function = Function::new();
    let runner = function.runner(&[]);
    for (number, query) in [(6, ""), (7, "?only=unknown")] {
        let call = shell(number, "echo ran >> \"$1/ran\"", &[&function.text("")]);
        assert_eq!(runner.state(&call.call_id).await, CallState::Unknown);
        assert_eq!(outcome(runner.ask(Method::DELETE, &call.call_id, query).await), Outcome::Cancelled);
        assert_eq!(runner.post(&call).await.outcome, Outcome::Cancelled);
    }
    assert_eq!(lines(&function.path("ran")), 0);
}

#[tokio::test]
async fn deleting_only_the_unknown_leaves_running_and_ended_calls_alone() {
    let function = Function::new();
    let runner = function.runner(&[]);
    let call = shell(8, WAITING, &[&function.text("")]);
    let ask = async {
        until("it runs", || lines(&function.path("ran")) > 0).await;
        let state = runner.ask(Method::DELETE, &call.call_id, "?only=unknown").await;
        assert_eq!(state, CallState::Running);
        fs::write(function.path("go"), "").unwrap();
    };
    let (report, ()) = tokio::join!(runner.post(&call), ask);
    assert_eq!(report.outcome, Outcome::Succeeded);
    for query in ["", "?only=unknown"] {
        let state = runner.ask(Method::DELETE, &call.call_id, query).await;
        assert_eq!(outcome(state), Outcome::Succeeded);
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_not_read() {
    let function = Function::new();
    let runner = function.runner(&[("RUNNER_BODY_LIMIT_BYTES", "1000")]);
    let call = shell(9, "true", &[&"x".repeat(1000)]);
    assert_eq!(runner.send(&call).await.status(), 413);
}

#[tokio::test]
async fn an_insecure_runner_takes_unsigned_requests_and_signs_nothing() {
    let function = Function::new();
    let runner = function.runner(&[("RUNNER_INSECURE", "true"), ("RUNNER_KEY_FILE", "/nowhere")]);
    let body = serde_json::to_vec(&shell(10, "true", &[])).unwrap();
    let response = runner.client.post(&runner.url).body(body).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.headers().get(SIGNATURE_HEADER).is_none());
    let response = runner.client.get(format!("{}/calls/..", runner.url)).send().await.unwrap();
    assert_ne!(response.status(), 200);
}

#[tokio::test]
async fn health_needs_no_signature() {
    let function = Function::new();
    let runner = function.runner(&[]);
    for path in ["/healthz", "/_/health"] {
        assert_eq!(runner.client.get(format!("{}{path}", runner.url)).send().await.unwrap().status(), 200);
    }
}
