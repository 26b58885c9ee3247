//! Functions about numbers (FEEL 1.3, 10.3.4.5).

use super::super::evaluate::{Evaluator, Fault, Outcome};
use super::super::number::Number;
use super::super::value::Value;
use super::{Builtin, builtin, illegal, out_of_range};
use bigdecimal::RoundingMode;
use std::ops::ControlFlow;

/// Java's names of the roundings; `UNNECESSARY` is none that could be done.
const MODES: [(&str, RoundingMode); 7] = [
    ("UP", RoundingMode::Up),
    ("DOWN", RoundingMode::Down),
    ("CEILING", RoundingMode::Ceiling),
    ("FLOOR", RoundingMode::Floor),
    ("HALF_UP", RoundingMode::HalfUp),
    ("HALF_DOWN", RoundingMode::HalfDown),
    ("HALF_EVEN", RoundingMode::HalfEven),
];

// `scala` is how Zeebe spells it.
pub(super) const FUNCTIONS: &[Builtin] = &[
    builtin("decimal", &["n", "scale"], |_, arguments| rounded(arguments, RoundingMode::HalfEven)),
    builtin("decimal", &["n", "scale", "mode"], decimal),
    builtin("floor", &["n"], |_, arguments| rounded(arguments, RoundingMode::Floor)),
    builtin("floor", &["n", "scala"], |_, arguments| rounded(arguments, RoundingMode::Floor)),
    builtin("ceiling", &["n"], |_, arguments| rounded(arguments, RoundingMode::Ceiling)),
    builtin("ceiling", &["n", "scale"], |_, arguments| rounded(arguments, RoundingMode::Ceiling)),
    builtin("abs", &["number"], abs),
    builtin("abs", &["n"], abs),
    builtin("modulo", &["dividend", "divisor"], modulo),
    builtin("sqrt", &["number"], sqrt),
    builtin("log", &["number"], |_, arguments| real(arguments, f64::ln)),
    builtin("exp", &["number"], |_, arguments| real(arguments, f64::exp)),
    builtin("odd", &["number"], |_, arguments| halved(arguments, |rest| rest.abs() == Number::from(1))),
    builtin("even", &["number"], |_, arguments| halved(arguments, Number::is_zero)),
    builtin("round up", &["n", "scale"], |_, arguments| rounded(arguments, RoundingMode::Up)),
    builtin("round down", &["n", "scale"], |_, arguments| rounded(arguments, RoundingMode::Down)),
    builtin("round half up", &["n", "scale"], |_, arguments| rounded(arguments, RoundingMode::HalfUp)),
    builtin("round half down", &["n", "scala"], |_, arguments| rounded(arguments, RoundingMode::HalfDown)),
];

/// The number among the arguments with as many digits behind the point as the next one says.
fn rounded(arguments: &[Value], mode: RoundingMode) -> Outcome {
    let (number, scale) = match arguments {
        [Value::Number(number)] => (number, 0),
        [Value::Number(number), Value::Number(scale), ..] => (number, scale.to_i32()),
        _ => return Err(illegal(arguments)),
    };
    number.with_scale(i64::from(scale), mode).map(Value::Number).ok_or_else(out_of_range)
}

fn decimal(_: &Evaluator, arguments: &[Value]) -> Outcome {
    let [Value::Number(_), Value::Number(_), Value::String(mode)] = arguments else { return Err(illegal(arguments)) };
    let known = MODES.iter().try_for_each(|(name, rounding)| match mode.to_uppercase() == *name {
        true => ControlFlow::Break(*rounding),
        false => ControlFlow::Continue(()),
    });
    match known {
        ControlFlow::Break(rounding) => rounded(arguments, rounding),
        ControlFlow::Continue(()) => Err(Fault::Error(format!(
            "Illegal argument '{mode}' for rounding mode. Must be one of: {}, UNNECESSARY",
            MODES.map(|(name, _)| name).join(", ")
        ))),
    }
}

fn abs(_: &Evaluator, arguments: &[Value]) -> Outcome {
    match arguments {
        [Value::Number(number)] => Ok(Value::Number(number.abs())),
        [Value::YearsMonths(months)] => Ok(Value::YearsMonths(months.abs())),
        [Value::DaysTime(amount)] if amount.is_negative() => {
            amount.checked_neg().map(Value::DaysTime).ok_or_else(out_of_range)
        }
        [Value::DaysTime(amount)] => Ok(Value::DaysTime(*amount)),
        _ => Err(illegal(arguments)),
    }
}

fn modulo(_: &Evaluator, arguments: &[Value]) -> Outcome {
    let [Value::Number(dividend), Value::Number(divisor)] = arguments else { return Err(illegal(arguments)) };
    let rest = dividend.remainder(divisor).and_then(|rest| rest.plus(divisor)?.remainder(divisor));
    rest.map(Value::Number).ok_or_else(|| Fault::Thrown("Division by zero".to_owned()))
}

fn sqrt(_: &Evaluator, arguments: &[Value]) -> Outcome {
    match arguments {
        [Value::Number(number)] if *number < Number::from(0) => Ok(Value::Null),
        _ => real(arguments, f64::sqrt),
    }
}

/// By way of a double, as in Zeebe; what is none is an exception there.
fn real(arguments: &[Value], function: fn(f64) -> f64) -> Outcome {
    let [Value::Number(number)] = arguments else { return Err(illegal(arguments)) };
    Number::from_f64(function(number.to_f64())).map(Value::Number).ok_or_else(out_of_range)
}

fn halved(arguments: &[Value], test: fn(&Number) -> bool) -> Outcome {
    let [Value::Number(number)] = arguments else { return Err(illegal(arguments)) };
    let rest = number.remainder(&Number::from(2)).ok_or_else(out_of_range)?;
    Ok(Value::Boolean(test(&rest)))
}
