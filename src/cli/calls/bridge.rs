//! Questions and orders to the running bridge.

use super::super::{Failure, block_on};
use crate::{admin::actions::Done, secret::Secret, tls};
use reqwest::{Client, Response, Url};
use std::{net::SocketAddr, time::Duration};
use zeebe2faas_contract::CallId;

/// How long the bridge may take to answer a question…
const TIMEOUT: Duration = Duration::from_secs(10);
/// …and to do something, for which it may have to wait for a runner or for Zeebe.
const ACTION_TIMEOUT: Duration = Duration::from_secs(60);

/// What is to be done with a call.
#[derive(Clone, Copy)]
pub(super) enum Action {
    Cancel,
    Deliver { again: bool },
    Retry,
}

/// The running bridge's answer; nothing where none runs.
pub(super) fn ask(address: SocketAddr, path: &str, query: &[(&str, String)]) -> Result<Option<String>, Failure> {
    block_on(async {
        let url = Url::parse_with_params(&format!("http://{address}{path}"), query);
        let url = url.map_err(|error| Failure::Failed(format!("admin.listen = {address}: {error}")))?;
        let response = match client(TIMEOUT)?.get(url).send().await {
            Ok(response) => response,
            Err(error) if error.is_connect() => return Ok(None),
            Err(error) => return Err(Failure::Unreachable(format!("the bridge at {address}: {error}"))),
        };
        match answer(response).await? {
            (200, text) => Ok(Some(text)),
            (404, _) => Ok(Some("null".to_owned())),
            (status, text) => {
                Err(Failure::Failed(format!("the bridge at {address} answered HTTP {status}: {}", text.trim())))
            }
        }
    })
}

/// Has the running bridge do something.
pub(super) fn act(address: SocketAddr, id: &CallId, action: Action, token: Option<&Secret>) -> Result<Done, Failure> {
    block_on(async {
        let path = match action {
            Action::Cancel => "cancel",
            Action::Deliver { again: false } => "deliver",
            Action::Deliver { again: true } => "deliver?again=true",
            Action::Retry => "retry",
        };
        let url = format!("http://{address}/api/calls/{id}/{path}");
        let mut request = client(ACTION_TIMEOUT)?.post(url);
        if let Some(token) = token {
            request = request.bearer_auth(token.expose());
        }
        let response = request.send().await.map_err(|error| {
            let what = if error.is_connect() { "no bridge runs there".to_owned() } else { error.to_string() };
            Failure::Unreachable(format!("admin.listen = {address}: {what}"))
        })?;
        match answer(response).await? {
            (200, text) => super::parse(&text),
            (401, text) if token.is_none() => {
                Err(Failure::Failed(format!("{}; this configuration names no admin.token_file", text.trim())))
            }
            (_, text) => Err(Failure::Failed(text.trim().to_owned())),
        }
    })
}

fn client(timeout: Duration) -> Result<Client, Failure> {
    tls::plain_http().timeout(timeout).build().map_err(|error| Failure::Failed(error.to_string()))
}

async fn answer(response: Response) -> Result<(u16, String), Failure> {
    let status = response.status().as_u16();
    let text = response.text().await.map_err(|error| Failure::Unreachable(error.to_string()))?;
    Ok((status, text))
}
