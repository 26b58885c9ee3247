//! Arithmetic (FEEL 1.3, 10.3.2.11), of numbers, strings, dates, times and durations.

use super::super::number::Number;
use super::super::scope::Frames;
use super::super::syntax::{Node, Operator};
use super::super::temporal::ZonedTime;
use super::super::value::Value;
use super::super::warning::WarningKind;
use super::{Evaluator, Fault, Outcome, or_null};
use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Span};

/// None where the operator has no meaning for these types.
type Meaning = Option<Option<Value>>;

impl Evaluator<'_> {
    pub(super) fn arithmetic(&self, first: &Node, rest: &[(Operator, Node)], frames: &Frames) -> Outcome {
        let mut result = self.eval(first, frames);
        for (operator, operand) in rest {
            let right = self.eval(operand, frames);
            result = or_null(self.operation(*operator, &result?, &right?));
        }
        result
    }

    pub(super) fn negation(&self, operand: &Node, frames: &Frames) -> Outcome {
        match self.eval(operand, frames)? {
            Value::Number(number) => Ok(Value::Number(number.negated())),
            other => Err(self.not_of_type("number", &other)),
        }
    }

    fn operation(&self, operator: Operator, left: &Value, right: &Value) -> Outcome {
        self.spend(left.size().saturating_add(right.size()))?;
        let meaning = match operator {
            Operator::Plus => plus(left, right),
            Operator::Minus => minus(left, right),
            Operator::Times => times(left, right),
            Operator::Over => over(left, right),
            Operator::Power => return self.power(left, right),
        };
        match meaning {
            Some(result) => result.ok_or_else(|| Fault::Thrown("the result is out of range".to_owned())),
            None => Err(match operator {
                Operator::Plus => self.error(WarningKind::InvalidType, format_args!("Can't add '{right}' to '{left}'")),
                Operator::Minus => {
                    self.error(WarningKind::InvalidType, format_args!("Can't subtract '{right}' from '{left}'"))
                }
                Operator::Times => {
                    self.error(WarningKind::InvalidType, format_args!("Can't multiply '{left}' by '{right}'"))
                }
                _ => self.error(WarningKind::InvalidType, format_args!("Can't divide '{left}' by '{right}'")),
            }),
        }
    }

    fn power(&self, left: &Value, right: &Value) -> Outcome {
        let Value::Number(base) = left else { return Err(self.not_of_type("number", left)) };
        let Value::Number(exponent) = right else { return Err(self.not_of_type("number", right)) };
        let result = if exponent.is_whole() {
            base.power(exponent.to_i32())
        } else {
            Number::from_f64(base.to_f64().powf(exponent.to_f64()))
        };
        result.map(Value::Number).ok_or_else(|| Fault::Thrown("the power is out of range".to_owned()))
    }
}

fn months(amount: i64) -> Option<Span> {
    Span::new().try_months(amount).ok()
}

fn shifted_date(date: Date, amount: SignedDuration) -> Option<Value> {
    Some(Value::Date(date.to_datetime(jiff::civil::Time::midnight()).checked_add(amount).ok()?.date()))
}

fn shifted_clock(clock: DateTime, amount: SignedDuration) -> Option<Value> {
    Some(Value::LocalDateTime(clock.checked_add(amount).ok()?))
}

fn shifted_time(time: &ZonedTime, amount: SignedDuration) -> Value {
    Value::Time(ZonedTime { time: time.time.wrapping_add(amount), ..time.clone() })
}

/// A date or time and a duration after it.
fn later(moment: &Value, duration: &Value) -> Meaning {
    Some(match (moment, duration) {
        (Value::LocalTime(time), Value::DaysTime(amount)) => Some(Value::LocalTime(time.wrapping_add(*amount))),
        (Value::Time(time), Value::DaysTime(amount)) => Some(shifted_time(time, *amount)),
        (Value::Date(date), Value::DaysTime(amount)) => shifted_date(*date, *amount),
        (Value::Date(date), Value::YearsMonths(amount)) => {
            months(*amount).and_then(|span| date.checked_add(span).ok()).map(Value::Date)
        }
        (Value::LocalDateTime(clock), Value::DaysTime(amount)) => shifted_clock(*clock, *amount),
        (Value::LocalDateTime(clock), Value::YearsMonths(amount)) => {
            months(*amount).and_then(|span| clock.checked_add(span).ok()).map(Value::LocalDateTime)
        }
        (Value::DateTime(at), Value::DaysTime(amount)) => at.checked_add(*amount).map(Value::DateTime),
        (Value::DateTime(at), Value::YearsMonths(amount)) => at.checked_add_months(*amount).map(Value::DateTime),
        _ => return None,
    })
}

