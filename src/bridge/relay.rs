//! Takes callbacks and keeps nothing: each is with the bridge that owns its call, or with Zeebe, before it is answered.
//! For where functions do not reach a bridge: as the function `callback-ack`, or beside something else.

use super::{
    NotTaken,
    callback::{self, UNAUTHORIZED},
    deliver::Messenger,
    handed_on::{Arrived, HANDED_ON_HEADER},
    judge::Judge,
    outcome::Outcome,
    probe,
    progress::{self, Refusal},
    replicas::{Replicas, transport},
    token::Claims,
    turns::Turns,
};
use crate::{
    clock::now_ms,
    config,
    ledger::{Pending, Reply},
    metrics::Metrics,
    openfaas::Gateway,
    zeebe::{Client, Retry},
};
use axum::{
    Router,
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, HeaderName, StatusCode},
    routing::{get, post},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tracing::Instrument;
use zeebe2faas_contract::SIGNATURE_HEADER;

/// Passes callbacks on; cheap to clone.
#[derive(Clone)]
pub struct Relay(Arc<Parts>);

struct Parts {
    settings: config::Relay,
    judge: Judge,
    messenger: Messenger,
    replicas: Replicas,
    room: Semaphore,
    turns: Turns,
    tasks: TaskTracker,
}

impl Relay {
    /// # Errors
    /// When no HTTP client can be made, which would be a fault of the machine.
    pub fn new(settings: config::Relay, zeebe: Client, metrics: Metrics) -> reqwest::Result<Self> {
        let gateway = Gateway::new(&settings.openfaas)?;
        Ok(Self(Arc::new(Parts {
            judge: Judge::new(gateway, settings.keys.runner.clone(), metrics),
            // It answers no jobs, so it has no back-off.
            messenger: Messenger::new(zeebe, settings.message_ttl, Duration::ZERO),
            replicas: Replicas::new(transport(&settings.replicas)?, None, &settings.replicas, &settings.keys.token),
            room: Semaphore::new(settings.callback.max_concurrent),
            turns: Turns::default(),
            tasks: TaskTracker::new(),
            settings,
        })))
    }

    /// The callback listener's routes.
    pub fn router(&self) -> Router {
        let probes = probe::router(self.0.settings.keys.token.clone());
        let routes = Router::new()
            .route("/callback/{token}", post(receive))
            .route("/progress/{token}", post(pass_on_progress))
            .route("/healthz", get(async || "ok\n"));
        routes.with_state(self.clone()).merge(probes)
    }

    /// Waits until the callbacks under way are settled.
    pub async fn drained(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    async fn take(self, claims: Claims, token: String, headers: HeaderMap, body: Body) -> Result<(), NotTaken> {
        let Parts { settings, room, turns, .. } = &*self.0;
        let Some(_turn) = turns.begin(claims.call_id()) else {
            tracing::warn!("many callbacks of one call at once; this one is turned away");
            return Err(NotTaken);
        };
        // Closed never: the semaphore lives as long as this handle.
        let _room = room.acquire().await;
        let arrived = callback::read(&headers, body, &settings.callback).await;
        if self.owner_takes(&claims, &token, &arrived).await {
            return Ok(());
        }
        let call = claims.into_pending();
        match self.0.judge.decide(&call, &arrived.callback(), false).await {
            Ok(outcome) => self.publish(&call, &outcome).await,
            Err(why) => {
                tracing::warn!(why, "a callback that settles nothing; its owner asks the runner");
                Err(NotTaken)
            }
        }
    }

    /// Whether the bridge that submitted the call has its callback now. Its ledger is the better place.
    async fn owner_takes(&self, claims: &Claims, token: &str, arrived: &Arrived) -> bool {
        let Some(url) = self.0.replicas.other(claims.owner()) else { return false };
        match self.0.replicas.hand_on(&url, token, arrived, false).await {
            Ok(()) => {
                tracing::info!(owner = claims.owner(), "its callback is handed on");
                true
            }
            Err(error) => {
                tracing::warn!(owner = claims.owner(), %error, "its owner takes no callback");
                false
            }
        }
    }

    async fn publish(&self, call: &Pending, outcome: &Outcome) -> Result<(), NotTaken> {
        // The job may be in its next try already, which this outcome must not end.
        if let Reply::Job(_) = call.reply {
            tracing::warn!("only the bridge that holds its job can answer it; it asks the runner");
            return Err(NotTaken);
        }
        let json = serde_json::to_string(outcome).map_err(|_| NotTaken)?;
        let retry = Retry::within(self.0.settings.callback.patience);
        match self.0.messenger.deliver(call, &json, retry).await {
            Ok(()) => {
                let (status, reason) = (outcome.status.as_str(), &outcome.message);
                tracing::info!(function = call.function, status, reason, "ended, and Zeebe has it");
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, "an outcome could not be delivered");
                Err(NotTaken)
            }
        }
    }
}

/// What is genuine is taken to its end, also when its sender has gone away meanwhile: it is never repeated.
async fn receive(
    State(relay): State<Relay>,
    token: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> (StatusCode, &'static str) {
    let genuine = callback::open(token, &headers, &relay.0.settings.keys.token.current());
    // No bridge hands anything on to this one.
    let Some((claims, token)) = genuine.ok().filter(|_| !headers.contains_key(HANDED_ON_HEADER)) else {
        return UNAUTHORIZED;
    };
    let span = claims.span();
    let taken = relay.clone().take(claims, token, headers, body);
    match relay.0.tasks.spawn(taken.instrument(span)).await {
        Ok(Ok(())) => (StatusCode::OK, "ok\n"),
        Ok(Err(NotTaken)) => (StatusCode::SERVICE_UNAVAILABLE, "neither its owner nor Zeebe can take it\n"),
        Err(error) => {
            tracing::error!(%error, "a callback's work broke off");
            (StatusCode::INTERNAL_SERVER_ERROR, "failed\n")
        }
    }
}

/// Who verifies a report and shows it is the owner. Where that is not known, nobody misses it.
async fn pass_on_progress(
    State(relay): State<Relay>,
    token: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Refusal> {
    let Parts { settings, replicas, .. } = &*relay.0;
    let ring = settings.keys.token.current();
    let Path(token) = token.map_err(|_| UNAUTHORIZED)?;
    let claims = Claims::open(&token, &ring, now_ms()).ok_or(UNAUTHORIZED)?;
    let url = replicas.other(claims.owner()).filter(|_| !headers.contains_key(HANDED_ON_HEADER));
    let Some((url, _room)) = url.zip(replicas.progress_room()) else { return Ok(StatusCode::NO_CONTENT) };
    let body = progress::read(body).await?;
    let signature = headers.get(HeaderName::from_static(SIGNATURE_HEADER));
    if let Err(error) = replicas.hand_on_progress(&url, &token, signature, body.into()).await {
        claims.span().in_scope(|| {
            tracing::debug!(url, %error, "a report of progress did not reach the bridge that owns its call");
        });
    }
    Ok(StatusCode::NO_CONTENT)
}
