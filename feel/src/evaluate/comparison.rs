//! Comparing (FEEL 1.3, 10.3.2.7 and 10.3.2.8), ranges, and the unary tests made of both.

use super::super::scope::Frames;
use super::super::syntax::{Comparator, Interval, Node, Test};
use super::super::value::{Range, Value};
use super::super::warning::WarningKind;
use super::{Evaluator, Fault, INPUT, INPUT_SYMBOL, Outcome};
use std::cmp::Ordering;
use std::mem::discriminant;
use std::sync::Arc;

/// Whether the values have the same type, times with and without a zone being different ones.
pub(in super::super) fn same_type(left: &Value, right: &Value) -> bool {
    discriminant(left) == discriminant(right)
}

/// Whether the value has an order among its type's; of a list, whether its items have.
pub(in super::super) fn comparable(value: &Value) -> bool {
    match value {
        Value::Null | Value::Boolean(_) | Value::Context(_) | Value::Range(_) | Value::Function(_) => false,
        Value::List(items) => {
            items.first().is_some_and(|first| comparable(first) && items.iter().all(|item| same_type(first, item)))
        }
        _ => true,
    }
}

/// The order of two values of the same type; None when they have none.
pub(in super::super) fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => Some(left.cmp(right)),
        (Value::String(left), Value::String(right)) => Some(left.encode_utf16().cmp(right.encode_utf16())),
        (Value::Date(left), Value::Date(right)) => Some(left.cmp(right)),
        (Value::LocalTime(left), Value::LocalTime(right)) => Some(left.cmp(right)),
        (Value::Time(left), Value::Time(right)) => Some(left.nanoseconds().cmp(&right.nanoseconds())),
        (Value::LocalDateTime(left), Value::LocalDateTime(right)) => Some(left.cmp(right)),
        (Value::DateTime(left), Value::DateTime(right)) => left.partial_cmp(right),
        (Value::DaysTime(left), Value::DaysTime(right)) => Some(left.cmp(right)),
        (Value::YearsMonths(left), Value::YearsMonths(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

fn holds(comparator: Comparator, left: &Value, right: &Value) -> Result<bool, Fault> {
    let order = compare(left, right).ok_or_else(|| Fault::Thrown(format!("{left} can not be compared to {right}")))?;
    Ok(match comparator {
        Comparator::Equal => order == Ordering::Equal,
        Comparator::Less => order == Ordering::Less,
        Comparator::LessOrEqual => order != Ordering::Greater,
        Comparator::Greater => order == Ordering::Greater,
        Comparator::GreaterOrEqual => order != Ordering::Less,
    })
}

/// Whether two values are equal; None when their types are different.
pub(in super::super) fn equal(left: &Value, right: &Value) -> Option<bool> {
    match (left, right) {
        (Value::Null, _) | (_, Value::Null) => Some(same_type(left, right)),
        (Value::Boolean(left), Value::Boolean(right)) => Some(left == right),
        (Value::String(left), Value::String(right)) => Some(left == right),
        (Value::Time(left), Value::Time(right)) => Some(left == right),
        (Value::List(left), Value::List(right)) => Some(
            left.len() == right.len()
                && left.iter().zip(right.iter()).all(|(left, right)| equal(left, right) == Some(true)),
        ),
        (Value::Context(left), Value::Context(right)) => Some(
            left.entries().len() == right.entries().len()
                && left
                    .entries()
                    .iter()
                    .all(|(key, value)| right.get(key).is_some_and(|other| equal(value, other) == Some(true))),
        ),
        _ => compare(left, right).map(|order| order == Ordering::Equal),
    }
}

/// Scala's `==`, which functions such as `list contains` use: a context is equal to no other.
pub(in super::super) fn identical(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::List(left), Value::List(right)) => {
            left.len() == right.len() && left.iter().zip(right.iter()).all(|(left, right)| identical(left, right))
        }
        (Value::Context(left), Value::Context(right)) => Arc::ptr_eq(left, right),
        (Value::Function(left), Value::Function(right)) => Arc::ptr_eq(left, right),
        (Value::Range(left), Value::Range(right)) => {
            (left.start.1, left.end.1) == (right.start.1, right.end.1)
                && identical(&left.start.0, &right.start.0)
                && identical(&left.end.0, &right.end.0)
        }
        _ => equal(left, right) == Some(true),
    }
}

