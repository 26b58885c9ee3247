#![expect(clippy::unwrap_used, reason = "tests")]

//! What runners tell of a call that runs, through the real listener, and who gets to see it.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use zeebe2faas::bridge::events::MAX_LISTENERS;
use zeebe2faas_contract::{KeyRing, Progress, random_key_line};
use zeebe2faas_tests::{
    fake_gateway::Answer,
    live::{Call, Live, call_id, progress},
    soon,
};

fn json_of(progress: &Progress) -> Vec<u8> {
    serde_json::to_vec(progress).unwrap()
}

async fn percent(live: &Live, call: &Call) -> Value {
    live.shown(call).await["progress"]["percent"].clone()
}

#[tokio::test]
async fn an_invocation_says_where_to_report_and_what_the_program_may_use() {
    let mut live = Live::start("").await;
    let call = live.call(1, &json!({ "template": "measured" }), &json!({ "word": "a" })).await;
    assert_eq!(call.invocation.progress_url, Some(call.callback_url.replace("/callback/", "/progress/")));
    let resources = json!({ "memoryBytes": 8_589_934_592_u64, "cores": 4 });
    assert_eq!(serde_json::to_value(call.invocation.resources).unwrap(), resources);
    assert_eq!(live.shown(&call).await["resources"], resources);
}

