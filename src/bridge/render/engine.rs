//! Tera with our filters: it marks values, refuses null, and does no I/O.

use super::guard::{KNOWN, VALUE};
use super::marks::{Kind, value_mark};
use std::ops::Range;
use std::sync::LazyLock;
use tera::value::ValueKind;
use tera::{Error, Kwargs, State, Tera, TeraResult, Value};

/// Why a filter refused a value; it travels through Tera as the error's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    Unknown,
    Null,
    Nul,
    Compound(&'static str),
    Element(&'static str),
}

const REFUSALS: [(&str, Refusal); 10] = [
    ("\0unknown", Refusal::Unknown),
    ("\0null", Refusal::Null),
    ("\0nul", Refusal::Nul),
    ("\0array", Refusal::Compound("an array")),
    ("\0map", Refusal::Compound("an object")),
    ("\0args of null", Refusal::Element("null")),
    ("\0args of array", Refusal::Element("an array")),
    ("\0args of map", Refusal::Element("an object")),
    ("\0args of bool", Refusal::Element("a boolean")),
    ("\0args of one", Refusal::Element("")),
];

/// Reads a refusal and its expression's place from an error of Tera's.
pub(super) fn refusal(message: &str) -> Option<(Refusal, Range<usize>)> {
    let (code, place) = message.rsplit_once('@')?;
    let (start, end) = place.split_once(':')?;
    let refusal = REFUSALS.iter().find(|(other, _)| *other == code)?.1.clone();
    Some((refusal, start.parse().ok()?..end.parse().ok()?))
}

fn refuse<T>(refusal: &Refusal, place: &Range<usize>) -> TeraResult<T> {
    let code = REFUSALS.iter().find(|(_, other)| other == refusal).map_or("\0unknown", |(code, _)| *code);
    Err(Error::message(format!("{code}@{}:{}", place.start, place.end)))
}

/// A Tera without templates, with our filters; escaping is an error, since every value is marked instead.
pub(super) fn tera() -> Tera {
    static TERA: LazyLock<Tera> = LazyLock::new(|| {
        let mut tera = Tera::default();
        tera.autoescape_on([""]);
        tera.set_escape_fn(|_, _| Err(std::io::Error::other("a value without its mark")));
        tera.register_filter(KNOWN, known);
        tera.register_filter(VALUE, value);
        tera.register_filter("args", args);
        tera.register_filter("option", option);
        tera.register_filter("default", default);
        tera.register_filter("join", join);
        tera.register_filter("first", |list: Vec<Value>, _: Kwargs, _: &State| element(list.first()));
        tera.register_filter("last", |list: Vec<Value>, _: Kwargs, _: &State| element(list.last()));
        tera.register_filter("nth", |list: Vec<Value>, kwargs: Kwargs, _: &State| {
            element(list.get(kwargs.must_get::<usize>("n")?))
        });
        tera
    });
    TERA.clone()
}

fn place(kwargs: &Kwargs) -> TeraResult<Range<usize>> {
    Ok(kwargs.must_get::<usize>("at")?..kwargs.must_get::<usize>("to")?)
}

fn known(value: Value, kwargs: Kwargs, _: &State) -> TeraResult<Value> {
    match value.kind() {
        ValueKind::Undefined => refuse(&Refusal::Unknown, &place(&kwargs)?),
        ValueKind::None => refuse(&Refusal::Null, &place(&kwargs)?),
        _ => Ok(value),
    }
}

/// `| args`: an array becomes several arguments. What is wrong with it is told by `value`, which knows the place.
fn args(value: Value, _: Kwargs, _: &State) -> Value {
    let Some(list) = value.as_array() else { return refused(&Refusal::Element("")) };
    let mut items = Vec::with_capacity(list.len());
    for element in list {
        match element.kind() {
            ValueKind::None | ValueKind::Undefined => return refused(&Refusal::Element("null")),
            ValueKind::Array => return refused(&Refusal::Element("an array")),
            ValueKind::Map => return refused(&Refusal::Element("an object")),
            ValueKind::Bool => return refused(&Refusal::Element("a boolean")),
            _ => items.push(element.to_string()),
        }
    }
    if items.iter().any(|item| item.contains('\0')) {
        return refused(&Refusal::Nul);
    }
    encoded(Kind::Args, &items)
}

/// `| option`: the value may start with `-`.
fn option(value: Value, _: Kwargs, _: &State) -> Value {
    if let Some((Kind::Args, items)) = value.as_bytes().and_then(decoded) {
        return encoded(Kind::OptionArgs, &items);
    }
    match value.as_str() {
        Some(text) if !text.contains('\0') => encoded(Kind::Option, &[text.to_owned()]),
        _ => value,
    }
}

/// The last filter of each placeholder, put there by `guard`: gives the value its mark.
fn value(value: Value, kwargs: Kwargs, _: &State) -> TeraResult<Value> {
    let place = place(&kwargs)?;
    if let Some(bytes) = value.as_bytes() {
        if let Some(refusal) =
            bytes.first().filter(|_| bytes.len() == 1).and_then(|code| REFUSALS.get(usize::from(*code)))
        {
            return refuse(&refusal.1, &place);
        }
        let Some((kind, items)) = decoded(bytes) else { return refuse(&Refusal::Nul, &place) };
        return Ok(Value::safe_string(&value_mark(&place, kind, &items)));
    }
    let kind = match value.kind() {
        ValueKind::Undefined => return refuse(&Refusal::Unknown, &place),
        ValueKind::None => return refuse(&Refusal::Null, &place),
        ValueKind::Array => return refuse(&Refusal::Compound("an array"), &place),
        ValueKind::Map => return refuse(&Refusal::Compound("an object"), &place),
        ValueKind::String => Kind::Text,
        _ => Kind::Plain,
    };
    let text = value.to_string();
    if text.contains('\0') {
        return refuse(&Refusal::Nul, &place);
    }
    Ok(Value::safe_string(&value_mark(&place, kind, &[text])))
}

/// Tera's own leaves null alone; here null is as good as missing.
fn default(value: Value, kwargs: Kwargs, _: &State) -> TeraResult<Value> {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => kwargs.must_get::<Value>("value"),
        _ => Ok(value),
    }
}

