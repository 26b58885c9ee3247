//! Tera with our filters: it marks values, refuses null, and does no I/O.

#![expect(clippy::needless_pass_by_value, reason = "the signature of Tera's filters")]

use super::budget::{self, SPENT};
use super::guard::{KNOWN, VALUE};
use super::marks::{Item, Kind, decode_item, encode_items, value_mark};
use std::ops::Range;
use std::sync::LazyLock;
use tera::value::ValueKind;
use tera::{Error, Kwargs, State, Tera, TeraResult, Value};

/// Why a filter refused a value; it travels through Tera as the error's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Unknown,
    Null,
    Nul,
    Array,
    Object,
    NotAnArray,
    NullElement,
    ArrayElement,
    ObjectElement,
    BooleanElement,
}

const REFUSALS: [Refusal; 10] = [
    Refusal::Unknown,
    Refusal::Null,
    Refusal::Nul,
    Refusal::Array,
    Refusal::Object,
    Refusal::NotAnArray,
    Refusal::NullElement,
    Refusal::ArrayElement,
    Refusal::ObjectElement,
    Refusal::BooleanElement,
];

/// Reads a refusal and its expression's place from an error of Tera's.
pub(super) fn refusal(message: &str) -> Option<(Refusal, Range<usize>)> {
    let mut numbers = message.strip_prefix('\0')?.split(':').map(|number| number.parse::<usize>().ok());
    let refusal = REFUSALS.get(numbers.next()??)?;
    Some((*refusal, numbers.next()??..numbers.next()??))
}

fn refuse<T>(refusal: Refusal, place: &Range<usize>) -> TeraResult<T> {
    Err(Error::message(format!("\0{}:{}:{}", refusal as u8, place.start, place.end)))
}

/// A Tera without templates, with our filters; escaping is an error, since every value is marked instead.
pub(super) fn tera() -> Tera {
    static TERA: LazyLock<Tera> = LazyLock::new(|| {
        let mut tera = Tera::default();
        tera.autoescape_on([""]);
        tera.set_escape_fn(|_, _| Err(std::io::Error::other("a value without its mark")));
        tera.register_filter(KNOWN, known);
        tera.register_filter(VALUE, value);
        tera.register_filter(SPENT, budget::spent);
        tera.register_filter("args", args);
        tera.register_filter("option", option);
        tera.register_filter("default", default);
        tera.register_filter("join", join);
        tera.register_filter("replace", budget::replace);
        tera.register_filter("unique", budget::unique);
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
        ValueKind::Undefined => refuse(Refusal::Unknown, &place(&kwargs)?),
        ValueKind::None => refuse(Refusal::Null, &place(&kwargs)?),
        _ => budget::charge(budget::size(&value)).map(|()| value),
    }
}

/// `| args`: an array becomes several arguments. What is wrong with it is told by `value`, which knows the place.
fn args(value: Value, _: Kwargs, _: &State) -> Value {
    let Some(list) = value.as_array() else { return refused(Refusal::NotAnArray) };
    let mut items = Vec::with_capacity(list.len());
    for element in list {
        match element.kind() {
            ValueKind::None | ValueKind::Undefined => return refused(Refusal::NullElement),
            ValueKind::Array => return refused(Refusal::ArrayElement),
            ValueKind::Map => return refused(Refusal::ObjectElement),
            ValueKind::Bool => return refused(Refusal::BooleanElement),
            ValueKind::String => items.push((Kind::Text, element.to_string())),
            _ => items.push((Kind::Plain, element.to_string())),
        }
    }
    if items.iter().any(|(_, item)| item.contains('\0')) {
        return refused(Refusal::Nul);
    }
    encoded(true, &items)
}

/// `| option`: the value may start with `-`.
fn option(value: Value, _: Kwargs, _: &State) -> Value {
    if let Some((spread, items)) = value.as_bytes().and_then(decoded) {
        let may_be_option = |(kind, text)| (if kind == Kind::Text { Kind::Option } else { kind }, text);
        return encoded(spread, &items.into_iter().map(may_be_option).collect::<Vec<_>>());
    }
    match value.as_str() {
        Some(text) if !text.contains('\0') => encoded(false, &[(Kind::Option, text.to_owned())]),
        _ => value,
    }
}

/// The last filter of each placeholder, put there by `guard`: gives the value its mark.
fn value(value: Value, kwargs: Kwargs, _: &State) -> TeraResult<Value> {
    let place = place(&kwargs)?;
    if let Some(bytes) = value.as_bytes() {
        return match read_refused(bytes).ok_or_else(|| decoded(bytes)) {
            Ok(refusal) => refuse(refusal, &place),
            Err(Some((spread, items))) => Ok(Value::safe_string(&value_mark(&place, spread, &items))),
            Err(None) => refuse(Refusal::Nul, &place),
        };
    }
    let kind = match value.kind() {
        ValueKind::Undefined => return refuse(Refusal::Unknown, &place),
        ValueKind::None => return refuse(Refusal::Null, &place),
        ValueKind::Array => return refuse(Refusal::Array, &place),
        ValueKind::Map => return refuse(Refusal::Object, &place),
        ValueKind::String => Kind::Text,
        _ => Kind::Plain,
    };
    let text = value.to_string();
    if text.contains('\0') {
        return refuse(Refusal::Nul, &place);
    }
    Ok(Value::safe_string(&value_mark(&place, false, &[(kind, text)])))
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
    budget::charge(list.iter().map(|value| budget::size(value).saturating_add(separator.len())).sum())?;
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

// Between our filters a marked value is a byte string, which no template and no variable can make. Its first byte is
// NUL, so that it is refused wherever it is made into text.

const REFUSED: u8 = 0xff;

fn refused(refusal: Refusal) -> Value {
    Value::bytes(vec![0, REFUSED, refusal as u8])
}

fn read_refused(bytes: &[u8]) -> Option<Refusal> {
    match bytes {
        [0, REFUSED, code] => REFUSALS.get(usize::from(*code)).copied(),
        _ => None,
    }
}

fn encoded(spread: bool, items: &[Item<String>]) -> Value {
    let mut bytes = vec![0, u8::from(spread)];
    bytes.extend_from_slice(encode_items(items).as_bytes());
    Value::bytes(bytes)
}

fn decoded(bytes: &[u8]) -> Option<(bool, Vec<Item<String>>)> {
    let [0, spread @ (0 | 1), encoded @ ..] = bytes else { return None };
    let mut rest = std::str::from_utf8(encoded).ok()?;
    let mut items = Vec::new();
    while !rest.is_empty() {
        let ((kind, text), after) = decode_item(rest)?;
        items.push((kind, text.to_owned()));
        rest = after;
    }
    Some((*spread == 1, items))
}
