//! Which functions are deployed, where that may be read.

use super::{Gateway, bounded};
use reqwest::Method;
use serde::de::DeserializeOwned;
use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// How long a list is trusted.
const TRUSTED_FOR: Duration = Duration::from_secs(10);

/// What a gateway says of itself (`/system/info`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// The provider's name.
    pub provider: String,
    /// The gateway's release.
    pub release: String,
}

/// The names that the gateway gave last; none where it does not say.
#[derive(Default)]
pub(super) struct Cache(Mutex<Option<Known>>);

struct Known {
    at: Instant,
    names: Option<BTreeSet<String>>,
}

impl Gateway {
    /// Whether the gateway says that there is no such function. Where it says nothing (no credentials, no answer), it
    /// may be there. A list is trusted for 10 s, but never its word that a function is missing.
    pub async fn lacks(&self, function: &str) -> bool {
        !self.inner.functions.may_have(function) && self.lacks_now(function).await
    }

    /// The same without trust in what it said before.
    pub async fn lacks_now(&self, function: &str) -> bool {
        let names = self.list(function).await;
        if let Err(reason) = &names {
            tracing::debug!(reason, "the gateway does not tell its functions");
        }
        let names = names.ok();
        let lacks = names.as_ref().is_some_and(|names| !names.contains(function));
        self.inner.functions.keep(names);
        lacks
    }

    /// The functions of the namespace that this function is in (`NAME` or `NAME.NAMESPACE`), asked for anew.
    ///
    /// # Errors
    /// Why the gateway does not tell.
    pub async fn functions_beside(&self, function: &str) -> Result<BTreeSet<String>, String> {
        self.list(function).await
    }

    /// What the gateway says of itself.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn info(&self) -> Result<Info, String> {
        let info: serde_json::Value = self.system("info").await?;
        let text = |pointer: &str| info.pointer(pointer).and_then(|value| value.as_str()).unwrap_or("?").to_owned();
        Ok(Info { provider: text("/provider/provider"), release: text("/version/release") })
    }

    /// The status of the gateway's `/healthz`, and its header `Date`.
    ///
    /// # Errors
    /// Why nobody answers.
    pub async fn health(&self) -> Result<(u16, Option<String>), String> {
        let http = &self.inner.http;
        let asked = http.request(Method::GET, &format!("{}/healthz", self.inner.url));
        let response = http.send(asked).await.map_err(|failure| failure.reason)?;
        let date = response.headers().get("date").and_then(|date| date.to_str().ok()).map(str::to_owned);
        Ok((response.status().as_u16(), date))
    }

    async fn list(&self, wanted: &str) -> Result<BTreeSet<String>, String> {
        // A function name holds nothing that a query would have to escape.
        let query = wanted.split_once('.').map(|(_, namespace)| format!("?namespace={namespace}"));
        let functions: Vec<serde_json::Map<String, serde_json::Value>> =
            self.system(&format!("functions{}", query.unwrap_or_default())).await?;
        let mut names = BTreeSet::new();
        for function in &functions {
            let Some(name) = function.get("name").and_then(|name| name.as_str()) else { continue };
            names.insert(name.to_owned());
            if let Some(namespace) = function.get("namespace").and_then(|namespace| namespace.as_str()) {
                names.insert(format!("{name}.{namespace}"));
            }
        }
        Ok(names)
    }

    /// `GET /system/…`, the only place that the credentials go to.
    async fn system<T: DeserializeOwned>(&self, what: &str) -> Result<T, String> {
        let http = &self.inner.http;
        let mut request = http.request(Method::GET, &format!("{}/system/{what}", self.inner.url));
        if let Some(credentials) = &self.inner.credentials {
            request = request.basic_auth(&credentials.user, Some(&credentials.password));
        }
        let response = http.send(request).await.map_err(|failure| failure.reason)?;
        if !response.status().is_success() {
            return Err(format!("HTTP {}", response.status().as_u16()));
        }
        serde_json::from_slice(&bounded(response).await?).map_err(|error| error.to_string())
    }
}

impl Cache {
    /// Whether a young list has the function, or says nothing. The first to find it old renews it; the others go on
    /// with the old one meanwhile.
    fn may_have(&self, function: &str) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Known { at, names }) = known.as_mut() else {
            *known = Some(Known { at: Instant::now(), names: None });
            return false;
        };
        if at.elapsed() >= TRUSTED_FOR {
            *at = Instant::now();
            return false;
        }
        names.as_ref().is_none_or(|names| names.contains(function))
    }

    fn keep(&self, names: Option<BTreeSet<String>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Known { at: Instant::now(), names });
    }
}
