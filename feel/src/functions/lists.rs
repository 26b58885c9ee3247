//! Functions that make a value of a list (FEEL 1.3, 10.3.4.4).

use super::super::evaluate::{Evaluator, Fault, Outcome, comparable, compare, identical};
use super::super::number::Number;
use super::super::value::{List, Value};
use super::super::warning::message;
use super::strings::fits;
use super::{Builtin, builtin, illegal, out_of_range, variadic};
use std::cmp::Ordering;
use std::sync::Arc;

pub(super) const FUNCTIONS: &[Builtin] = &[
    builtin("list contains", &["list", "element"], contains),
    builtin("count", &["list"], |_, arguments| Ok(Value::count(list(arguments)?.len()))),
    builtin("is empty", &["list"], |_, arguments| Ok(Value::Boolean(list(arguments)?.is_empty()))),
    variadic("min", &["list"], |_, arguments| extreme(arguments, Ordering::Less)),
    variadic("max", &["list"], |_, arguments| extreme(arguments, Ordering::Greater)),
    variadic("sum", &["list"], |_, arguments| of_numbers(arguments, |numbers| sum(numbers).map(Value::Number))),
    variadic("product", &["list"], |_, arguments| of_numbers(arguments, |numbers| product(numbers).map(Value::Number))),
    variadic("mean", &["list"], |_, arguments| {
        of_numbers(arguments, |numbers| sum(numbers)?.over(&size(numbers)).map(Value::Number))
    }),
    variadic("median", &["list"], |_, arguments| of_numbers(arguments, |numbers| median(numbers).map(Value::Number))),
    variadic("stddev", &["list"], |_, arguments| {
        of_numbers(arguments, |numbers| deviation(numbers).map(Value::Number))
    }),
    variadic("mode", &["list"], mode),
    variadic("and", &["list"], |_, arguments| settled(arguments, false)),
    variadic("all", &["list"], |_, arguments| settled(arguments, false)),
    variadic("or", &["list"], |_, arguments| settled(arguments, true)),
    variadic("any", &["list"], |_, arguments| settled(arguments, true)),
    builtin("string join", &["list"], join),
    builtin("string join", &["list", "delimiter"], join),
    builtin("string join", &["list", "delimiter", "prefix", "suffix"], join),
];

/// The only argument, a list.
pub(super) fn list(arguments: &[Value]) -> Result<&Arc<List>, Fault> {
    match arguments {
        [Value::List(items)] => Ok(items),
        _ => Err(illegal(arguments)),
    }
}

fn contains(_: &Evaluator, arguments: &[Value]) -> Outcome {
    match arguments {
        [Value::List(items), element] => Ok(Value::Boolean(items.iter().any(|item| identical(item, element)))),
        _ => Err(illegal(arguments)),
    }
}

/// The first item that no other is beyond.
fn extreme(arguments: &[Value], wanted: Ordering) -> Outcome {
    let items = list(arguments)?;
    let Some((first, rest)) = items.split_first() else { return Ok(Value::Null) };
    let whole = &arguments[0];
    if !comparable(whole) {
        return Err(Fault::Error(message(format_args!("{whole} is not comparable"))));
    }
    let beyond = |best: &Value, item: &Value| {
        compare(item, best)
            .map(|order| order == wanted)
            .ok_or_else(|| Fault::Thrown(message(format_args!("{item} can not be compared to {best}"))))
    };
    let best =
        rest.iter().try_fold(first, |best, item| Ok::<_, Fault>(if beyond(best, item)? { item } else { best }))?;
    Ok(best.clone())
}

/// Null of an empty list; an error when not all are numbers.
fn of_numbers(arguments: &[Value], function: fn(&[&Number]) -> Option<Value>) -> Outcome {
    let items = list(arguments)?;
    if items.is_empty() {
        return Ok(Value::Null);
    }
    let numbers: Result<Vec<_>, _> = items
        .iter()
        .map(|item| match item {
            Value::Number(number) => Ok(number),
            other => Err(Fault::Error(message(format_args!("expected number but found '{other}'")))),
        })
        .collect();
    function(&numbers?).ok_or_else(out_of_range)
}

