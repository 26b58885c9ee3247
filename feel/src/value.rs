//! The values of FEEL (FEEL 1.3, 10.3.2) as feel-scala, Zeebe's FEEL engine, has them.

use super::duration::{FeelDaysTime, JavaDaysTime, YearsMonths};
use super::limits::BYTES_PER_UNIT;
use super::number::Number;
use super::scope::Function;
use super::temporal::{FeelTime, JavaDate, JavaDateTime, JavaTime, ZonedDateTime, ZonedTime};
use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A value of FEEL. Copies share what is large.
#[derive(Debug, Clone)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A number.
    Number(Number),
    /// A string.
    String(Arc<str>),
    /// A date.
    Date(Date),
    /// A time of day without a zone.
    LocalTime(Time),
    /// A time of day with a zone.
    Time(ZonedTime),
    /// A date and time without a zone.
    LocalDateTime(DateTime),
    /// A date and time with a zone.
    DateTime(ZonedDateTime),
    /// A duration of days, hours, minutes and seconds.
    DaysTime(SignedDuration),
    /// A duration of years and months, in months.
    YearsMonths(i64),
    /// A list.
    List(Arc<List>),
    /// A context.
    Context(Arc<Context>),
    /// A range, as functions such as `before` take it.
    Range(Arc<Range>),
    /// A function that the expression defines.
    Function(Arc<Function>),
}

/// A list's items, and how large and deep they are.
#[derive(Debug)]
pub struct List {
    items: Vec<Value>,
    size: u64,
    depth: u32,
}

/// A context's entries in their order, and how large and deep they are.
#[derive(Debug, Default)]
pub struct Context {
    entries: Vec<(Arc<str>, Value)>,
    functions: Vec<(Arc<str>, Arc<Function>)>,
    size: u64,
    depth: u32,
}

/// A range's two ends; each with whether it belongs to the range.
#[derive(Debug)]
pub struct Range {
    /// Where it starts.
    pub start: (Value, bool),
    /// Where it ends.
    pub end: (Value, bool),
}

impl List {
    pub(super) fn new(items: Vec<Value>) -> Self {
        let size = items.iter().fold(1, |size: u64, item| size.saturating_add(item.size()));
        let depth = 1 + items.iter().map(Value::depth).max().unwrap_or(0);
        Self { items, size, depth }
    }
}

impl Deref for List {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        &self.items
    }
}

impl Context {
    pub(super) fn new(entries: Vec<(Arc<str>, Value)>, functions: Vec<(Arc<str>, Arc<Function>)>) -> Self {
        let size = |size: u64, entry: &(Arc<str>, Value)| {
            size.saturating_add(string_size(&entry.0)).saturating_add(entry.1.size())
        };
        let values = entries.iter().map(|(_, value)| value.depth());
        let depth = 1 + values.chain(functions.iter().map(|(_, function)| function.depth())).max().unwrap_or(0);
        Self { size: entries.iter().fold(1, size), depth, entries, functions }
    }

    /// Its entries in their order.
    #[must_use]
    pub fn entries(&self) -> &[(Arc<str>, Value)] {
        &self.entries
    }

    /// The value of an entry.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries.iter().find(|(name, _)| &**name == key).map(|(_, value)| value)
    }

    pub(super) fn functions(&self) -> &[(Arc<str>, Arc<Function>)] {
        &self.functions
    }

    /// The same with one entry more, or another value in its place.
    pub(super) fn with(&self, key: &str, value: Value) -> Self {
        let mut entries = self.entries.clone();
        put(&mut entries, key, value);
        Self::new(entries, self.functions.clone())
    }
}

/// Sets an entry; one that is there keeps its place.
pub(super) fn put(entries: &mut Vec<(Arc<str>, Value)>, key: &str, value: Value) {
    match entries.iter_mut().find(|(name, _)| &**name == key) {
        Some(entry) => entry.1 = value,
        None => entries.push((key.into(), value)),
    }
}

fn string_size(text: &str) -> u64 {
    u64::try_from(text.len() / BYTES_PER_UNIT).unwrap_or(u64::MAX).saturating_add(1)
}

impl Value {
    pub(super) fn list(items: Vec<Self>) -> Self {
        Self::List(Arc::new(List::new(items)))
    }

    pub(super) fn context(entries: Vec<(Arc<str>, Self)>) -> Self {
        Self::Context(Arc::new(Context::new(entries, Vec::new())))
    }

    pub(super) fn string(text: impl Into<Arc<str>>) -> Self {
        Self::String(text.into())
    }

    pub(super) fn whole(number: impl Into<i64>) -> Self {
        Self::Number(Number::from(number.into()))
    }

    pub(super) fn count(number: usize) -> Self {
        Self::Number(Number::from(i64::try_from(number).unwrap_or(i64::MAX)))
    }

