//! The operator's page: `GET /`, the newest calls, and `GET /calls/{id}`, one of them. Rendered here, so that it is whole
//! without JavaScript; one small script keeps it up to date. Everything is escaped, and only our own script may run.

use super::{
    Admin,
    calls::{self, Filter, Refusal},
};
use crate::{
    bridge::{running::Line, submit::command_line},
    clock::now_ms,
    display::{bytes, elapsed, resources, time},
    ledger::{Call, State as CallState, Summary},
};
use axum::{
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;
use tera::{Context, Tera};

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/live.js");

/// Parsed once; a test renders both pages.
static PAGES: LazyLock<Result<Tera, tera::Error>> = LazyLock::new(|| {
    let mut tera = Tera::default();
    tera.add_raw_templates([
        ("frame.html", include_str!("page/frame.html")),
        ("calls.html", include_str!("page/calls.html")),
        ("call.html", include_str!("page/call.html")),
    ])?;
    Ok(tera)
});

/// Nothing but our own script and style, by their hashes, and our own answers.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        hash(SCRIPT),
        hash(STYLE)
    )
});

pub(super) async fn list(State(admin): State<Admin>, Query(filter): Query<Filter>) -> Result<Response, Refusal> {
    let lines = calls::find(&admin, &filter).await?;
    let state = filter.state.map_or("", CallState::as_str);
    let names = [("all", ""), ("accepted", "accepted"), ("submitted", "submitted"), ("ended", "ended")];
    let filters = names.map(|(name, state)| {
        let href = if state.is_empty() { "./".to_owned() } else { format!("?state={state}") };
        json!({ "name": name, "state": state, "href": href })
    });
    let now_ms = now_ms();
    let page = json!({
        "root": "./",
        "callId": "",
        "state": state,
        "filters": filters,
        "shown": lines.len(),
        "inFlight": admin.bridge.calls_in_flight(),
        "calls": lines.iter().map(|line| shown(&line.call, line, now_ms)).collect::<Vec<_>>(),
    });
    render(&admin, "calls.html", &page, now_ms)
}

pub(super) async fn show(State(admin): State<Admin>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let line = calls::find_one(&admin, &id).await?;
    let (call, now_ms) = (&line.call, now_ms());
    let of_outcome = |field: &str| call.outcome.as_ref().and_then(|outcome| outcome.get(field)?.as_str());
    let progress = line.progress.as_ref();
    let page = json!({
        "root": "../",
        "callId": call.summary.call_id,
        "state": "",
        "call": shown(&call.summary, &line, now_ms),
        "running": progress.is_some(),
        "cpu": progress.map(|progress| format!("{:.1} s", progress.cpu_seconds)).unwrap_or_default(),
        "memory": progress
            .map(|progress| format!("{} (at most {})", bytes(progress.memory_bytes), bytes(progress.peak_memory_bytes)))
            .unwrap_or_default(),
        "facts": facts(call),
        "command": command_line(&call.args),
        "message": of_outcome("message").unwrap_or_default(),
        "logTail": of_outcome("logTail").unwrap_or_default(),
        "outcome": call.outcome.as_ref().map(figures).unwrap_or_default(),
        "late": call.late.as_ref().map(pretty).unwrap_or_default(),
    });
    render(&admin, "call.html", &page, now_ms)
}

/// What both pages show of a call.
fn shown<T>(summary: &Summary, line: &Line<T>, now_ms: u64) -> Value {
    let progress = line.progress.as_ref();
    let percent = progress.and_then(|progress| progress.percent);
    json!({
        "callId": summary.call_id,
        "shown": summary.status.as_deref().unwrap_or(summary.state.as_str()),
        "undelivered": summary.state == CallState::Ended && !summary.delivered,
        "function": summary.function,
        "bpmnProcessId": summary.bpmn_process_id,
        "processInstanceKey": summary.process_instance_key,
        "elementId": summary.element_id,
        "percent": percent,
        "percentText": percent.map(|percent| format!("{:.0} %", percent.floor())).unwrap_or_default(),
        "step": progress.and_then(|progress| progress.step.as_deref()).unwrap_or_default(),
        "acceptedMs": summary.accepted_ms,
        "untilMs": summary.ended_ms.map(|ms| ms.to_string()).unwrap_or_default(),
        "elapsed": elapsed(summary.ended_ms.unwrap_or(now_ms).saturating_sub(summary.accepted_ms)),
    })
}

fn facts(call: &Call) -> Value {
    let Call { summary, .. } = call;
    let yes = |value: bool| if value { "yes" } else { "no" }.to_owned();
    let facts = [
        ("Function", summary.function.clone()),
        ("Run once", yes(call.run_once)),
        ("Process", format!("{}, instance {}", summary.bpmn_process_id, summary.process_instance_key)),
        ("Task", format!("{}, job {} ({}), try {}", summary.element_id, call.job_key, call.job_type, call.attempt)),
        ("Reply", format!("{} → variable {}", call.reply, call.result)),
        ("Resources", resources(&call.resources)),
        ("Accepted", time(Some(summary.accepted_ms))),
        ("Submitted", time(call.submitted_ms)),
        ("Ended", time(summary.ended_ms)),
        ("Delivered", time(call.delivered_ms)),
        ("Deadline", time(Some(summary.deadline_ms))),
        ("Runner is asked", yes(call.asking)),
    ];
    facts.map(|(name, text)| json!({ "name": name, "text": text })).into()
}

/// The outcome without what stands elsewhere on the page.
fn figures(outcome: &Value) -> String {
    let mut outcome = outcome.clone();
    if let Some(fields) = outcome.as_object_mut() {
        fields.retain(|name, value| !["callId", "message", "logTail"].contains(&name.as_str()) && !value.is_null());
    }
    pretty(&outcome)
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn render(admin: &Admin, name: &str, page: &Value, now_ms: u64) -> Result<Response, Refusal> {
    let failed = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, name, "a page cannot be rendered");
        (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n"))
    };
    let settings = admin.bridge.settings();
    let mut context = Context::from_serialize(page).map_err(|error| failed(&error))?;
    context.insert("nowMs", &now_ms);
    context.insert("cluster", &settings.cluster);
    context.insert("replica", &settings.replica);
    context.insert("style", STYLE);
    context.insert("script", SCRIPT);
    let pages = PAGES.as_ref().map_err(|error| failed(error))?;
    let html = pages.render(name, &context).map_err(|error| failed(&error))?;
    Ok(([(header::CONTENT_SECURITY_POLICY, POLICY.as_str())], Html(html)).into_response())
}