fn size(numbers: &[&Number]) -> Number {
    Number::from(i64::try_from(numbers.len()).unwrap_or(i64::MAX))
}

fn sum(numbers: &[&Number]) -> Option<Number> {
    numbers.iter().try_fold(Number::from(0), |sum, number| sum.plus(number))
}

fn product(numbers: &[&Number]) -> Option<Number> {
    numbers.iter().try_fold(Number::from(1), |product, number| product.times(number))
}

fn median(numbers: &[&Number]) -> Option<Number> {
    let mut sorted = numbers.to_vec();
    sorted.sort();
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        return Some((*sorted.get(middle)?).clone());
    }
    sorted.get(middle - 1)?.plus(sorted.get(middle)?)?.over(&Number::from(2))
}

fn deviation(numbers: &[&Number]) -> Option<Number> {
    let mean = sum(numbers)?.over(&size(numbers))?;
    let squares = numbers.iter().try_fold(Number::from(0), |sum, number| sum.plus(&number.minus(&mean)?.power(2)?))?;
    Number::from_f64(squares.over(&size(numbers).minus(&Number::from(1))?)?.to_f64().sqrt())
}

/// The numbers that are there most often, the smallest first.
fn mode(_: &Evaluator, arguments: &[Value]) -> Outcome {
    if list(arguments)?.is_empty() {
        return Ok(Value::list(Vec::new()));
    }
    of_numbers(arguments, |numbers| {
        let mut sorted = numbers.to_vec();
        sorted.sort();
        let runs: Vec<_> = sorted.chunk_by(|left, right| left == right).collect();
        let most = runs.iter().map(|run| run.len()).max()?;
        let modes = runs.iter().filter(|run| run.len() == most).filter_map(|run| run.first());
        Some(Value::list(modes.map(|number| Value::Number((*number).clone())).collect()))
    })
}

/// `settles` is the boolean that decides, whatever the others are.
fn settled(arguments: &[Value], settles: bool) -> Outcome {
    let items = list(arguments)?;
    Ok(items.iter().fold(Value::Boolean(!settles), |before, item| match (before, item) {
        (Value::Boolean(value), _) if value == settles => Value::Boolean(settles),
        (Value::Boolean(_), Value::Boolean(value)) => Value::Boolean(*value),
        (Value::Null, Value::Boolean(value)) if *value == settles => Value::Boolean(settles),
        _ => Value::Null,
    }))
}

/// Nulls are left out.
fn join(_: &Evaluator, arguments: &[Value]) -> Outcome {
    let text = |value: &'_ Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Null => Some("".into()),
        _ => None,
    };
    let (items, rest) = match arguments {
        [Value::List(items), rest @ ..] => (items, rest),
        _ => return Err(illegal(arguments)),
    };
    // Prefix and suffix are both strings, or both null.
    if let [_, prefix, suffix] = rest
        && matches!(prefix, Value::Null) != matches!(suffix, Value::Null)
    {
        return Err(illegal(arguments));
    }
    let affixes: Option<Vec<_>> = rest.iter().map(text).collect();
    let affixes = affixes.ok_or_else(|| illegal(arguments))?;
    let affix = |index: usize| affixes.get(index).map_or("", |affix| &**affix);
    let mut parts = Vec::new();
    for item in items.iter() {
        match item {
            Value::String(part) => parts.push(&**part),
            Value::Null => {}
            _ => {
                return Err(Fault::Error(message(format_args!(
                    "expected a list of strings but found '{}'",
                    arguments[0]
                ))));
            }
        }
    }
    fits(
        parts
            .iter()
            .map(|part| part.len() + affix(0).len())
            .fold(affix(1).len() + affix(2).len(), usize::saturating_add),
    )?;
    Ok(Value::string(format!("{}{}{}", affix(1), parts.join(affix(0)), affix(2))))
}
