//! The configuration's functions beside those of `stack.yml`.

use crate::check::{
    finding::{Finding, Place, Rule, Severity},
    site::{Site, line_of},
};

pub(super) const RUNNER_NOT_DECLARED: Rule = Rule {
    id: "runner-not-declared",
    severity: Severity::Warning,
    what: "A function of stack.yml has the runner, and the configuration does not say run_once",
    why: "its reports need no signature, and a call may run twice",
    advice: "[functions.NAME] run_once = true",
};

pub(super) const RUNNER_MISSING: Rule = Rule {
    id: "runner-missing",
    severity: Severity::Error,
    what: "A function is run_once in the configuration, and has no runner in stack.yml",
    why: "its answers are not signed, so that none counts, and calls end timedOut",
    advice: "put the runner into the function (fprocess: zeebe2faas-runner), or remove run_once",
};

pub(super) const RUNNER_FUNCTION: Rule = Rule {
    id: "runner-function",
    severity: Severity::Error,
    what: "RUNNER_FUNCTION is not the function's name",
    why: "the runner refuses every call as one for another function",
    advice: "write the function's own name",
};

/// The program that is our runner.
const RUNNER: &str = "zeebe2faas-runner";

pub(super) fn check(site: &Site, findings: &mut Vec<Finding>) {
    let Some((file, stack)) = &site.stack else { return };
    for (name, function) in &stack.functions {
        let line = || line_of(file, &[format!("{name}:"), format!("\"{name}\":")]);
        let mut report = |rule, file: &str, line, message: String| {
            findings.push(Finding { rule, place: Place { file: file.to_owned(), line, element: None }, message });
        };
        let program = function.variable("fprocess").unwrap_or_default();
        let has_runner =
            program.split_whitespace().next().is_some_and(|first| first.rsplit('/').next() == Some(RUNNER));
        let once = site.functions.get(name).is_some_and(|function| function.run_once);
        if has_runner && !once {
            let message = format!("function `{name}` has the runner; say [functions.{name}] run_once = true");
            report(&RUNNER_NOT_DECLARED, file, line(), message);
        } else if once && !has_runner {
            let table = line_of(&site.config_file, &[format!("[functions.{name}]")]);
            report(
                &RUNNER_MISSING,
                &site.config_file,
                table,
                format!("{file} runs `{program}` as `{name}`, not {RUNNER}"),
            );
        }
        let called = function.variable("RUNNER_FUNCTION").filter(|called| has_runner && called != name);
        if let Some(called) = called {
            let line = line_of(file, &[format!("RUNNER_FUNCTION: {called}")]).or_else(line);
            report(&RUNNER_FUNCTION, file, line, format!("function `{name}` has RUNNER_FUNCTION: {called}"));
        }
    }
}
