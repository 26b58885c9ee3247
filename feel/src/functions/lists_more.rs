//! Functions that make a list of lists (FEEL 1.3, 10.3.4.4).

use super::super::evaluate::{Evaluator, Fault, Outcome, equal, identical};
use super::super::scope::Function;
use super::super::value::Value;
use super::super::warning::message;
use super::lists::list;
use super::{Builtin, builtin, clamped, illegal, place, variadic};
use std::sync::Arc;

pub(super) const FUNCTIONS: &[Builtin] = &[
    builtin("sublist", &["list", "start"], sublist),
    builtin("sublist", &["list", "start", "length"], sublist),
    variadic("append", &["list", "items"], append),
    variadic("concatenate", &["lists"], |_, arguments| Ok(Value::list(joined(list(arguments)?)))),
    builtin("insert before", &["list", "position", "newItem"], insert_before),
    builtin("remove", &["list", "position"], remove),
    builtin("reverse", &["list"], |_, arguments| Ok(Value::list(list(arguments)?.iter().rev().cloned().collect()))),
    builtin("index of", &["list", "match"], index_of),
    variadic("union", &["lists"], |evaluator, arguments| {
        distinct(evaluator, &joined(list(arguments)?)).map(Value::list)
    }),
    builtin("distinct values", &["list"], |evaluator, arguments| {
        distinct(evaluator, list(arguments)?).map(Value::list)
    }),
    builtin("duplicate values", &["list"], duplicates),
    builtin("flatten", &["list"], |_, arguments| {
        let mut flat = Vec::new();
        flatten(list(arguments)?, &mut flat);
        Ok(Value::list(flat))
    }),
    builtin("sort", &["list", "precedes"], sort),
];

fn sublist(_: &Evaluator, arguments: &[Value]) -> Outcome {
    let (items, start, length) = match arguments {
        [Value::List(items), Value::Number(start)] => (items, start.to_i32(), None),
        [Value::List(items), Value::Number(start), Value::Number(length)] => {
            (items, start.to_i32(), Some(length.to_i32()))
        }
        _ => return Err(illegal(arguments)),
    };
    let start = place(items.len(), start);
    let end = length.map_or(items.len(), |length| clamped(start + i64::from(length), items.len()));
    let part = items.get(clamped(start, items.len())..end);
    Ok(Value::list(part.map_or_else(Vec::new, <[Value]>::to_vec)))
}

fn append(_: &Evaluator, arguments: &[Value]) -> Outcome {
    match arguments {
        [Value::List(items), Value::List(more)] => Ok(Value::list([&***items, &***more].concat())),
        _ => Err(illegal(arguments)),
    }
}

/// The items of the lists among the values, and the others as they are.
fn joined(values: &[Value]) -> Vec<Value> {
    let items = |value: &Value| match value {
        Value::List(items) => items.to_vec(),
        other => vec![other.clone()],
    };
    values.iter().flat_map(items).collect()
}

fn insert_before(_: &Evaluator, arguments: &[Value]) -> Outcome {
    match arguments {
        [Value::List(items), Value::Number(position), item] => {
            let at = clamped(place(items.len(), position.to_i32()), items.len());
            Ok(Value::list([&items[..at], std::slice::from_ref(item), &items[at..]].concat()))
        }
        _ => Err(illegal(arguments)),
    }
}

fn remove(_: &Evaluator, arguments: &[Value]) -> Outcome {
    match arguments {
        [Value::List(items), Value::Number(position)] => {
            let position = position.to_i32();
            let (before, after) = (place(items.len(), position), place(items.len(), position.wrapping_add(1)));
            let (before, after) = (clamped(before, items.len()), clamped(after, items.len()));
            Ok(Value::list([&items[..before], &items[after..]].concat()))
        }
        _ => Err(illegal(arguments)),
    }
}

fn index_of(_: &Evaluator, arguments: &[Value]) -> Outcome {
    match arguments {
        [Value::List(items), wanted] => {
            let places = items.iter().enumerate().filter(|(_, item)| identical(item, wanted));
            Ok(Value::list(places.map(|(index, _)| Value::count(index + 1)).collect()))
        }
        _ => Err(illegal(arguments)),
    }
}

fn distinct(evaluator: &Evaluator, items: &[Value]) -> Result<Vec<Value>, Fault> {
    let mut kept: Vec<Value> = Vec::new();
    for item in items {
        evaluator.spend(u64::try_from(kept.len()).unwrap_or(u64::MAX))?;
        if !kept.iter().any(|known| equal(item, known) == Some(true)) {
            kept.push(item.clone());
        }
    }
    Ok(kept)
}

fn duplicates(evaluator: &Evaluator, arguments: &[Value]) -> Outcome {
    let items = list(arguments)?;
    let mut repeated = Vec::new();
    for item in distinct(evaluator, items)? {
        evaluator.spend(u64::try_from(items.len()).unwrap_or(u64::MAX))?;
        if items.iter().filter(|other| equal(other, &item) == Some(true)).count() > 1 {
            repeated.push(item);
        }
    }
    Ok(Value::list(repeated))
}

/// As deep as values nest, which is limited.
fn flatten(items: &[Value], flat: &mut Vec<Value>) {
    for item in items {
        match item {
            Value::List(inner) => flatten(inner, flat),
            other => flat.push(other.clone()),
        }
    }
}

fn sort(evaluator: &Evaluator, arguments: &[Value]) -> Outcome {
    match arguments {
        [Value::List(items), Value::Function(function)] if function.parameters().len() == 2 => {
            sorted(evaluator, items.to_vec(), function).map(Value::list)
        }
        [Value::List(_), Value::Function(function)] => {
            let count = function.parameters().len();
            Err(Fault::Error(format!("expect boolean function with 2 arguments, but found '{count}'")))
        }
        _ => Err(illegal(arguments)),
    }
}

/// Merges halves, which ends whatever the function says, and leaves the order of equals.
fn sorted(evaluator: &Evaluator, mut items: Vec<Value>, precedes: &Arc<Function>) -> Result<Vec<Value>, Fault> {
    if items.len() < 2 {
        return Ok(items);
    }
    let right = sorted(evaluator, items.split_off(items.len() / 2), precedes)?;
    let mut left = sorted(evaluator, items, precedes)?.into_iter().peekable();
    let mut merged = Vec::new();
    for item in right {
        while let Some(before) = left.peek() {
            match evaluator.apply(precedes, vec![item.clone(), before.clone()]) {
                Ok(Value::Boolean(true)) => break,
                Ok(Value::Boolean(false)) => merged.extend(left.next()),
                Err(fault @ Fault::Thrown(_)) => return Err(fault),
                other => {
                    let found = other.map_or_else(|fault| fault.to_string(), |value| message(format_args!("{value}")));
                    let text =
                        format!("fail to sort list by given precedes function: expected boolean but found '{found}'");
                    return Err(Fault::Error(text));
                }
            }
        }
        merged.push(item);
    }
    merged.extend(left);
    Ok(merged)
}
