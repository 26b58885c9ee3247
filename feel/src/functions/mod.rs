//! The functions that are built in (FEEL 1.3, 10.3.4; Camunda's documentation of FEEL's built-in functions), those of
//! feel-scala 1.18.0 and Zeebe's own `cycle`.

mod booleans;
mod contexts;
mod conversion;
mod java_pattern;
mod lists;
mod lists_more;
mod numbers;
mod ranges;
pub(super) mod strings;
mod temporal;

use super::evaluate::{Evaluator, Fault, Outcome};
use super::value::Value;

/// A function, or one way to call it.
pub(super) struct Builtin {
    pub name: &'static str,
    pub parameters: &'static [&'static str],
    /// Whether the last parameter takes all that is left, as a list.
    pub variadic: bool,
    pub call: fn(&Evaluator, &[Value]) -> Outcome,
}

/// Every group; of functions with the same name the first that fits is called.
const GROUPS: [&[Builtin]; 9] = [
    conversion::FUNCTIONS,
    booleans::FUNCTIONS,
    strings::FUNCTIONS,
    lists::FUNCTIONS,
    lists_more::FUNCTIONS,
    numbers::FUNCTIONS,
    contexts::FUNCTIONS,
    ranges::FUNCTIONS,
    temporal::FUNCTIONS,
];

const fn builtin(
    name: &'static str,
    parameters: &'static [&'static str],
    call: fn(&Evaluator, &[Value]) -> Outcome,
) -> Builtin {
    Builtin { name, parameters, variadic: false, call }
}

const fn variadic(
    name: &'static str,
    parameters: &'static [&'static str],
    call: fn(&Evaluator, &[Value]) -> Outcome,
) -> Builtin {
    Builtin { name, parameters, variadic: true, call }
}

/// The functions of that name.
pub(super) fn named(name: &str) -> impl Iterator<Item = &'static Builtin> {
    GROUPS.into_iter().flatten().filter(move |builtin| builtin.name == name)
}

/// Whether each of its arguments must have a type, so that a missing `?` is never taken for a value.
pub(super) fn is_strict(name: &str) -> bool {
    let groups = [conversion::FUNCTIONS, strings::FUNCTIONS, numbers::FUNCTIONS, temporal::FUNCTIONS];
    name != "string" && groups.into_iter().flatten().any(|builtin| builtin.name == name)
}

/// The arguments are not what the function takes.
fn illegal(arguments: &[Value]) -> Fault {
    let shown: Vec<_> = arguments.iter().map(|value| super::warning::message(format_args!("'{value}'"))).collect();
    Fault::Error(format!("Illegal arguments: {}", shown.join(", ")))
}

fn out_of_range() -> Fault {
    Fault::Thrown("the number is out of range".to_owned())
}

/// The place counted from 0 of one counted from 1, or from the end when it is not positive, as Java's 32 bits have it.
fn place(size: usize, index: i32) -> i64 {
    match index {
        1.. => i64::from(index) - 1,
        _ => i64::try_from(size).unwrap_or(i64::MAX) + i64::from(index),
    }
}

/// A place within 0 and `size`.
fn clamped(place: i64, size: usize) -> usize {
    usize::try_from(place.max(0)).map_or(size, |place| place.min(size))
}
