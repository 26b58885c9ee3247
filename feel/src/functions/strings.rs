//! Functions about strings (FEEL 1.3, 10.3.4.3). Places and lengths count UTF-16 units, as in Java.

use super::super::evaluate::{Evaluator, Fault, Outcome};
use super::super::limits::{BYTES_PER_UNIT, MAX_SIZE};
use super::super::value::Value;
pub(in super::super) use super::java_pattern::Pattern;
use super::{Builtin, builtin, illegal, place};
use base64::Engine;

pub(super) const FUNCTIONS: &[Builtin] = &[
    builtin("substring", &["string", "start position"], substring),
    builtin("substring", &["string", "start position", "length"], substring),
    builtin("string length", &["string"], length),
    builtin("upper case", &["string"], |_, arguments| changed(arguments, str::to_uppercase)),
    builtin("lower case", &["string"], |_, arguments| changed(arguments, str::to_lowercase)),
    builtin("substring before", &["string", "match"], before),
    builtin("substring after", &["string", "match"], after),
    builtin("replace", &["input", "pattern", "replacement"], replace),
    builtin("replace", &["input", "pattern", "replacement", "flags"], replace),
    builtin("contains", &["string", "match"], |_, arguments| tested(arguments, |text, part| text.contains(part))),
    builtin("starts with", &["string", "match"], |_, arguments| tested(arguments, |text, part| text.starts_with(part))),
    builtin("ends with", &["string", "match"], |_, arguments| tested(arguments, |text, part| text.ends_with(part))),
    builtin("matches", &["input", "pattern"], matches),
    builtin("matches", &["input", "pattern", "flags"], matches),
    builtin("split", &["string", "delimiter"], split),
    builtin("extract", &["input", "pattern"], extract),
    builtin("trim", &["string"], |_, arguments| changed(arguments, |text| text.trim_matches(|c| c <= ' ').to_owned())),
    builtin("to base64", &["value"], |_, arguments| {
        changed(arguments, |text| base64::engine::general_purpose::STANDARD.encode(text))
    }),
];

/// Fails when a string of that many bytes is longer than one may be.
pub(super) fn fits(bytes: usize) -> Result<(), Fault> {
    let limit = usize::try_from(MAX_SIZE).unwrap_or(usize::MAX).saturating_mul(BYTES_PER_UNIT);
    if bytes > limit { Err(Fault::Thrown(format!("a string may have {limit} bytes"))) } else { Ok(()) }
}

fn changed(arguments: &[Value], change: fn(&str) -> String) -> Outcome {
    match arguments {
        [Value::String(text)] => Ok(Value::string(change(text))),
        _ => Err(illegal(arguments)),
    }
}

fn tested(arguments: &[Value], test: fn(&str, &str) -> bool) -> Outcome {
    match arguments {
        [Value::String(text), Value::String(part)] => Ok(Value::Boolean(test(text, part))),
        _ => Err(illegal(arguments)),
    }
}

fn length(_: &Evaluator, arguments: &[Value]) -> Outcome {
    match arguments {
        [Value::String(text)] => Ok(Value::count(text.encode_utf16().count())),
        _ => Err(illegal(arguments)),
    }
}

/// A place outside the string is an exception in Java, which ends the evaluation.
fn substring(_: &Evaluator, arguments: &[Value]) -> Outcome {
    let (text, start, length) = match arguments {
        [Value::String(text), Value::Number(start)] => (text, start.to_i32(), None),
        [Value::String(text), Value::Number(start), Value::Number(length)] => {
            (text, start.to_i32(), Some(length.to_i32()))
        }
        _ => return Err(illegal(arguments)),
    };
    let units: Vec<u16> = text.encode_utf16().collect();
    let size = i64::try_from(units.len()).unwrap_or(i64::MAX);
    let start = place(units.len(), start);
    let end = length.map_or(size, |length| (start + i64::from(length)).min(size));
    let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    let part = range.and_then(|(start, end)| units.get(start..end));
    part.map(|part| Value::string(from_utf16(part)))
        .ok_or_else(|| Fault::Thrown(format!("Range [{start}, {end}) out of bounds for length {size}")))
}

/// Half of a surrogate pair is a question mark, as where Java encodes it.
fn from_utf16(units: &[u16]) -> String {
    char::decode_utf16(units.iter().copied()).map(|unit| unit.unwrap_or('?')).collect()
}

fn before(_: &Evaluator, arguments: &[Value]) -> Outcome {
    match arguments {
        [Value::String(text), Value::String(part)] => {
            Ok(Value::string(text.split_once(&**part).map_or("", |(before, _)| before)))
        }
        _ => Err(illegal(arguments)),
    }
}

fn after(_: &Evaluator, arguments: &[Value]) -> Outcome {
    match arguments {
        [Value::String(text), Value::String(part)] => {
            Ok(Value::string(text.split_once(&**part).map_or("", |(_, after)| after)))
        }
        _ => Err(illegal(arguments)),
    }
}

fn invalid(pattern: &str) -> Fault {
    Fault::Error(format!("Invalid pattern '{pattern}'"))
}

fn flags(arguments: &[Value], at: usize) -> Result<&str, Fault> {
    match arguments.get(at) {
        Some(Value::String(flags)) => Ok(flags),
        None => Ok(""),
        Some(_) => Err(illegal(arguments)),
    }
}

fn pattern(text: &str, flags: &str) -> Result<Pattern, Fault> {
    Pattern::parse(text, flags).map_err(Fault::Thrown)
}

fn matches(_: &Evaluator, arguments: &[Value]) -> Outcome {
    match arguments {
        [Value::String(text), Value::String(regex), ..] => {
            Ok(Value::Boolean(pattern(regex, flags(arguments, 2)?)?.is_match(text)?))
        }
        _ => Err(illegal(arguments)),
    }
}

fn replace(_: &Evaluator, arguments: &[Value]) -> Outcome {
    match arguments {
        [Value::String(text), Value::String(regex), Value::String(replacement), ..] => {
            let replaced = pattern(regex, flags(arguments, 3)?)?.replace_all(text, replacement)?;
            replaced.map(Value::string).ok_or_else(|| invalid(regex))
        }
        _ => Err(illegal(arguments)),
    }
}

fn split(_: &Evaluator, arguments: &[Value]) -> Outcome {
    match arguments {
        [Value::String(text), Value::String(regex)] => {
            let parts = pattern(regex, "")?.split(text)?;
            Ok(Value::list(parts.into_iter().map(Value::string).collect()))
        }
        _ => Err(illegal(arguments)),
    }
}

fn extract(_: &Evaluator, arguments: &[Value]) -> Outcome {
    match arguments {
        [Value::String(text), Value::String(regex)] => {
            let found = pattern(regex, "")?.find_all(text)?;
            Ok(Value::list(found.into_iter().map(Value::string).collect()))
        }
        _ => Err(illegal(arguments)),
    }
}
