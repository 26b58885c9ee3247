//! Whether deadlines and time-outs nest: deadline < exec_timeout < upstream_timeout < read and write timeout < ack_wait.
//! One that does not makes OpenFaaS cut a run off, or deliver it again while it runs.

use super::{Finding, Options};
use crate::{
    display::duration as show,
    stack::{DEFAULT_EXEC_TIMEOUT, Function, Stack},
};
use std::{collections::BTreeMap, time::Duration};

/// What CE is documented for.
const CE_LIMIT: Duration = Duration::from_secs(300);

/// One function's chain, from the inside out; what is not known is left out.
struct Chain(Vec<(&'static str, Duration)>);

pub(super) fn check(functions: &BTreeMap<String, Duration>, is_ce: bool, options: &Options) -> Vec<Finding> {
    let mut findings = Vec::new();
    let longest = functions.values().max().copied().unwrap_or_default();
    if is_ce && longest > CE_LIMIT {
        let words =
            format!("deadlines go up to {}, CE is documented for asynchronous calls of 5 minutes", show(longest));
        let advice = "OpenFaaS Pro for longer ones, or shorter calls";
        findings.push(Finding::warning("limit of CE", words, advice));
    }
    let Some(path) = &options.stack else {
        findings.push(Finding::skipped("time-outs", "give --stack FILE, the functions' stack.yml"));
        return findings;
    };
    match Stack::read(path) {
        Ok(stack) => findings.extend(functions.iter().map(|(name, deadline)| {
            let check = format!("time-outs of {name}");
            match stack.functions.get(name) {
                Some(function) => nest(check, *deadline, function, options),
                None => Finding::skipped(check, format!("{} has no such function", path.display())),
            }
        })),
        Err(error) => {
            let reason = format!("{}: {error}", path.display());
            findings.push(Finding::failed("time-outs", reason, "give a stack.yml of OpenFaaS with --stack"));
        }
    }
    findings
}

fn nest(check: String, deadline: Duration, function: &Function, options: &Options) -> Finding {
    let chain = match chain(deadline, function, options) {
        Ok(chain) => chain,
        Err(reason) => return Finding::failed(check, reason, "write a duration such as 90s, 1h30m or 12h"),
    };
    // Read and write timeout stand side by side; everything else is strictly inside the next.
    let broken: Vec<String> = chain
        .0
        .iter()
        .enumerate()
        .flat_map(|(at, inner)| chain.0[at + 1..].iter().map(move |outer| (inner, outer)))
        .filter(|(inner, outer)| inner.1 >= outer.1 && !(inner.0 == "read_timeout" && outer.0 == "write_timeout"))
        .map(|(inner, outer)| format!("{} {} is not below {} {}", inner.0, show(inner.1), outer.0, show(outer.1)))
        .collect();
    if !broken.is_empty() {
        let advice =
            "deadline < exec_timeout < upstream_timeout < read and write timeout < ack_wait; raise the outer ones";
        return Finding::failed(check, broken.join("; "), advice);
    }
    let mut seen = String::new();
    for (name, time) in &chain.0 {
        let joint = if seen.is_empty() {
            ""
        } else if *name == "write_timeout" {
            ", "
        } else {
            " < "
        };
        seen = format!("{seen}{joint}{name} {}", show(*time));
    }
    let unknown: Vec<&str> = [("upstream_timeout", "--upstream-timeout"), ("ack_wait", "--ack-wait")]
        .into_iter()
        .filter(|(name, _)| !chain.0.iter().any(|(known, _)| known == name))
        .map(|(_, flag)| flag)
        .collect();
    let rest = if unknown.is_empty() { String::new() } else { format!(" (not known: {})", unknown.join(", ")) };
    Finding::ok(check, format!("{seen}{rest}"))
}

fn chain(deadline: Duration, function: &Function, options: &Options) -> Result<Chain, String> {
    let mut chain = vec![("deadline", deadline)];
    let mut add = |name: &'static str, time: Option<Duration>| chain.extend(time.map(|time| (name, time)));
    add("exec_timeout", function.timeout("exec_timeout")?.unwrap_or(Some(DEFAULT_EXEC_TIMEOUT)));
    add("upstream_timeout", options.upstream_timeout);
    add("read_timeout", function.timeout("read_timeout")?.flatten());
    add("write_timeout", function.timeout("write_timeout")?.flatten());
    add("ack_wait", options.ack_wait);
    Ok(Chain(chain))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::{super::State, *};
    use std::path::Path;

    const HOUR: Duration = Duration::from_secs(3600);

    fn found(environment: &str, upstream: Option<Duration>, ack_wait: Option<Duration>) -> Finding {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stack.yml");
        std::fs::write(&path, format!("functions: {{f: {{environment: {{{environment}}}}}}}")).unwrap();
        let patience = Duration::ZERO;
        let options = Options { stack: Some(path), upstream_timeout: upstream, ack_wait, patience };
        let mut findings = check(&BTreeMap::from([("f".to_owned(), HOUR * 4)]), false, &options);
        assert_eq!(findings.len(), 1);
        findings.remove(0)
    }

    #[test]
    fn time_outs_that_nest_are_good_and_each_that_does_not_is_named() {
        let all = "exec_timeout: 12h, read_timeout: 12h5m, write_timeout: 12h5m";
        for (environment, upstream, ack_wait, state, part) in [
            (all, None, None, State::Ok, "--upstream-timeout, --ack-wait"),
            (all, Some(HOUR * 12 + HOUR / 60), Some(HOUR * 13), State::Ok, "ack_wait 13h"),
            ("exec_timeout: 0", None, None, State::Ok, "deadline 4h"),
            ("exec_timeout: 18000", None, None, State::Ok, "exec_timeout 5h"),
            ("", None, None, State::Failed, "deadline 4h is not below exec_timeout 30s"),
            ("exec_timeout: 4h", None, None, State::Failed, "deadline 4h is not below exec_timeout 4h"),
            (all, Some(HOUR), None, State::Failed, "exec_timeout 12h is not below upstream_timeout 1h"),
            (all, None, Some(HOUR / 120), State::Failed, "write_timeout 12h5m is not below ack_wait 30s"),
            ("exec_timeout: soon", None, None, State::Failed, "`soon` is not a duration"),
        ] {
            let found = found(environment, upstream, ack_wait);
            assert!(found.state == state && found.message.contains(part), "{environment}: {found:?}");
        }
    }

    #[test]
    fn ce_is_warned_of_its_limit_and_this_project_s_own_stack_nests() {
        let functions = BTreeMap::from([("otbcli".to_owned(), HOUR * 4), ("normalize-product".to_owned(), HOUR * 4)]);
        let stack = Path::new(env!("CARGO_MANIFEST_DIR")).join("stack.yml");
        let options = Options { stack: Some(stack), upstream_timeout: None, ack_wait: None, patience: HOUR };
        let findings = check(&functions, true, &options);
        let states: Vec<State> = findings.iter().map(|finding| finding.state).collect();
        assert_eq!(states, [State::Warning, State::Ok, State::Ok], "{findings:?}");
    }
}
