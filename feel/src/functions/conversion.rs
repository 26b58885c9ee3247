//! Functions that make a value of another (FEEL 1.3, 10.3.4.1).

use super::super::duration::{Spelling, parse_days_time, parse_years_months};
use super::super::evaluate::{Evaluator, Fault, Outcome};
use super::super::number::Number;
use super::super::temporal::{self, ZonedTime, parse_date, parse_date_time, parse_local_date_time};
use super::super::value::Value;
use super::{Builtin, builtin, illegal};
use bigdecimal::RoundingMode;
use jiff::civil::{Date, Time};
use jiff::tz::Offset;

pub(super) const FUNCTIONS: &[Builtin] = &[
    builtin("date", &["from"], date),
    builtin("date", &["year", "month", "day"], date_of),
    builtin("date and time", &["from"], date_and_time),
    builtin("date and time", &["date", "time"], date_with_time),
    builtin("time", &["from"], time),
    builtin("time", &["hour", "minute", "second"], time_of),
    builtin("time", &["hour", "minute", "second", "offset"], time_of),
    builtin("number", &["from"], number),
    builtin("number", &["from", "grouping separator"], number),
    builtin("number", &["from", "grouping separator", "decimal separator"], number),
    builtin("string", &["from"], string),
    builtin("duration", &["from"], duration),
    builtin("years and months duration", &["from", "to"], months_between),
];

fn unreadable(what: &str, text: &str) -> Fault {
    Fault::Error(format!("Failed to parse {what} from '{text}'"))
}

fn date(_: &Evaluator, arguments: &[Value]) -> Outcome {
    match arguments {
        [Value::String(text)] => parse_date(text).map(Value::Date).ok_or_else(|| unreadable("date", text)),
        [value] => date_part(value).map(Value::Date).ok_or_else(|| illegal(arguments)),
        _ => Err(illegal(arguments)),
    }
}

fn date_part(value: &Value) -> Option<Date> {
    match value {
        Value::Date(date) => Some(*date),
        Value::LocalDateTime(clock) => Some(clock.date()),
        Value::DateTime(moment) => Some(moment.at.date()),
        _ => None,
    }
}

fn date_of(_: &Evaluator, arguments: &[Value]) -> Outcome {
    let [Value::Number(year), Value::Number(month), Value::Number(day)] = arguments else {
        return Err(illegal(arguments));
    };
    let parts = i16::try_from(year.to_i32()).ok().zip(small(month)).zip(small(day));
    let date = parts.and_then(|((year, month), day)| Date::new(year, month, day).ok());
    date.map(Value::Date)
        .ok_or_else(|| Fault::Error(format!("Failed to parse date from: year={year}, month={month}, day={day}")))
}

fn small(number: &Number) -> Option<i8> {
    i8::try_from(number.to_i32()).ok()
}

fn date_and_time(_: &Evaluator, arguments: &[Value]) -> Outcome {
    let [Value::String(text)] = arguments else { return Err(illegal(arguments)) };
    let found = parse_date(text).map(|date| Value::LocalDateTime(date.at(0, 0, 0, 0)));
    let found = found.or_else(|| parse_date_time(text).map(Value::DateTime));
    let found = found.or_else(|| parse_local_date_time(text).map(Value::LocalDateTime));
    found.ok_or_else(|| unreadable("date-time", text))
}

fn date_with_time(_: &Evaluator, arguments: &[Value]) -> Outcome {
    let thrown = || Fault::Thrown("there is no such date and time, or no such zone".to_owned());
    match arguments {
        [day @ (Value::Date(_) | Value::LocalDateTime(_) | Value::DateTime(_)), Value::LocalTime(time)] => {
            let date = date_part(day).ok_or_else(thrown)?;
            Ok(Value::LocalDateTime(date.to_datetime(*time)))
        }
        [day @ (Value::Date(_) | Value::LocalDateTime(_) | Value::DateTime(_)), Value::Time(time)] => {
            let moment = date_part(day).and_then(|date| time.on(date));
            moment.map(Value::DateTime).ok_or_else(thrown)
        }
        [Value::LocalDateTime(clock), Value::String(place)] => {
            temporal::at_place(*clock, place).map(Value::DateTime).ok_or_else(thrown)
        }
        [Value::DateTime(moment), Value::String(place)] => {
            moment.seen_in(place).map(Value::DateTime).ok_or_else(thrown)
        }
        _ => Err(illegal(arguments)),
    }
}

