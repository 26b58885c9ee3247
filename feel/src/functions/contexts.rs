//! Functions about contexts (FEEL 1.3, 10.3.4.10; Camunda's documentation of context functions).

use super::super::evaluate::{Evaluator, Fault, Outcome};
use super::super::limits::MAX_VALUE_DEPTH;
use super::super::value::{Context, Value, put};
use super::{Builtin, builtin, illegal, variadic};
use std::sync::Arc;

// `put` and `put all` are the old names.
pub(super) const FUNCTIONS: &[Builtin] = &[
    builtin("get entries", &["context"], entries),
    builtin("get entries", &["m"], entries),
    builtin("get value", &["m", "key"], value),
    builtin("get value", &["context", "key"], value),
    builtin("get value", &["context", "keys"], value_within),
    builtin("context put", &["context", "key", "value"], with_entry),
    builtin("context put", &["context", "keys", "value"], with_entry_within),
    builtin("put", &["context", "key", "value"], with_entry),
    variadic("context merge", &["contexts"], merged),
    variadic("put all", &["contexts"], merged),
    builtin("context", &["entries"], of_entries),
];

fn entries(_: &Evaluator, arguments: &[Value]) -> Outcome {
    let [Value::Context(context)] = arguments else { return Err(illegal(arguments)) };
    let entry = |(key, value): &(Arc<str>, Value)| {
        Value::context(vec![("key".into(), Value::String(key.clone())), ("value".into(), value.clone())])
    };
    Ok(Value::list(context.entries().iter().map(entry).collect()))
}

fn value(evaluator: &Evaluator, arguments: &[Value]) -> Outcome {
    match arguments {
        [Value::Context(_), Value::List(_)] => value_within(evaluator, arguments),
        [Value::Context(context), Value::String(key)] => Ok(context.get(key).cloned().unwrap_or(Value::Null)),
        _ => Err(illegal(arguments)),
    }
}

fn value_within(_: &Evaluator, arguments: &[Value]) -> Outcome {
    let [Value::Context(_), Value::List(keys)] = arguments else { return Err(illegal(arguments)) };
    let Some(keys) = strings(keys).filter(|keys| !keys.is_empty()) else { return Ok(Value::Null) };
    let found = keys.iter().try_fold(&arguments[0], |value, key| match value {
        Value::Context(context) => context.get(key),
        _ => None,
    });
    Ok(found.cloned().unwrap_or(Value::Null))
}

/// The strings in a list of nothing else.
fn strings(values: &[Value]) -> Option<Vec<&str>> {
    values.iter().map(as_string).collect()
}

fn as_string(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn with_entry(evaluator: &Evaluator, arguments: &[Value]) -> Outcome {
    match arguments {
        [Value::Context(context), Value::String(key), value] => {
            Ok(Value::Context(Arc::new(without_functions(context).with(key, value.clone()))))
        }
        [Value::Context(_), Value::List(_), _] => with_entry_within(evaluator, arguments),
        _ => Err(illegal(arguments)),
    }
}

fn without_functions(context: &Context) -> Context {
    Context::new(context.entries().to_vec(), Vec::new())
}

fn with_entry_within(_: &Evaluator, arguments: &[Value]) -> Outcome {
    let [Value::Context(context), Value::List(keys), value] = arguments else { return Err(illegal(arguments)) };
    let keys = strings(keys).ok_or_else(|| illegal(arguments))?;
    if u32::try_from(keys.len()).is_ok_and(|depth| depth > MAX_VALUE_DEPTH) {
        return Err(Fault::Thrown(format!("a value may nest {MAX_VALUE_DEPTH} deep")));
    }
    let Some((last, path)) = keys.split_last() else { return Ok(Value::Null) };
    // The contexts on the way down, then rebuilt on the way up.
    let mut way = vec![context.clone()];
    for key in path {
        let inner = match way.last().and_then(|outer| outer.get(key)) {
            Some(Value::Context(inner)) => inner.clone(),
            _ => Arc::default(),
        };
        way.push(inner);
    }
    let mut rebuilt = value.clone();
    for (outer, key) in way.iter().rev().zip(std::iter::once(last).chain(path.iter().rev())) {
        rebuilt = Value::Context(Arc::new(without_functions(outer).with(key, rebuilt)));
    }
    Ok(rebuilt)
}

fn merged(_: &Evaluator, arguments: &[Value]) -> Outcome {
    let [Value::List(contexts)] = arguments else { return Ok(Value::Null) };
    let mut entries = Vec::new();
    for context in contexts.iter() {
        let Value::Context(context) = context else { return Ok(Value::Null) };
        context.entries().iter().for_each(|(key, value)| put(&mut entries, key, value.clone()));
    }
    Ok(Value::context(entries))
}

fn of_entries(_: &Evaluator, arguments: &[Value]) -> Outcome {
    let [Value::List(pairs)] = arguments else { return Ok(Value::Null) };
    let mut entries = Vec::new();
    for pair in pairs.iter() {
        let Value::Context(pair) = pair else { return Ok(Value::Null) };
        let (Some(Value::String(key)), Some(value)) = (pair.get("key"), pair.get("value")) else {
            return Ok(Value::Null);
        };
        put(&mut entries, key, value.clone());
    }
    Ok(Value::context(entries))
}
