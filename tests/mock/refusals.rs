#![expect(clippy::unwrap_used, reason = "tests")]

//! Jobs that cannot become calls: an incident that says what to do, and nothing leaves.

use serde_json::{Value, json};
use std::time::Duration;
use zeebe2faas::zeebe::proto::{ActivatedJob, FailJobRequest};
use zeebe2faas_tests::{
    fake_gateway::{Seen, job},
    live::{Live, calling},
};

fn with_headers(headers: &Value) -> ActivatedJob {
    ActivatedJob { custom_headers: headers.to_string(), ..job(1, Duration::from_secs(60)) }
}

/// What the job is failed with.
async fn refused(live: &Live, job: ActivatedJob) -> FailJobRequest {
    live.zeebe.add_to_backlog([job]);
    let failed = |seen: &Seen| if let Seen::Fail(request) = seen { Some(request.clone()) } else { None };
    live.zeebe.until_seen(|seen| seen.iter().any(|seen| failed(seen).is_some())).await;
    assert!(live.openfaas.is_idle(), "something was submitted");
    live.until("/metrics", |_, text| text.contains("calls_in_flight 0")).await;
    live.zeebe.seen().iter().find_map(failed).unwrap()
}

#[tokio::test]
async fn an_unknown_function_is_noticed_before_anything_is_submitted() {
    let mut live = Live::start("").await;
    live.openfaas.tells(&["plain"]);
    let request = refused(&live, calling(1, "absent")).await;
    assert_eq!((request.job_key, request.retries), (1, 0));
    assert_eq!(request.error_message, "OpenFaaS has no function `absent`; deploy it (stack.yml), then retry");
    // The next retry is a new call.
    assert_eq!(serde_json::from_str::<Value>(&request.variables).unwrap(), json!({ "zeebe2faasTry": 2 }));
    assert_eq!(live.invoke(2, "plain").await.function, "plain");
}

#[tokio::test]
async fn a_missing_template_is_named_beside_those_that_are_there() {
    let live = Live::start("").await;
    let request = refused(&live, with_headers(&json!({ "template": "ortho" }))).await;
    assert_eq!(request.retries, 0);
    assert!(request.error_message.contains("there is no template `ortho`; there are: "), "{}", request.error_message);
}

#[tokio::test]
async fn a_request_over_the_gateways_limit_is_never_sent() {
    let live = Live::start("openfaas.body_limit_bytes = 1024").await;
    let headers = json!({ "function": "plain", "cmdline": format!("work {}", "x".repeat(2_000)) });
    let request = refused(&live, with_headers(&headers)).await;
    assert_eq!(request.retries, 0);
    let expected = "more than openfaas.body_limit_bytes = 1024; hand long lists over in a file";
    assert!(request.error_message.contains(expected), "{}", request.error_message);
}
