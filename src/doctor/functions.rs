//! The functions: deployed, and each runner with its right key.

use super::Finding;
use crate::{config::Settings, openfaas::Gateway};
use std::collections::BTreeSet;
use zeebe2faas_contract::CallId;

/// Findings, and a function whose runner proved that it holds its key.
pub(super) async fn check(
    gateway: &Gateway,
    settings: &Settings,
    functions: impl Iterator<Item = &String>,
) -> (Vec<Finding>, Option<String>) {
    let (mut findings, mut proven) = (Vec::new(), None);
    for function in functions {
        let (name, list) = (format!("function {function}"), gateway.functions_beside(function).await);
        let deployed = deployed(&name, function, list);
        let missing = deployed.state == super::State::Failed;
        findings.push(deployed);
        if !settings.functions.get(function).is_some_and(|known| known.run_once) {
            continue;
        }
        let check = format!("key of {function}");
        if missing {
            findings.push(Finding::skipped(check, "the function is not deployed"));
            continue;
        }
        let finding = key(gateway, settings, check, function).await;
        if finding.state == super::State::Ok && proven.is_none() {
            proven = Some(function.clone());
        }
        findings.push(finding);
    }
    if findings.is_empty() {
        findings.push(Finding::skipped("functions", "neither configuration nor templates name one"));
    }
    (findings, proven)
}

fn deployed(name: &str, function: &str, list: Result<BTreeSet<String>, String>) -> Finding {
    match list {
        Ok(names) if names.contains(function) => Finding::ok(name, "deployed"),
        Ok(_) => Finding::failed(name, "not deployed", "deploy it (faas-cli up -f stack.yml), or mend its name"),
        Err(reason) => Finding::skipped(name, format!("the gateway does not tell its functions: {reason}")),
    }
}

/// Asks the runner about a call that nobody has heard of: only the right key signs the answer.
async fn key(gateway: &Gateway, settings: &Settings, check: String, function: &str) -> Finding {
    let Some(secret) = &settings.keys.runner else {
        return Finding::failed(check, "keys.runner_file is not set", "`zeebe2faas key new > runner.key`");
    };
    let call = CallId::new("doctor", rand::random(), 1);
    match gateway.ask(function, &call, &secret.current().for_function(function)).await {
        Ok(_) => Finding::ok(check, "its runner signs with it"),
        Err(error) => {
            let advice = format!(
                "give it what `zeebe2faas key function {function} --secret FILE` prints (secret \
                 zeebe2faas-runner-{function}), FILE being keys.runner_file; is it the runner that answers?"
            );
            Finding::failed(check, error.to_string(), advice)
        }
    }
}
