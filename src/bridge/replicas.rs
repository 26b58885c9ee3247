//! The way to the other replicas: one pooled client, bounded in time and number.

use super::handed_on::{Arrived, HANDED_ON_HEADER};
use crate::{config, reload::Reloaded, tls::plain_http, transport::Transport};
use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderName, HeaderValue},
};
use reqwest::{Method, StatusCode, redirect};
use std::{sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeebe2faas_contract::{KeyRing, SIGNATURE_HEADER};

/// How long a connection may take: whoever is there answers at once.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Reports of progress that are on their way to other replicas; one more is dropped, since the next says it all.
const MAX_PROGRESS: usize = 32;

/// Why a replica did not take what was handed to it.
#[derive(Debug, thiserror::Error)]
pub enum NotHanded {
    /// Nobody answered.
    #[error("no answer: {0}")]
    Away(String),
    /// It answered something else than 2xx.
    #[error("it answered HTTP {0}{hint}", hint = if *.0 == 401 { "; do all replicas have the same token key, body limit and time?" } else { "" })]
    Refused(u16),
}

/// A client of the other replicas' callback listeners.
pub struct Replicas {
    http: Transport,
    own: Option<String>,
    known: config::Replicas,
    ring: Reloaded<KeyRing>,
    progress_room: Arc<Semaphore>,
}

/// The connections to other replicas.
///
/// # Errors
/// When the HTTP client cannot be made, which would be a fault of the machine.
pub fn transport(known: &config::Replicas) -> reqwest::Result<Transport> {
    let timeout = known.timeout;
    let http = plain_http()
        .redirect(redirect::Policy::none())
        .connect_timeout(timeout.min(CONNECT_TIMEOUT))
        .timeout(timeout)
        .build()?;
    Ok(Transport::new(http))
}

impl Replicas {
    /// Reaches them over `http`. `own`: this replica's name, where it is one.
    pub fn new(http: Transport, own: Option<&str>, known: &config::Replicas, ring: &Reloaded<KeyRing>) -> Self {
        Self {
            http,
            own: own.map(str::to_owned),
            known: known.clone(),
            ring: ring.clone(),
            progress_room: Arc::new(Semaphore::new(MAX_PROGRESS)),
        }
    }

    /// Where this replica is, if it is another one and the configuration says where.
    pub fn other(&self, replica: &str) -> Option<String> {
        (Some(replica) != self.own.as_deref()).then(|| self.known.url_of(replica)).flatten()
    }

    /// Hands a callback on, once. `delivered`: only tells that its outcome is taken care of.
    pub async fn hand_on(&self, url: &str, token: &str, arrived: &Arrived, delivered: bool) -> Result<(), NotHanded> {
        let headers = arrived.sealed(token, delivered, &self.ring.current());
        self.post(&format!("{url}/callback/{token}"), headers, arrived.body.clone()).await
    }

    /// Room for one more report of progress on its way.
    pub fn progress_room(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.progress_room).try_acquire_owned().ok()
    }

    /// Hands a report of progress on, once.
    pub async fn hand_on_progress(
        &self,
        url: &str,
        token: &str,
        signature: Option<&HeaderValue>,
        body: Bytes,
    ) -> Result<(), NotHanded> {
        let mut headers = HeaderMap::new();
        headers.insert(HANDED_ON_HEADER, HeaderValue::from_static("true"));
        headers.extend(signature.map(|signature| (HeaderName::from_static(SIGNATURE_HEADER), signature.clone())));
        self.post(&format!("{url}/progress/{token}"), headers, body).await
    }

    async fn post(&self, url: &str, headers: HeaderMap, body: Bytes) -> Result<(), NotHanded> {
        let request = self.http.request(Method::POST, url).headers(headers).body(body);
        let answer = self.http.send(request).await;
        match answer.map(|answer| answer.status()) {
            Ok(status) if status.is_success() => Ok(()),
            // Somebody in between, who reaches nobody.
            Ok(status @ (StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT)) => {
                Err(NotHanded::Away(format!("HTTP {}", status.as_u16())))
            }
            Ok(status) => Err(NotHanded::Refused(status.as_u16())),
            Err(failure) => Err(NotHanded::Away(failure.reason)),
        }
    }
}
