//! Mistakes of the files that models are held against; the readers of those files find them.

use crate::check::finding::{Rule, Severity};

pub(in crate::check) const CONFIGURATION: Rule = Rule {
    id: "configuration",
    severity: Severity::Error,
    what: "The configuration has a mistake",
    why: "the bridge does not start with it",
    advice: "write what the message says; docs/configuration.md has every key",
};

pub(in crate::check) const TEMPLATE_FILE: Rule = Rule {
    id: "template-file",
    severity: Severity::Error,
    what: "A command template has a mistake",
    why: "the bridge does not start with it",
    advice: "write what the message says; docs/templates.md has what a template may be",
};

pub(in crate::check) const STACK_FILE: Rule = Rule {
    id: "stack-file",
    severity: Severity::Error,
    what: "The functions' stack.yml cannot be read",
    why: "nobody can tell which functions there are",
    advice: "mend the file, or name another with --stack",
};