fn time(_: &Evaluator, arguments: &[Value]) -> Outcome {
    match arguments {
        [Value::String(text)] => {
            let zoned = temporal::parse_time(text).map(Value::Time);
            let found = zoned.or_else(|| temporal::parse_local_time(text).map(Value::LocalTime));
            found.ok_or_else(|| unreadable("local-time", text))
        }
        [Value::LocalDateTime(clock)] => Ok(Value::LocalTime(clock.time())),
        [Value::DateTime(moment)] => Ok(Value::Time(ZonedTime::of(moment))),
        [Value::Date(_)] => Ok(Value::Time(ZonedTime { time: Time::midnight(), offset: Offset::UTC, region: None })),
        _ => Err(illegal(arguments)),
    }
}

fn time_of(_: &Evaluator, arguments: &[Value]) -> Outcome {
    let [Value::Number(hour), Value::Number(minute), Value::Number(second), rest @ ..] = arguments else {
        return Err(illegal(arguments));
    };
    let unreadable =
        || Fault::Error(format!("Failed to parse local-time from: hour={hour}, minute={minute}, second={second}"));
    let whole = second.with_scale(0, RoundingMode::Down).ok_or_else(unreadable)?;
    let billion = Number::from(1_000_000_000);
    let nanoseconds = second.minus(&whole).and_then(|part| part.times(&billion)).map_or(0, |part| part.to_i32());
    // Without an offset that is said to be null Zeebe drops the fraction.
    let nanoseconds = if matches!(rest, [Value::Null]) { 0 } else { nanoseconds };
    let parts = small(hour).zip(small(minute)).zip(small(second));
    let time = parts.and_then(|((hour, minute), second)| Time::new(hour, minute, second, nanoseconds).ok());
    let time = time.ok_or_else(unreadable)?;
    match rest {
        [] | [Value::Null] => Ok(Value::LocalTime(time)),
        [Value::DaysTime(offset)] => {
            let offset = i32::try_from(offset.as_secs()).ok().and_then(temporal::offset).ok_or_else(unreadable)?;
            Ok(Value::Time(ZonedTime { time, offset, region: None }))
        }
        _ => Err(illegal(arguments)),
    }
}

fn number(_: &Evaluator, arguments: &[Value]) -> Outcome {
    let grouping = |separator: &str| matches!(separator, " " | "," | ".");
    let decimal = |separator: &str| matches!(separator, "," | ".");
    let text = match arguments {
        [Value::String(text)] => text.to_string(),
        [Value::String(text), Value::String(group)] | [Value::String(text), Value::String(group), Value::Null]
            if grouping(group) =>
        {
            text.replace(&**group, "")
        }
        [Value::String(text), Value::Null, Value::String(point)] if decimal(point) => text.replace(&**point, "."),
        [Value::String(text), Value::String(group), Value::String(point)]
            if grouping(group) && decimal(point) && group != point =>
        {
            text.replace(&**group, "").replace(&**point, ".")
        }
        [Value::String(_), Value::String(_)] => {
            return Err(Fault::Error("illegal argument for grouping. Must be one of ' ', ',' or '.'".to_owned()));
        }
        [Value::String(_), Value::String(_), Value::String(_)] => {
            let text = "illegal arguments for grouping or decimal. Must be one of ' ' (grouping only), ',' or '.'";
            return Err(Fault::Error(text.to_owned()));
        }
        _ => return Err(illegal(arguments)),
    };
    Number::parse(&text).map(Value::Number).ok_or_else(|| Fault::Error(format!("Can't parse '{text}' as a number")))
}

fn string(_: &Evaluator, arguments: &[Value]) -> Outcome {
    match arguments {
        [value @ (Value::Null | Value::String(_))] => Ok(value.clone()),
        [value] => Ok(Value::string(value.to_string())),
        _ => Err(illegal(arguments)),
    }
}

fn duration(_: &Evaluator, arguments: &[Value]) -> Outcome {
    let [Value::String(text)] = arguments else { return Err(illegal(arguments)) };
    let months = parse_years_months(text).map(Value::YearsMonths);
    let found = months.or_else(|| parse_days_time(text, Spelling::Feel).map(Value::DaysTime));
    found.ok_or_else(|| unreadable("duration", text))
}

/// Whole months from one date to another.
fn months_between(_: &Evaluator, arguments: &[Value]) -> Outcome {
    let [from, to] = arguments else { return Err(illegal(arguments)) };
    // Only two dates and times, a date and one of them, or two dates go together.
    let (Some(from), Some(to)) = (date_part(from), date_part(to)) else { return Err(illegal(arguments)) };
    let index = |date: Date| i64::from(date.year()) * 12 + i64::from(date.month());
    let months = index(to) - index(from);
    let correction = match months {
        1.. if to.day() < from.day() => -1,
        ..=-1 if to.day() > from.day() => 1,
        _ => 0,
    };
    Ok(Value::YearsMonths(months + correction))
}
