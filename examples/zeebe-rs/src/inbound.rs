//! The way back: a genuine callback becomes an outcome, and the outcome a message, before the callback is answered.

use crate::Steps;
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    routing::{get, post},
};
use std::{sync::Arc, time::Duration};
use zeebe2faas::{
    bridge::{
        classify::{Callback, Rule, Verdict, classify},
        outcome::{Outcome, Status},
        token::Claims,
    },
    clock::now_ms,
    ledger::{Pending, Reply},
};

/// How long a callback waits for Zeebe. Nothing but Zeebe keeps its outcome, and OpenFaaS does not repeat it.
const DELIVERY_PATIENCE: Duration = Duration::from_secs(60);

/// The callback listener's routes.
pub fn router(steps: Arc<Steps>) -> Router {
    Router::new().route("/callback/{token}", post(receive)).route("/healthz", get(async || "ok\n")).with_state(steps)
}

async fn receive(
    State(steps): State<Arc<Steps>>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> (StatusCode, &'static str) {
    let Some(claims) = Claims::open(&token, &steps.settings.keys.token.current(), now_ms()) else {
        return (StatusCode::UNAUTHORIZED, "unauthorized\n");
    };
    let Ok(_room) = steps.callback_room.acquire().await else {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
    };
    let limits = &steps.settings.callback;
    let body = tokio::time::timeout(limits.read_timeout, to_bytes(body, limits.body_limit_bytes)).await;
    let body = body.ok().and_then(Result::ok);
    let callback = Callback::new(&headers, body.as_deref().unwrap_or_default(), body.is_none());
    let call = claims.into_pending();
    match steps.judge(&call, &callback).await {
        Verdict::Final(outcome) => steps.deliver(&call, &outcome).await,
        Verdict::Provisional(why) => {
            tracing::warn!(call = %call.id, function = call.function, why, "settles nothing; the timer in BPMN will");
            (StatusCode::OK, "ok\n")
        }
        Verdict::UnknownFunction => {
            tracing::warn!(call = %call.id, function = call.function, "unknown function, says the gateway");
            (StatusCode::OK, "ok\n")
        }
    }
}

impl Steps {
    /// What a callback means.
    async fn judge(&self, call: &Pending, callback: &Callback<'_>) -> Verdict {
        let ring = self.settings.keys.runner.as_ref().map(|secret| secret.current().for_function(&call.function));
        let rule = if call.run_once { Rule::SignedReport(ring.as_ref()) } else { Rule::OwnStatus };
        let verdict = classify(&call.id, &call.function, rule, callback);
        if verdict == Verdict::UnknownFunction && self.gateway.lacks(&call.function).await {
            let message = format!("OpenFaaS has no function `{}`; deploy it (stack.yml)", call.function);
            let outcome = Outcome::plain(call.id.clone(), call.function.clone(), Status::Refused, message, false);
            return Verdict::Final(Box::new(outcome));
        }
        verdict
    }

    async fn deliver(&self, call: &Pending, outcome: &Outcome) -> (StatusCode, &'static str) {
        let (status, reason) = (outcome.status.as_str(), &outcome.message);
        tracing::info!(call = %call.id, function = call.function, status, reason, "ended");
        let ttl = self.settings.calls.message_ttl;
        let Reply::Message(name) = &call.reply else {
            tracing::error!(call = %call.id, "not a call of this worker: its job is open");
            return (StatusCode::SERVICE_UNAVAILABLE, "Zeebe cannot take it\n");
        };
        match self.zeebe.publish(name, call, outcome, ttl, DELIVERY_PATIENCE).await {
            Ok(()) => (StatusCode::OK, "ok\n"),
            Err(error) => {
                tracing::error!(call = %call.id, %error, "an outcome is lost: Zeebe did not take it in time");
                (StatusCode::SERVICE_UNAVAILABLE, "Zeebe cannot take it\n")
            }
        }
    }
}