    /// How much it holds: see [`super::limits::MAX_SIZE`].
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::String(text) => string_size(text),
            Self::List(list) => list.size,
            Self::Context(context) => context.size,
            _ => 1,
        }
    }

    pub(super) fn depth(&self) -> u32 {
        match self {
            Self::List(list) => list.depth,
            Self::Context(context) => context.depth,
            Self::Function(function) => function.depth(),
            _ => 0,
        }
    }

    /// The value of a JSON document, as Zeebe reads a variable.
    #[must_use]
    pub fn from_json(json: &serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Boolean(*value),
            serde_json::Value::Number(number) => {
                let whole = number.as_i64().map(Number::from).or_else(|| Number::parse(&number.as_u64()?.to_string()));
                whole.or_else(|| Number::from_f64(number.as_f64()?)).map_or(Self::Null, Self::Number)
            }
            serde_json::Value::String(text) => Self::string(text.as_str()),
            serde_json::Value::Array(items) => Self::list(items.iter().map(Self::from_json).collect()),
            serde_json::Value::Object(entries) => Self::context(
                entries.iter().map(|(key, value)| (key.as_str().into(), Self::from_json(value))).collect(),
            ),
        }
    }

    /// The value as JSON, as Zeebe writes it into a variable: whole numbers by their lowest 64 bits, others as doubles.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Null | Self::Range(_) | Self::Function(_) => serde_json::Value::Null,
            Self::Boolean(value) => (*value).into(),
            Self::Number(number) if number.is_whole() => number.to_i64().into(),
            Self::Number(number) => number.to_f64().into(),
            Self::String(text) => (**text).into(),
            Self::List(items) => items.iter().map(Self::to_json).collect(),
            Self::Context(context) => {
                context.entries.iter().map(|(key, value)| (key.to_string(), value.to_json())).collect()
            }
            Self::Date(date) => JavaDate(*date).to_string().into(),
            Self::LocalTime(time) => JavaTime(*time).to_string().into(),
            Self::Time(time) => time.to_string().into(),
            Self::LocalDateTime(moment) => JavaDateTime(*moment).to_string().into(),
            Self::DateTime(moment) => moment.to_java().into(),
            Self::DaysTime(duration) => JavaDaysTime(*duration).to_string().into(),
            Self::YearsMonths(months) => {
                YearsMonths { months: *months, zero: "P0D", sign_first: false }.to_string().into()
            }
        }
    }

    /// The name of its type, as Zeebe's `ResultType` has it in messages of incidents.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Boolean(_) => "BOOLEAN",
            Self::Number(_) => "NUMBER",
            Self::String(_) => "STRING",
            Self::Date(_) => "DATE",
            Self::LocalDateTime(_) | Self::DateTime(_) => "DATE_TIME",
            Self::DaysTime(_) => "DURATION",
            Self::YearsMonths(_) => "PERIOD",
            Self::List(_) => "ARRAY",
            Self::Context(_) => "OBJECT",
            Self::LocalTime(_) | Self::Time(_) | Self::Range(_) | Self::Function(_) => "UNKNOWN",
        }
    }

    /// The name of its type in FEEL, as `instance of` has it.
    pub(super) fn feel_type(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "boolean",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Date(_) => "date",
            Self::LocalTime(_) | Self::Time(_) => "time",
            Self::LocalDateTime(_) | Self::DateTime(_) => "date and time",
            Self::DaysTime(_) => "days and time duration",
            Self::YearsMonths(_) => "years and months duration",
            Self::List(_) => "list",
            Self::Context(_) => "context",
            Self::Range(_) => "range",
            Self::Function(_) => "function",
        }
    }
}

/// As FEEL's `string()` spells it; strings in quotes.
impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => write!(out, "null"),
            Self::Boolean(value) => write!(out, "{value}"),
            Self::Number(number) => write!(out, "{number}"),
            Self::String(text) => write!(out, "\"{text}\""),
            Self::Date(date) => write!(out, "{}", JavaDate(*date)),
            Self::LocalTime(time) => write!(out, "{}", FeelTime(*time)),
            Self::Time(time) => write!(out, "{time}"),
            Self::LocalDateTime(moment) => write!(out, "{}T{}", JavaDate(moment.date()), FeelTime(moment.time())),
            Self::DateTime(moment) => write!(out, "{moment}"),
            Self::DaysTime(duration) => write!(out, "{}", FeelDaysTime(*duration)),
            Self::YearsMonths(months) => {
                write!(out, "{}", YearsMonths { months: *months, zero: "P0Y", sign_first: true })
            }
            Self::List(items) => {
                out.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    write!(out, "{}{item}", if index == 0 { "" } else { ", " })?;
                }
                out.write_str("]")
            }
            Self::Context(context) => {
                out.write_str("{")?;
                for (index, (key, value)) in context.entries.iter().enumerate() {
                    write!(out, "{}{key}:{value}", if index == 0 { "" } else { ", " })?;
                }
                out.write_str("}")
            }
            Self::Range(range) => {
                let (open, close) = (if range.start.1 { "[" } else { "(" }, if range.end.1 { "]" } else { ")" });
                write!(out, "{open}{}..{}{close}", range.start.0, range.end.0)
            }
            Self::Function(function) => write!(out, "function({})", function.parameters().join(", ")),
        }
    }
}
