//! The authorization server: one request for one token.

use super::{
    Error,
    auth::{OAuth, header},
    tokens::Token,
};
use crate::{reload::Reloaded, secret::Secret};
use reqwest::{Client, StatusCode, redirect};
use serde::Deserialize;
use std::time::Duration;

/// The largest answer that is read, in bytes.
const ANSWER_LIMIT_BYTES: usize = 64 << 10;
/// The life of a token for which the server names none.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);
/// A longer life is not believed: an `Instant` has an end.
const LONGEST_LIFETIME_SECONDS: u64 = 30 * 24 * 3600;
/// How much of an error's text is shown.
const REASON_LIMIT_CHARS: usize = 300;

#[derive(Debug)]
pub(super) struct Server {
    http: Client,
    url: String,
    client_id: String,
    client_secret: Reloaded<Secret>,
    audience: Option<String>,
    scope: Option<String>,
}

/// RFC 6749, 5.1.
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: Option<u64>,
}

/// RFC 6749, 5.2.
#[derive(Deserialize)]
struct Denied {
    error: String,
    #[serde(default)]
    error_description: String,
}

impl Server {
    pub fn new(oauth: &OAuth, timeout: Duration) -> Result<Self, Error> {
        let OAuth { url, client_id, client_secret, audience, scope, tls } = oauth.clone();
        let http = Client::builder()
            .tls_backend_preconfigured((*tls.current()).clone())
            .redirect(redirect::Policy::none())
            .timeout(timeout)
            // Tokens are fetched hours apart.
            .pool_max_idle_per_host(0)
            .no_proxy()
            .build()
            .map_err(|error| Error::Address { address: url.clone(), reason: error.to_string() })?;
        Ok(Self { http, url, client_id, client_secret, audience, scope })
    }

    pub async fn fetch(&self) -> Result<Token, Error> {
        let secret = self.client_secret.current();
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_id", &self.client_id),
            ("client_secret", secret.expose()),
        ];
        form.extend(self.audience.as_deref().map(|audience| ("audience", audience)));
        form.extend(self.scope.as_deref().map(|scope| ("scope", scope)));
        let away = |reason: String| Error::NoToken { url: self.url.clone(), reason };
        let answer = self.http.post(&self.url).form(&form).send().await.map_err(|error| away(cause(&error)))?;
        let status = answer.status();
        let body = bounded(answer).await.map_err(away)?;
        if status.is_success() {
            return token(&body).ok_or_else(|| away("its answer holds no token (access_token, expires_in)".to_owned()));
        }
        let reason = reason(status, &secret.redact(&String::from_utf8_lossy(&body)));
        if status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT) {
            return Err(away(reason));
        }
        Err(Error::ClientRefused { url: self.url.clone(), reason })
    }
}

fn token(body: &[u8]) -> Option<Token> {
    let granted: Granted = serde_json::from_slice(body).ok()?;
    let seconds = |seconds: u64| Duration::from_secs(seconds.min(LONGEST_LIFETIME_SECONDS));
    let lifetime = granted.expires_in.map_or(DEFAULT_LIFETIME, seconds);
    let header = header(&format!("Bearer {}", granted.access_token))?;
    (!granted.access_token.is_empty()).then_some(Token { header, lifetime })
}

fn reason(status: StatusCode, body: &str) -> String {
    let code = status.as_u16();
    if status.is_redirection() {
        return format!("HTTP {code}, a redirection, which is not followed");
    }
    let text = match serde_json::from_str::<Denied>(body) {
        Ok(Denied { error, error_description }) => format!("{error} {error_description}"),
        Err(_) => body.to_owned(),
    };
    let text: String = text.chars().filter(|c| !c.is_control()).take(REASON_LIMIT_CHARS).collect();
    format!("HTTP {code} {}", text.trim()).trim_end().to_owned()
}

async fn bounded(mut answer: reqwest::Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| cause(&error))? {
        if body.len() + chunk.len() > ANSWER_LIMIT_BYTES {
            return Err(format!("its answer is longer than {ANSWER_LIMIT_BYTES} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The innermost reason; reqwest's own text repeats the URL.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    super::error::deepest(error)
}
