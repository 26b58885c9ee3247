//! Checks the live systems and says what to change. A file for each check; none changes anything.

mod callback;
mod clock;
mod functions;
mod gateway;
mod ledger;
mod timeouts;
mod zeebe;

use crate::tls::plain_http;
use crate::{
    app::load_templates,
    bridge::render::Templates,
    config::{self, Environment, Settings},
    openfaas::Gateway,
};
use reqwest::Client;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

/// How long a question to the bridge may take.
const BRIDGE_TIMEOUT: Duration = Duration::from_secs(5);

/// What a check found.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// What was checked.
    pub check: String,
    /// How it is.
    pub state: State,
    /// What was seen; of a skipped check, why.
    pub message: String,
    /// What to change; empty where nothing is.
    pub advice: String,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// Nothing to do.
    Ok,
    /// It works, but not well, or not for long.
    Warning,
    /// It does not work.
    Failed,
    /// It could not be checked.
    Skipped,
}

/// What to check besides what the configuration says.
#[derive(Debug, Clone)]
pub struct Options {
    /// The functions' `stack.yml`, for their time-outs.
    pub stack: Option<PathBuf>,
    /// The gateway's `upstream_timeout`.
    pub upstream_timeout: Option<Duration>,
    /// The queue worker's `ack_wait`.
    pub ack_wait: Option<Duration>,
    /// How long the probe's callback may take.
    pub patience: Duration,
}

impl Finding {
    fn new(check: impl Into<String>, state: State, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check: check.into(), state, message: message.into(), advice: advice.into() }
    }

    fn ok(check: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(check, State::Ok, message, "")
    }

    fn warning(check: impl Into<String>, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(check, State::Warning, message, advice)
    }

    fn failed(check: impl Into<String>, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(check, State::Failed, message, advice)
    }

    fn skipped(check: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(check, State::Skipped, why, "")
    }
}

/// Checks everything; the bridge may run meanwhile or not. Each question has a deadline of the configuration's.
pub async fn examine(file: Option<&Path>, environment: &Environment, options: &Options) -> Vec<Finding> {
    let settings = match config::load(file, environment) {
        Ok(settings) => settings,
        Err(error) => {
            let advice = "mend these; zeebe2faas.example.toml explains each key";
            return vec![
                Finding::failed("configuration", error.to_string(), advice),
                Finding::skipped("everything else", "it needs the configuration"),
            ];
        }
    };
    let (templates, first) = templates(&settings);
    let mut findings = vec![first, bridge(&settings).await];
    findings.extend(zeebe::check(&settings).await);
    let functions = used_functions(&settings, &templates);
    let mut is_ce = false;
    match Gateway::new(&settings.openfaas) {
        Ok(gateway) => {
            let (about_gateway, edition) = gateway::check(&gateway, &settings).await;
            findings.extend(about_gateway);
            is_ce = edition == gateway::Edition::Community;
            let (about_functions, proven) = functions::check(&gateway, &settings, functions.keys()).await;
            findings.extend(about_functions);
            findings.push(callback::check(&gateway, &settings, proven.as_deref(), options.patience).await);
        }
        Err(error) => findings.push(Finding::failed("gateway", format!("no HTTP client: {error}"), "see the machine")),
    }
    findings.extend(timeouts::check(&functions, is_ce, options));
    findings.extend(ledger::check(&settings.ledger));
    findings
}

fn templates(settings: &Settings) -> (Templates, Finding) {
    match load_templates(settings) {
        Ok(templates) => {
            let words =
                format!("good, with {} template(s) and cluster `{}`", templates.names().count(), settings.cluster);
            (templates, Finding::ok("configuration", words))
        }
        Err(error) => {
            let finding = Finding::failed("configuration", error.to_string(), "see docs/templates.md");
            (Templates::default(), finding)
        }
    }
}

/// Functions that configuration and templates name, with the longest deadline that is known for each.
fn used_functions(settings: &Settings, templates: &Templates) -> BTreeMap<String, Duration> {
    let longest = settings.calls.timeout;
    let mut functions: BTreeMap<String, Option<Duration>> =
        settings.functions.keys().map(|name| (name.clone(), None)).collect();
    for template in templates.names().filter_map(|name| templates.get(name)) {
        let Some(name) = &template.function else { continue };
        let known = functions.entry(name.clone()).or_default();
        *known = (*known).max(Some(template.timeout.unwrap_or(longest)));
    }
    functions.into_iter().map(|(name, deadline)| (name, deadline.unwrap_or(longest))).collect()
}

/// Whether a bridge runs with this configuration, and is ready.
async fn bridge(settings: &Settings) -> Finding {
    let name = "bridge";
    let url = format!("http://{}/readyz", settings.admin);
    let answer = match http() {
        Ok(client) => client.get(&url).send().await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(answer) if answer.status().is_success() => Finding::ok(name, format!("runs and is ready ({url})")),
        Ok(answer) => {
            let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap_or_default());
            let words = format!("{url} answers HTTP {status}: {}", text.trim().chars().take(300).collect::<String>());
            Finding::warning(name, words, "see its log, and what follows here")
        }
        Err(error) if error.is_connect() => {
            Finding::skipped(name, format!("none runs at admin.listen = {}", settings.admin))
        }
        Err(error) => Finding::warning(name, format!("{url}: {error}"), "see its log"),
    }
}

/// A client for questions to the bridge itself.
fn http() -> reqwest::Result<Client> {
    plain_http().timeout(BRIDGE_TIMEOUT).redirect(reqwest::redirect::Policy::none()).build()
}
