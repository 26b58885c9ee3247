//! Functions about booleans and about what is there.

use super::super::evaluate::{Evaluator, Fault, Outcome};
use super::super::value::Value;
use super::{Builtin, builtin, illegal};

pub(super) const FUNCTIONS: &[Builtin] = &[
    builtin("not", &["negand"], not),
    builtin("is defined", &["value"], |_, arguments| Ok(Value::Boolean(!matches!(arguments, [Value::Null])))),
    builtin("get or else", &["value", "default"], get_or_else),
    builtin("assert", &["value", "condition"], assert),
    builtin("assert", &["value", "condition", "cause"], assert),
];

fn not(_: &Evaluator, arguments: &[Value]) -> Outcome {
    Ok(match arguments {
        [Value::Boolean(value)] => Value::Boolean(!value),
        _ => Value::Null,
    })
}

fn get_or_else(_: &Evaluator, arguments: &[Value]) -> Outcome {
    match arguments {
        [Value::Null, default] => Ok(default.clone()),
        [value, _] => Ok(value.clone()),
        _ => Err(illegal(arguments)),
    }
}

fn assert(_: &Evaluator, arguments: &[Value]) -> Outcome {
    match arguments {
        [value, Value::Boolean(true), ..] => Ok(value.clone()),
        [_, _] => Err(Fault::Error("The condition is not fulfilled".to_owned())),
        [_, _, Value::String(cause)] => Err(Fault::Error(cause.to_string())),
        _ => Err(illegal(arguments)),
    }
}