#[tokio::test]
async fn a_genuine_report_is_shown_counted_and_told_to_who_listens() {
    let mut live = Live::start("").await;
    let call = live.call_of(1, "guarded").await;
    let mut listener = live.listen().await;
    assert_eq!(live.shown(&call).await["progress"], Value::Null);

    live.report(&call, &progress(&call, 10, 1, 42.5, "Writing")).await;

    let shown = live.shown(&call).await["progress"].clone();
    let list: Value = serde_json::from_str(&live.get("/api/calls").await.text().await.unwrap()).unwrap();
    assert_eq!(
        (&shown["percent"], &shown["step"], &shown["cpuSeconds"]),
        (&json!(42.5), &json!("Writing"), &json!(7.5))
    );
    assert_eq!(list[0]["progress"], shown);
    let told = listener.until(|change| !change["progress"].is_null()).await;
    assert_eq!((&told["callId"], &told["progress"]), (&json!(call_id(1)), &shown));
    assert_eq!(live.figure(r#"zeebe2faas_progress_reports_total{verdict="taken"}"#).await, Some(1.0));
    assert_eq!(live.figure(r#"zeebe2faas_calls_running{function="guarded"}"#).await, Some(1.0));
    let memory = live.figure(r#"zeebe2faas_calls_memory_bytes{function="guarded"}"#).await;
    assert_eq!(memory, Some(3.0 * f64::from(1 << 30)));
    live.stop().await;
}

#[tokio::test]
async fn the_command_line_shows_it_too() {
    let mut live = Live::start("").await;
    let call = live.call(1, &json!({ "template": "measured" }), &json!({ "word": "a" })).await;
    live.report(&call, &progress(&call, 10, 1, 42.9, "Writing")).await;
    let list = live.command(&["calls"]).await;
    assert!(list.lines().any(|line| line.contains("submitted") && line.contains(" 42% ")), "{list}");
    let id = call.invocation.call_id.to_string();
    let shown = live.command(&["calls", "show", &id]).await;
    for part in ["progress    42% Writing; CPU 7.5 s, memory 3.0 GiB (at most 4.0 GiB), ", "memory 8.0 GiB, cores 4"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let json: Value = serde_json::from_str(&live.command(&["calls", "show", &id, "--json"]).await).unwrap();
    assert_eq!(json, live.shown(&call).await);
}

#[tokio::test]
async fn a_guarded_call_hears_nothing_but_its_own_runner() {
    let mut live = Live::start("").await;
    let (call, other) = (live.call_of(1, "guarded").await, live.call_of(2, "guarded").await);
    let url = call.invocation.progress_url.clone().unwrap();
    let body = json_of(&progress(&call, 10, 1, 42.0, "Writing"));
    let stranger = KeyRing::parse(&random_key_line("mock")).unwrap();
    let (id, deadline_ms) = (&call.invocation.call_id, call.invocation.deadline_ms);
    let by = |ring: &KeyRing, expires_ms| Progress::sign(id, "guarded", &body, ring, expires_ms);
    let forged = by(&stranger, deadline_ms);
    let of_another_function = by(&live.runner_secret().for_function("plain"), deadline_ms);
    let expired = by(&live.runner_secret().for_function("guarded"), 1);
    let of_another_call = live.sign(&other, &body);
    let genuine = live.sign(&call, &body);
    for signature in [None, Some(&forged), Some(&of_another_function), Some(&expired), Some(&of_another_call)] {
        assert_eq!(live.post(&call, body.clone(), signature.map(String::as_str)).await, 401, "{signature:?}");
    }
    let changed = url.replace("/progress/", "/progress/x");
    assert_eq!(live.post_to(&changed, body.clone(), Some(&genuine)).await, 401);
    assert_eq!(live.post(&call, [&body[..], b" "].concat(), Some(&genuine)).await, 401);
    let about_another = json_of(&progress(&other, 10, 1, 42.0, "Writing"));
    let signature = live.sign(&call, &about_another);
    assert_eq!(live.post(&call, about_another, Some(&signature)).await, 400);
    let signature = live.sign(&call, b"{}");
    assert_eq!(live.post(&call, b"{}".to_vec(), Some(&signature)).await, 400);
    let long = vec![b' '; 16 * 1024 + 1];
    let signature = live.sign(&call, &long);
    assert_eq!(live.post(&call, long, Some(&signature)).await, 413);

    assert_eq!((percent(&live, &call).await, percent(&live, &other).await), (Value::Null, Value::Null));
    assert_eq!(live.figure(r#"zeebe2faas_progress_reports_total{verdict="rejected"}"#).await, Some(10.0));
}

#[tokio::test]
async fn for_a_function_without_a_runner_the_token_is_enough() {
    let mut live = Live::start("").await;
    let call = live.call_of(1, "plain").await;
    assert_eq!(live.post(&call, json_of(&progress(&call, 10, 1, 5.0, "")), None).await, 204);
    assert_eq!(percent(&live, &call).await, json!(5.0));
}

#[tokio::test]
async fn a_report_that_comes_late_changes_nothing() {
    let mut live = Live::start("").await;
    let call = live.call_of(1, "guarded").await;
    for (started_at_ms, sequence, told, known) in
        [(10, 5, 50.0, 50.0), (10, 4, 40.0, 50.0), (10, 5, 51.0, 50.0), (20, 1, 1.0, 1.0), (10, 6, 60.0, 1.0)]
    {
        live.report(&call, &progress(&call, started_at_ms, sequence, told, "")).await;
        assert_eq!(percent(&live, &call).await, json!(known));
    }
    assert_eq!(live.figure(r#"zeebe2faas_progress_reports_total{verdict="stale"}"#).await, Some(3.0));
}

#[tokio::test]
async fn a_call_that_has_ended_is_not_running_also_while_zeebe_is_away() {
    let mut live = Live::start("").await;
    // Each is tried again only after the request's time-out.
    for _ in 0..20 {
        live.zeebe.script("PublishMessage", Answer::Silence);
    }
    let call = live.call_of(1, "guarded").await;
    live.report(&call, &progress(&call, 10, 1, 42.0, "Writing")).await;
    let mut listener = live.listen().await;

    live.end(&call, "").await;
    live.report(&call, &progress(&call, 10, 2, 43.0, "Writing")).await;

    let shown = live.shown(&call).await;
    assert_eq!(
        (&shown["state"], &shown["delivered"], &shown["progress"]),
        (&json!("ended"), &json!(false), &Value::Null)
    );
    let told = listener.until(|change| change["state"] == "ended").await;
    assert_eq!((&told["status"], told.get("progress")), (&json!("failed"), Some(&Value::Null)));
    assert_eq!(live.figure(r#"zeebe2faas_calls_running{function="guarded"}"#).await, None);
}

#[tokio::test]
async fn every_step_of_a_call_is_told() {
    let mut live = Live::start("").await;
    let mut listener = live.listen().await;
    let call = live.call_of(1, "guarded").await;
    let mut told = vec![listener.until(|_| true).await, listener.until(|_| true).await];
    live.report(&call, &progress(&call, 10, 1, 42.0, "Writing")).await;
    told.push(listener.until(|_| true).await);
    live.end(&call, "").await;
    told.extend([listener.until(|_| true).await, listener.until(|_| true).await]);
    for change in &told {
        assert_eq!((&change["callId"], &change["function"]), (&json!(call_id(1)), &json!("guarded")));
    }
    let states: Vec<_> = told.iter().map(|change| change["state"].as_str()).collect();
    assert_eq!(states, [Some("accepted"), Some("submitted"), None, Some("ended"), None]);
    assert_eq!((&told[0]["bpmnProcessId"], &told[0]["progress"]), (&json!("process"), &Value::Null));
    assert_eq!((&told[2]["progress"]["percent"], &told[4]["delivered"]), (&json!(42.0), &json!(true)));
}

#[tokio::test]
async fn nothing_that_was_told_outlives_the_process_and_the_next_report_is_taken() {
    let mut live = Live::start("").await;
    let call = live.call_of(1, "guarded").await;
    live.report(&call, &progress(&call, 10, 7, 42.0, "Writing")).await;
    live.stop().await;
    live.restart().await;
    live.until_shown(&call, |shown| shown["progress"] == Value::Null).await;
    live.report(&call, &progress(&call, 10, 8, 43.0, "Writing")).await;
    assert_eq!(percent(&live, &call).await, json!(43.0));
}

#[tokio::test]
async fn a_report_does_not_wait_for_room_among_the_callbacks() {
    let mut live = Live::start("callback.max_concurrent = 1\ncallback.read_timeout = \"10m\"").await;
    let call = live.call_of(1, "guarded").await;
    let mut callback = TcpStream::connect(live.callbacks.trim_start_matches("http://")).await.unwrap();
    let token = call.token();
    let head =
        format!("POST /callback/{token} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    callback.write_all(head.as_bytes()).await.unwrap();
    // The bridge asks for the body when the callback has the only place there is.
    let mut told = [0; 12];
    soon(callback.read_exact(&mut told)).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 100");
    live.report(&call, &progress(&call, 10, 1, 42.0, "Writing")).await;
    assert_eq!(percent(&live, &call).await, json!(42.0));
}

#[tokio::test]
async fn who_listens_does_not_hold_up_a_stop() {
    let mut live = Live::start("").await;
    let mut listener = live.listen().await;
    live.stop().await;
    assert_eq!(listener.next().await, None);
}

#[tokio::test]
async fn listeners_have_a_limit() {
    let live = Live::start("").await;
    let mut listeners = Vec::new();
    for _ in 0..MAX_LISTENERS {
        listeners.push(live.listen().await);
        assert_eq!(listeners.last().unwrap().answer.status(), 200);
    }
    assert_eq!(live.listen().await.answer.status(), 503);
}