/// Months, as far as Java's `Period` has them.
fn period(amount: Option<i64>) -> Option<Value> {
    amount.filter(|months| i32::try_from(*months).is_ok()).map(Value::YearsMonths)
}

fn plus(left: &Value, right: &Value) -> Meaning {
    Some(match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.plus(right).map(Value::Number),
        (Value::String(left), Value::String(right)) => Some(Value::string(format!("{left}{right}"))),
        (Value::YearsMonths(left), Value::YearsMonths(right)) => period(left.checked_add(*right)),
        (Value::DaysTime(left), Value::DaysTime(right)) => left.checked_add(*right).map(Value::DaysTime),
        (Value::YearsMonths(_) | Value::DaysTime(_), moment) => return later(moment, left),
        (moment, duration) => return later(moment, duration),
    })
}

fn minus(left: &Value, right: &Value) -> Meaning {
    Some(match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.minus(right).map(Value::Number),
        (Value::LocalTime(left), Value::LocalTime(right)) => Some(Value::DaysTime(left.duration_since(*right))),
        (Value::Time(left), Value::Time(right)) => {
            // Zeebe forgets which one was earlier.
            let between = left.nanoseconds() - right.nanoseconds();
            Some(Value::DaysTime(SignedDuration::from_nanos(between.abs())))
        }
        (Value::LocalDateTime(left), Value::LocalDateTime(right)) => Some(Value::DaysTime(left.duration_since(*right))),
        (Value::DateTime(left), Value::DateTime(right)) => Some(Value::DaysTime(left.at.duration_since(&right.at))),
        (Value::Date(left), Value::Date(right)) => Some(Value::DaysTime(left.duration_since(*right))),
        (Value::YearsMonths(left), Value::YearsMonths(right)) => period(left.checked_sub(*right)),
        (Value::DaysTime(left), Value::DaysTime(right)) => left.checked_sub(*right).map(Value::DaysTime),
        (moment, Value::YearsMonths(amount)) => return later(moment, &Value::YearsMonths(-amount)),
        (moment, Value::DaysTime(amount)) => return later(moment, &Value::DaysTime(amount.checked_neg()?)),
        _ => return None,
    })
}

fn times(left: &Value, right: &Value) -> Meaning {
    Some(match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.times(right).map(Value::Number),
        (Value::Number(factor), Value::YearsMonths(amount)) | (Value::YearsMonths(amount), Value::Number(factor)) => {
            period(amount.checked_mul(i64::from(factor.to_i32())))
        }
        (Value::Number(factor), Value::DaysTime(amount)) | (Value::DaysTime(amount), Value::Number(factor)) => {
            amount.checked_mul(factor.to_i32()).map(Value::DaysTime)
        }
        _ => return None,
    })
}

/// Milliseconds, rounded down as Java does it.
fn milliseconds(duration: SignedDuration) -> Option<i64> {
    i64::try_from(duration.as_nanos().div_euclid(1_000_000)).ok()
}

fn over(left: &Value, right: &Value) -> Meaning {
    Some(match (left, right) {
        (Value::Number(left), Value::Number(right)) if !right.is_zero() => left.over(right).map(Value::Number),
        (Value::YearsMonths(amount), Value::Number(divisor)) if !divisor.is_zero() => {
            let months = Number::from(*amount).over(divisor);
            months.map(|months| Value::YearsMonths(i64::from(months.to_i32())))
        }
        (Value::YearsMonths(left), Value::YearsMonths(right)) if *right != 0 => Some(Value::whole(left / right)),
        (Value::DaysTime(left), Value::DaysTime(right)) if !right.is_zero() => milliseconds(*left)
            .zip(milliseconds(*right))
            .and_then(|(left, right)| left.checked_div(right))
            .map(Value::whole),
        (Value::DaysTime(amount), Value::Number(divisor)) if !divisor.is_zero() => {
            // Zeebe keeps 32 bits of the milliseconds.
            let quotient = milliseconds(*amount).and_then(|amount| Number::from(amount).over(divisor));
            quotient.map(|quotient| Value::DaysTime(SignedDuration::from_millis(i64::from(quotient.to_i32()))))
        }
        _ => return None,
    })
}