impl Evaluator<'_> {
    pub(super) fn compared(&self, comparator: Comparator, left: Outcome, right: Outcome) -> Outcome {
        // Both sides are evaluated before either's error counts; an exception counts at once.
        if let Err(fault @ Fault::Thrown(_)) = right {
            return Err(if let Err(first @ Fault::Thrown(_)) = left { first } else { fault });
        }
        let (left, right) = (left?, right?);
        self.spend(left.size().min(right.size()))?;
        if comparator == Comparator::Equal {
            return Ok(equal(&left, &right).map_or_else(|| self.not_comparable(&left, &right), Value::Boolean));
        }
        if !comparable(&left) || !comparable(&right) || !same_type(&left, &right) {
            return Ok(self.not_comparable(&left, &right));
        }
        Ok(Value::Boolean(holds(comparator, &left, &right)?))
    }

    fn not_comparable(&self, left: &Value, right: &Value) -> Value {
        self.warn(WarningKind::NotComparable, format_args!("Can't compare '{left}' with '{right}'"));
        Value::Null
    }

    pub(super) fn range(&self, interval: &Interval, frames: &Frames) -> Outcome {
        let (start, end) = (self.eval(&interval.start.0, frames)?, self.eval(&interval.end.0, frames)?);
        let ordered = !matches!(start, Value::String(_) | Value::List(_)) && comparable(&start);
        if !ordered || !same_type(&start, &end) {
            return Err(self.error(WarningKind::InvalidType, format_args!("Invalid range definition '{start}..{end}'")));
        }
        Ok(Value::Range(Arc::new(Range { start: (start, interval.start.1), end: (end, interval.end.1) })))
    }

    pub(super) fn test(&self, test: &Test, frames: &Frames) -> Outcome {
        match test {
            Test::AnyOf(tests) => self.any_of(tests, frames),
            Test::Compare(comparator, node) => {
                let input = self.input(frames)?;
                self.compared(*comparator, Ok(input), self.eval(node, frames))
            }
            Test::Equals(node) => {
                let input = self.input(frames)?;
                self.compared(Comparator::Equal, Ok(input), self.eval(node, frames))
            }
            Test::Within(interval) => self.within(interval, frames),
            Test::Holds(node) => self.holds(node, frames),
        }
    }

    fn input(&self, frames: &Frames) -> Outcome {
        if let Some(input) = self.variable(frames, INPUT)? {
            return Ok(input);
        }
        self.warn(WarningKind::NoVariableFound, format_args!("No input value found."));
        Ok(Value::Null)
    }

    fn within(&self, interval: &Interval, frames: &Frames) -> Outcome {
        let (start, end) = (self.eval(&interval.start.0, frames), self.eval(&interval.end.0, frames));
        let input = self.input(frames)?;
        let (start, end) = (start?, end?);
        let all = [&input, &start, &end];
        if !all.iter().all(|value| comparable(value) && same_type(value, &input)) {
            // Zeebe looks the value up once more for the message, and warns once more when there is none.
            let input = self.input(frames)?;
            self.warn(WarningKind::NotComparable, format_args!("Can't compare '{input}' with '{start}' and '{end}'"));
            return Ok(Value::Null);
        }
        let from = if interval.start.1 { Comparator::GreaterOrEqual } else { Comparator::Greater };
        let to = if interval.end.1 { Comparator::LessOrEqual } else { Comparator::Less };
        Ok(Value::Boolean(holds(from, &input, &start)? && holds(to, &input, &end)?))
    }

    /// An expression as a test: true, the value itself, or a list that contains it.
    fn holds(&self, node: &Node, frames: &Frames) -> Outcome {
        let input = self.input(frames)?;
        let found = match self.eval(node, frames) {
            Err(Fault::NoInput) => {
                return Ok(match self.eval(node, &self.with_input(frames, INPUT_SYMBOL, input)) {
                    Ok(Value::Boolean(value)) => Value::Boolean(value),
                    Err(fault @ Fault::Thrown(_)) => return Err(fault),
                    _ => Value::Null,
                });
            }
            Err(Fault::Error(_)) => return Ok(Value::Boolean(false)),
            found => found?,
        };
        self.spend(found.size())?;
        match &found {
            Value::Boolean(true) => return Ok(Value::Boolean(true)),
            Value::List(items) if items.iter().any(|item| identical(item, &input)) => return Ok(Value::Boolean(true)),
            _ => {}
        }
        Ok(match equal(&input, &found) {
            Some(equal) => Value::Boolean(equal),
            None => {
                self.not_comparable(&input, &found);
                if matches!(found, Value::List(_)) { Value::Boolean(false) } else { Value::Null }
            }
        })
    }
}
