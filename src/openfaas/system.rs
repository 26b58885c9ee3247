//! Which functions are deployed, where that may be read.

use super::{Gateway, bounded, cause};
use std::{
    collections::BTreeSet,
    sync::Mutex,
    time::{Duration, Instant},
};

/// How long a list is trusted.
const TRUSTED_FOR: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(super) struct Cache(Mutex<Option<(Instant, FunctionList)>>);

/// What the gateway says of its functions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FunctionList {
    /// The names, with their namespaces (`name.namespace`) where it gives one.
    Known(BTreeSet<String>),
    /// It does not say: no credentials, or no answer.
    Unreadable(String),
}

impl FunctionList {
    /// Whether the gateway says that there is no such function.
    pub fn lacks(&self, function: &str) -> bool {
        match self {
            Self::Known(names) => !names.contains(function),
            Self::Unreadable(_) => false,
        }
    }
}

impl Gateway {
    /// The deployed functions. A list is asked for anew when the trusted one is old, or lacks the given function.
    pub async fn functions(&self, wanted: &str) -> FunctionList {
        let cached = self.inner.functions.0.lock().ok().and_then(|cache| cache.clone());
        if let Some((at, list)) = cached
            && at.elapsed() < TRUSTED_FOR
            && !list.lacks(wanted)
        {
            return list;
        }
        let list = self.list(wanted).await.map_or_else(FunctionList::Unreadable, FunctionList::Known);
        if let Ok(mut cache) = self.inner.functions.0.lock() {
            *cache = Some((Instant::now(), list.clone()));
        }
        list
    }

    async fn list(&self, wanted: &str) -> Result<BTreeSet<String>, String> {
        // A function name holds nothing that a query would have to escape.
        let query = wanted.split_once('.').map(|(_, namespace)| format!("?namespace={namespace}"));
        let url = format!("{}/system/functions{}", self.inner.url, query.unwrap_or_default());
        let mut request = self.inner.http.get(url);
        if let Some(credentials) = &self.inner.credentials {
            request = request.basic_auth(&credentials.user, Some(&credentials.password));
        }
        let response = request.send().await.map_err(|error| cause(&error))?;
        if !response.status().is_success() {
            return Err(format!("HTTP {}", response.status().as_u16()));
        }
        let functions: Vec<serde_json::Map<String, serde_json::Value>> =
            serde_json::from_slice(&bounded(response).await?).map_err(|error| error.to_string())?;
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
}
