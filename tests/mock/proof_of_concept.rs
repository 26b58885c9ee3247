#![expect(clippy::unwrap_used, reason = "tests")]

//! Functions as the proof of concept had them: the command line as a text, a name with `_`, a plain 200 or 500.

use serde_json::{Value, json};
use zeebe2faas_tests::live::{Live, calling};

const FUNCTION: &str = "normalize_product_function";
const TEXT: &str = "functions.normalize_product_function.body = \"text\"";

#[tokio::test]
async fn such_a_function_gets_its_command_line_as_a_text() {
    let mut live = Live::start(TEXT).await;
    let headers = json!({
        "function": FUNCTION,
        "cmdline": "call_normalize_function --in_ms {{ MS_ }} --in_ortho {{ S3PATH }}/ortho.tif -out {{ S3PATH }}/n.tif",
    });
    let mut job = calling(1, FUNCTION);
    job.custom_headers = headers.to_string();
    job.variables = json!({ "MS_": "/data/two words.XML", "S3PATH": "/data/out" }).to_string();
    live.zeebe.add_to_backlog([job]);
    let invocation = live.openfaas.invocation().await;
    assert_eq!(invocation.function, FUNCTION);
    assert_eq!(invocation.headers["content-type"], "text/plain; charset=utf-8");
    let line =
        "call_normalize_function --in_ms '/data/two words.XML' --in_ortho /data/out/ortho.tif -out /data/out/n.tif";
    assert_eq!(String::from_utf8(invocation.body.to_vec()).unwrap(), line);
}

#[tokio::test]
async fn its_plain_200_is_a_success_and_its_plain_500_a_failure_with_what_it_said() {
    let mut live = Live::start(TEXT).await;
    let (good, bad) = (live.invoke(1, FUNCTION).await, live.invoke(2, FUNCTION).await);
    assert_eq!(live.call_back(good.token(), 200, "normalised\n").await.status(), 200);
    assert_eq!(live.call_back(bad.token(), 500, "no such product\n").await.status(), 200);
    let outcomes = live.until_outcomes(2).await;
    let of = |id: &str| outcomes.iter().find(|outcome| outcome["callId"] == id).unwrap();
    let (good, bad) = (of(good.call_id()), of(bad.call_id()));
    assert_eq!((&good["status"], &good["result"]), (&json!("succeeded"), &json!("normalised\n")));
    assert_eq!((&bad["status"], &bad["result"]), (&json!("failed"), &json!("no such product\n")));
    assert_eq!(bad["retryable"], true);
}

#[tokio::test]
async fn its_empty_500_ends_nothing_before_the_deadline() {
    let lines = format!("{TEXT}\ncalls = {{ timeout = \"2s\", grace = \"0s\" }}");
    let mut live = Live::start(&lines).await;
    let invocation = live.invoke(1, FUNCTION).await;
    assert_eq!(live.call_back(invocation.token(), 500, "").await.status(), 200);
    let outcomes = live.until_outcomes(1).await;
    assert_eq!((&outcomes[0]["callId"], &outcomes[0]["status"]), (&json!(invocation.call_id()), &json!("timedOut")));
    // What it says later changes nothing.
    assert_eq!(live.call_back(invocation.token(), 200, "late").await.status(), 200);
    let is_late = |text: &str| serde_json::from_str::<Value>(text).is_ok_and(|call| !call["late"].is_null());
    live.until(&format!("/api/calls/{}", invocation.call_id()), |_, text| is_late(text)).await;
    assert_eq!(live.outcomes().len(), 1);
}
