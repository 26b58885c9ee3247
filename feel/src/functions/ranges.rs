//! Functions about ranges (FEEL 1.3, 10.3.4.11, after Allen's interval algebra).

use super::super::evaluate::{Evaluator, Outcome, comparable, compare, same_type};
use super::super::value::{Range, Value};
use super::{Builtin, builtin, illegal};
use std::cmp::Ordering;
use std::sync::Arc;

const POINTS: &[&str] = &["point1", "point2"];
const POINT_RANGE: &[&str] = &["point", "range"];
const RANGE_POINT: &[&str] = &["range", "point"];
const RANGES: &[&str] = &["range1", "range2"];

pub(super) const FUNCTIONS: &[Builtin] = &[
    builtin("before", POINTS, before),
    builtin("before", POINT_RANGE, before),
    builtin("before", RANGE_POINT, before),
    builtin("before", RANGES, before),
    builtin("after", POINTS, after),
    builtin("after", POINT_RANGE, after),
    builtin("after", RANGE_POINT, after),
    builtin("after", RANGES, after),
    builtin("meets", RANGES, |_, arguments| of_ranges(arguments, meets)),
    builtin("met by", RANGES, |_, arguments| of_ranges(arguments, |left, right| meets(right, left))),
    builtin("overlaps", RANGES, |_, arguments| of_ranges(arguments, overlaps)),
    builtin("overlaps before", RANGES, |_, arguments| of_ranges(arguments, overlaps_before)),
    builtin("overlaps after", RANGES, |_, arguments| of_ranges(arguments, |left, right| overlaps_before(right, left))),
    builtin("finishes", POINT_RANGE, |_, arguments| within(arguments, finishes, at_end)),
    builtin("finishes", RANGES, |_, arguments| within(arguments, finishes, at_end)),
    builtin("finished by", POINT_RANGE, |_, arguments| around(arguments, finishes, at_end)),
    builtin("finished by", RANGES, |_, arguments| around(arguments, finishes, at_end)),
    builtin("includes", RANGE_POINT, |_, arguments| around(arguments, during, inside)),
    builtin("includes", RANGES, |_, arguments| around(arguments, during, inside)),
    builtin("during", POINT_RANGE, |_, arguments| within(arguments, during, inside)),
    builtin("during", RANGES, |_, arguments| within(arguments, during, inside)),
    builtin("starts", POINT_RANGE, |_, arguments| within(arguments, starts, at_start)),
    builtin("starts", RANGES, |_, arguments| within(arguments, starts, at_start)),
    builtin("started by", RANGE_POINT, |_, arguments| around(arguments, starts, at_start)),
    builtin("started by", RANGES, |_, arguments| around(arguments, starts, at_start)),
    builtin("coincides", POINTS, coincides),
    builtin("coincides", RANGES, coincides),
];

type OfRanges = fn(&Range, &Range) -> bool;
type OfPoint = fn(&Value, &Range) -> bool;

fn less(left: &Value, right: &Value) -> bool {
    compare(left, right) == Some(Ordering::Less)
}

fn same(left: &Value, right: &Value) -> bool {
    compare(left, right) == Some(Ordering::Equal)
}

/// Whether the arguments, or the ends of those that are ranges, are points of one type.
fn check(arguments: &[Value]) -> Result<(&Value, &Value), super::Fault> {
    match arguments {
        [left, right] if same_type(point(left), point(right)) && is_point(point(left)) => Ok((left, right)),
        _ => Err(illegal(arguments)),
    }
}

/// A point itself, or where a range starts.
fn point(value: &Value) -> &Value {
    match value {
        Value::Range(range) => &range.start.0,
        value => value,
    }
}

fn is_point(value: &Value) -> bool {
    comparable(value) && !matches!(value, Value::String(_) | Value::List(_))
}

fn of_ranges(arguments: &[Value], test: OfRanges) -> Outcome {
    match check(arguments)? {
        (Value::Range(left), Value::Range(right)) => Ok(Value::Boolean(test(left, right))),
        _ => Err(illegal(arguments)),
    }
}

