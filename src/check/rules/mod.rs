//! The rules, by what they are about; each group has its own table entries beside the code that finds them.

mod commands;
mod failures;
mod feel;
pub(super) mod files;
mod functions;
mod headers;
mod outcome;
mod results;
mod spelling;
pub(super) mod structure;
mod times;
mod variables;
mod waiting;

use super::{
    finding::{Finding, Rule},
    site::Site,
    view::View,
};

/// Every rule, as `docs/check.md` lists them.
pub const RULES: &[&Rule] = &[
    &files::CONFIGURATION,
    &files::TEMPLATE_FILE,
    &files::STACK_FILE,
    &structure::NOT_BPMN,
    &structure::NO_PROCESS,
    &structure::DUPLICATE_ID,
    &structure::BROKEN_REFERENCE,
    &structure::UNREACHABLE,
    &structure::MISSPELT_PROCESS,
    &feel::FEEL_SYNTAX,
    &feel::FEEL_NEWER,
    &feel::FEEL_UNSUPPORTED,
    &feel::FEEL_FUNCTION,
    &feel::EXPRESSION_EXPECTED,
    &feel::LITERAL_MAPPING,
    &feel::MAPPING_TARGET,
    &feel::TIMER_VALUE,
    &variables::UNSET_VARIABLE,
    &variables::UNSET_NAME,
    &variables::OUTSIDE_VARIABLE,
    &variables::MISSING_INPUT,
    &spelling::MISSPELT_VARIABLE,
    &outcome::UNKNOWN_FIELD,
    &outcome::UNKNOWN_STATUS,
    &headers::JOB_TYPE,
    &headers::UNKNOWN_HEADER,
    &headers::DUPLICATE_HEADER,
    &headers::LITERAL_HEADER,
    &headers::HEADER_VALUE,
    &headers::NO_COMMAND,
    &headers::CONFLICTING_HEADERS,
    &headers::IGNORED_HEADER,
    &headers::NO_RETRIES,
    &commands::COMMAND_LINE,
    &commands::UNKNOWN_TEMPLATE,
    &commands::NO_TEMPLATES,
    &commands::NO_FUNCTION,
    &commands::UNKNOWN_FUNCTION,
    &commands::PROGRAM_NOT_ALLOWED,
    &commands::UNKNOWN_OUTPUT,
    &commands::OUTPUTS_NOT_DECLARED,
    &commands::OUTPUTS_NEED_RUNNER,
    &functions::RUNNER_NOT_DECLARED,
    &functions::RUNNER_MISSING,
    &functions::RUNNER_FUNCTION,
    &waiting::MESSAGE_MISMATCH,
    &waiting::CORRELATION_KEY,
    &waiting::NOT_AWAITED,
    &results::RESULT_KEPT,
    &results::RESULT_DROPPED,
    &results::RESULT_OVERWRITTEN,
    &results::RESULT_SHARED,
    &results::CALL_LEAKS,
    &times::NO_DEADLINE,
    &times::DEADLINE_OVER_TIMEOUT,
    &times::NO_TIMER,
    &times::TIMER_BEFORE_DEADLINE,
    &failures::FAILURE_IGNORED,
    &failures::NO_DEFAULT_FLOW,
    &failures::ERROR_NOT_CAUGHT,
    &failures::ERROR_NEVER_THROWN,
];

/// What concerns the site alone.
pub(super) fn site(site: &Site, findings: &mut Vec<Finding>) {
    functions::check(site, findings);
}

/// What concerns one process, seen beside all others.
pub(super) fn process(view: &View<'_>, all: &[View<'_>], findings: &mut Vec<Finding>) {
    for check in [
        feel::check,
        outcome::check,
        headers::check,
        commands::check,
        waiting::check,
        results::check,
        times::check,
        failures::check,
    ] {
        check(view, findings);
    }
    structure::check(view, all, findings);
    variables::check(view, all, findings);
    spelling::check(view, all, findings);
}
