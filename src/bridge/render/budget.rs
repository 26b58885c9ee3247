//! What one rendering may cost. Tera has no limits of its own: a few nested loops or a chain of `replace` would keep a
//! processor or the memory for ever, and with the header `from` a variable may supply such a template.

#![expect(clippy::needless_pass_by_value, reason = "the signature of Tera's filters")]

use std::cell::Cell;
use tera::value::ValueKind;
use tera::{Error, Kwargs, State, TeraResult, Value};

/// Charges a value where it is read or made; `guard` puts it there. With `each`, every element costs so much.
pub(super) const SPENT: &str = "zeebe2faas_spent";

/// In bytes read or made; an iteration costs as many as its template is long. More where the command may be longer.
const LEAST_BUDGET: usize = 16 << 20;
const BUDGET_FOR_EACH_BYTE: usize = 16;
/// Comparisons in `unique` that count as one.
const COMPARISONS: usize = 16;

thread_local! {
    /// Of the rendering on this thread.
    static LEFT: Cell<usize> = const { Cell::new(0) };
}

/// Renders with a new budget for a command of up to `limit` bytes.
pub(super) fn within<T>(limit: usize, render: impl FnOnce() -> T) -> T {
    LEFT.set(limit.saturating_mul(BUDGET_FOR_EACH_BYTE).max(LEAST_BUDGET));
    render()
}

/// Takes the cost off the budget.
pub(super) fn charge(cost: usize) -> TeraResult<()> {
    let left = LEFT.get().checked_sub(cost);
    LEFT.set(left.unwrap_or(0));
    left.map(drop).ok_or_else(|| {
        Error::message("this is too much work for a command (loops within loops, or values that grow); make it simpler")
    })
}

/// In bytes; an array's or object's elements count when they are read.
pub(super) fn size(value: &Value) -> usize {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => 1,
        _ => value.len().unwrap_or(0) + 1,
    }
}

pub(super) fn spent(value: Value, kwargs: Kwargs, _: &State) -> TeraResult<Value> {
    let each = kwargs.get::<usize>("each")?.unwrap_or(1);
    charge(size(&value).saturating_mul(each))?;
    Ok(value)
}

/// Tera's own, but what it makes is charged before it is there.
pub(super) fn replace(text: String, kwargs: Kwargs, _: &State) -> TeraResult<String> {
    let (from, to) = (kwargs.must_get::<&str>("from")?, kwargs.must_get::<&str>("to")?);
    charge(text.len().saturating_add(text.matches(from).count().saturating_mul(to.len())))?;
    Ok(text.replace(from, to))
}

/// Tera's own compares each with each.
pub(super) fn unique(list: Vec<Value>, _: Kwargs, _: &State) -> TeraResult<Vec<Value>> {
    charge(list.len().saturating_mul(list.len()) / COMPARISONS)?;
    let mut found = Vec::new();
    for value in list {
        if !found.contains(&value) {
            found.push(value);
        }
    }
    Ok(found)
}