/// The first argument, a range or a point, against the range that is the second.
fn within(arguments: &[Value], of_ranges: OfRanges, of_point: OfPoint) -> Outcome {
    match check(arguments)? {
        (Value::Range(left), Value::Range(right)) => Ok(Value::Boolean(of_ranges(left, right))),
        (point, Value::Range(range)) => Ok(Value::Boolean(of_point(point, range))),
        _ => Err(illegal(arguments)),
    }
}

/// The same the other way round.
fn around(arguments: &[Value], of_ranges: OfRanges, of_point: OfPoint) -> Outcome {
    match check(arguments)? {
        (Value::Range(left), Value::Range(right)) => Ok(Value::Boolean(of_ranges(right, left))),
        (Value::Range(range), point) => Ok(Value::Boolean(of_point(point, range))),
        _ => Err(illegal(arguments)),
    }
}

/// A point as the range of itself.
fn range_of(value: &Value) -> Arc<Range> {
    match value {
        Value::Range(range) => range.clone(),
        point => Arc::new(Range { start: (point.clone(), true), end: (point.clone(), true) }),
    }
}

fn ends_before(left: &Range, right: &Range) -> bool {
    less(&left.end.0, &right.start.0) || (same(&left.end.0, &right.start.0) && !(left.end.1 && right.start.1))
}

fn before(_: &Evaluator, arguments: &[Value]) -> Outcome {
    let (left, right) = check(arguments)?;
    Ok(Value::Boolean(ends_before(&range_of(left), &range_of(right))))
}

fn after(_: &Evaluator, arguments: &[Value]) -> Outcome {
    let (left, right) = check(arguments)?;
    Ok(Value::Boolean(ends_before(&range_of(right), &range_of(left))))
}

fn meets(left: &Range, right: &Range) -> bool {
    left.end.1 && right.start.1 && same(&left.end.0, &right.start.0)
}

fn overlaps(left: &Range, right: &Range) -> bool {
    !ends_before(left, right) && !ends_before(right, left)
}

/// Whether `left` begins no later than `right`.
fn starts_by(left: &Range, right: &Range) -> bool {
    less(&left.start.0, &right.start.0) || (same(&left.start.0, &right.start.0) && (left.start.1 || !right.start.1))
}

/// Whether `left` ends no later than `right`.
fn ends_by(left: &Range, right: &Range) -> bool {
    less(&left.end.0, &right.end.0) || (same(&left.end.0, &right.end.0) && (!left.end.1 || right.end.1))
}

fn overlaps_before(left: &Range, right: &Range) -> bool {
    let starts_first =
        less(&left.start.0, &right.start.0) || (same(&left.start.0, &right.start.0) && left.start.1 && !right.start.1);
    starts_first && !ends_before(left, right) && ends_by(left, right)
}

fn finishes(left: &Range, right: &Range) -> bool {
    left.end.1 == right.end.1 && same(&left.end.0, &right.end.0) && starts_by(right, left)
}

fn at_end(point: &Value, range: &Range) -> bool {
    range.end.1 && same(&range.end.0, point)
}

fn starts(left: &Range, right: &Range) -> bool {
    left.start.1 == right.start.1 && same(&left.start.0, &right.start.0) && ends_by(left, right)
}

fn at_start(point: &Value, range: &Range) -> bool {
    range.start.1 && same(&range.start.0, point)
}

fn during(left: &Range, right: &Range) -> bool {
    starts_by(right, left) && ends_by(left, right)
}

fn inside(point: &Value, range: &Range) -> bool {
    (less(&range.start.0, point) && less(point, &range.end.0)) || at_start(point, range) || at_end(point, range)
}

fn coincides(_: &Evaluator, arguments: &[Value]) -> Outcome {
    let (left, right) = check(arguments)?;
    if matches!(left, Value::Range(_)) != matches!(right, Value::Range(_)) {
        return Ok(Value::Boolean(false));
    }
    let (left, right) = (range_of(left), range_of(right));
    Ok(Value::Boolean(
        (left.start.1, left.end.1) == (right.start.1, right.end.1)
            && same(&left.start.0, &right.start.0)
            && same(&left.end.0, &right.end.0),
    ))
}
