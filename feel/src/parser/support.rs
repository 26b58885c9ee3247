//! What parses in Zeebe and is not supported here is refused, never evaluated in another way.

use super::super::expression::Refusal;
use super::super::functions::{self, strings::Pattern};
use super::super::syntax::{Arguments, Exp, Node};
use super::super::value::Value;

/// Functions whose result is another one each time, which no run could repeat.
const RANDOM: [&str; 2] = ["uuid", "random number"];
/// Functions with a regular expression; the parameter's place and name.
const PATTERNS: [(&str, usize, &str); 4] =
    [("matches", 1, "pattern"), ("replace", 1, "pattern"), ("split", 1, "delimiter"), ("extract", 1, "pattern")];

/// Refuses the first thing that is not supported.
pub(in super::super) fn check(node: &Node) -> Result<(), Refusal> {
    match &**node {
        Exp::Call { within, name, arguments } if within.is_empty() => call(name, arguments)?,
        Exp::List(_) | Exp::Context(_) | Exp::Filter(..) | Exp::Quantified(..) | Exp::For(..) | Exp::Call { .. }
            if node.children().iter().any(|child| has_input(child)) =>
        {
            return Err(refusal("`?` within a list, a context, a filter or a loop is not supported"));
        }
        _ => {}
    }
    node.children().into_iter().try_for_each(check)
}

fn refusal(reason: impl Into<String>) -> Refusal {
    Refusal { reason: reason.into(), column: 1, legal: true }
}

fn call(name: &str, arguments: &Arguments) -> Result<(), Refusal> {
    if RANDOM.contains(&name) {
        return Err(refusal(format!("the function `{name}` is not supported: its result is another one each time")));
    }
    if !functions::is_strict(name) && arguments.nodes().into_iter().any(has_input) {
        return Err(refusal(format!("`?` as an argument of `{name}` is not supported")));
    }
    regular_expression(name, arguments)
}

/// A regular expression must be known, since not every one of Java's can be said here.
fn regular_expression(name: &str, arguments: &Arguments) -> Result<(), Refusal> {
    let Some((_, place, parameter)) = PATTERNS.iter().find(|(function, ..)| *function == name) else { return Ok(()) };
    let argument = |place: usize, parameter: &str| match arguments {
        Arguments::Positional(nodes) => nodes.get(place),
        Arguments::Named(named) => named.iter().find(|(name, _)| name == parameter).map(|(_, node)| node),
    };
    let literal = |parameter: &str, node: Option<&Node>| match node.map(|node| &**node) {
        Some(Exp::Literal(Value::String(text))) => Ok(Some(text.clone())),
        // A constant of another type, or none at all, is an error of the function's.
        Some(Exp::Literal(_)) | None => Ok(None),
        Some(_) => {
            Err(refusal(format!("the {parameter} of `{name}` must be written as a string: others are not supported")))
        }
    };
    let pattern = literal(parameter, argument(*place, parameter))?;
    let flags = literal("flags", argument(if name == "replace" { 3 } else { 2 }, "flags"))?;
    let Some(pattern) = pattern else { return Ok(()) };
    let parsed = Pattern::parse(&pattern, flags.as_deref().unwrap_or_default());
    parsed.map(drop).map_err(|reason| refusal(format!("the regular expression `{pattern}`: {reason}")))
}

/// Whether `?` stands in it for the value that a test around it is about.
fn has_input(node: &Node) -> bool {
    match &**node {
        Exp::Input => true,
        // Its tests have a value for theirs.
        Exp::In(value, _) => has_input(value),
        _ => node.children().into_iter().any(has_input),
    }
}
