//! Functions about dates (FEEL 1.3, 10.3.4.9), and Zeebe's `cycle` of timers.

use super::super::evaluate::{Evaluator, Fault, Outcome};
use super::super::temporal::ZonedDateTime;
use super::super::value::Value;
use super::{Builtin, builtin, illegal};
use jiff::civil::Date;

const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

pub(super) const FUNCTIONS: &[Builtin] = &[
    builtin("now", &[], |evaluator, _| Ok(Value::DateTime(ZonedDateTime::now(evaluator.now)))),
    builtin("today", &[], |evaluator, _| Ok(Value::Date(ZonedDateTime::now(evaluator.now).at.date()))),
    builtin("day of year", &["date"], |_, arguments| of_date(arguments, |date| Value::whole(date.day_of_year()))),
    builtin("day of week", &["date"], |_, arguments| {
        of_date(arguments, |date| name(&DAYS, date.weekday().to_monday_one_offset()))
    }),
    builtin("month of year", &["date"], |_, arguments| of_date(arguments, |date| name(&MONTHS, date.month()))),
    builtin("week of year", &["date"], |_, arguments| {
        of_date(arguments, |date| Value::whole(date.iso_week_date().week()))
    }),
    builtin("last day of month", &["date"], |_, arguments| {
        of_date(arguments, |date| Value::Date(date.last_of_month()))
    }),
    builtin("cycle", &["repetitions", "interval"], cycle),
    builtin("cycle", &["interval"], cycle),
];

fn name(names: &[&'static str], from_one: i8) -> Value {
    let index = usize::try_from(from_one).unwrap_or(0).saturating_sub(1);
    names.get(index).map_or(Value::Null, |name| Value::string(*name))
}

fn of_date(arguments: &[Value], function: fn(Date) -> Value) -> Outcome {
    match arguments {
        [Value::Date(date)] => Ok(function(*date)),
        [Value::DateTime(moment)] => Ok(function(moment.at.date())),
        [Value::LocalDateTime(clock)] => Ok(function(clock.date())),
        _ => Err(illegal(arguments)),
    }
}

/// ISO 8601's repeating interval.
fn cycle(_: &Evaluator, arguments: &[Value]) -> Outcome {
    let (repetitions, interval) = match arguments {
        [interval] | [Value::Null, interval] => (String::new(), interval),
        [Value::Number(repetitions), interval] => (repetitions.to_i32().to_string(), interval),
        _ => return Err(no_cycle(arguments)),
    };
    match interval {
        Value::DaysTime(_) | Value::YearsMonths(_) => Ok(Value::string(format!("R{repetitions}/{interval}"))),
        _ => Err(no_cycle(arguments)),
    }
}

fn no_cycle(arguments: &[Value]) -> Fault {
    let found: Vec<_> = arguments.iter().map(|value| super::super::warning::message(format_args!("{value}"))).collect();
    Fault::Error(match arguments.len() {
        1 => format!("cycle function expected an interval (duration) parameter, but found '{}'", found.join(", ")),
        _ => format!(
            "cycle function expected a repetitions (number) and an interval (duration) parameter, but found '[{}]'",
            found.join(", ")
        ),
    })
}