/// Tera's own turns null into nothing.
fn join(list: Vec<Value>, kwargs: Kwargs, _: &State) -> TeraResult<String> {
    let is_text = |value: &Value| value.is_string() || value.is_number() || value.is_bool();
    if let Some(at) = list.iter().position(|value| !is_text(value)) {
        return Err(Error::message(format!("`| join` needs strings and numbers; element {at} is neither")));
    }
    let separator = kwargs.get::<&str>("sep")?.unwrap_or_default();
    Ok(list.iter().map(ToString::to_string).collect::<Vec<_>>().join(separator))
}

/// Tera's own gives null where there is no such element.
fn element(found: Option<&Value>) -> TeraResult<Value> {
    match found {
        Some(value) if !value.is_none() => Ok(value.clone()),
        Some(_) => Err(Error::message("this element of the array is null")),
        None => Err(Error::message("the array has no such element")),
    }
}

// Between our filters a marked value is a byte string, which no template and no variable can make.

fn refused(refusal: &Refusal) -> Value {
    let code = REFUSALS.iter().position(|(_, other)| other == refusal).and_then(|at| u8::try_from(at).ok());
    Value::bytes(vec![code.unwrap_or(0)])
}

fn encoded(kind: Kind, items: &[String]) -> Value {
    let mut bytes = vec![0xff, kind as u8];
    for item in items {
        bytes.extend_from_slice(item.as_bytes());
        bytes.push(0);
    }
    Value::bytes(bytes)
}

fn decoded(bytes: &[u8]) -> Option<(Kind, Vec<String>)> {
    let [0xff, kind, items @ ..] = bytes else { return None };
    let kind = [Kind::Option, Kind::Args, Kind::OptionArgs].into_iter().find(|other| *other as u8 == *kind)?;
    let text = std::str::from_utf8(items).ok()?;
    Some((kind, text.split_terminator('\0').map(str::to_owned).collect()))
}
