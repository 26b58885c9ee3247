//! Lists and contexts: paths (FEEL 1.3, 10.3.2.5), filters, `for`, `some` and `every`.

use super::super::limits::MAX_ROUNDS;
use super::super::number::Number;
use super::super::scope::{self, Frames, Names};
use super::super::syntax::{Exp, Iterators, Node, Quantifier};
use super::super::value::{List, Value};
use super::super::warning::WarningKind;
use super::super::{duration, temporal};
use super::{Evaluator, Fault, Outcome};
use jiff::SignedDuration;
use jiff::civil::{Date, Time};
use std::sync::Arc;

/// A round's variables: the value of each iterator.
type Round = Vec<(Arc<str>, Value)>;

impl Evaluator<'_> {
    pub(super) fn path(&self, value: &Value, key: &str) -> Outcome {
        self.spend(1)?;
        match value {
            Value::Context(context) => Ok(context.get(key).cloned().unwrap_or_else(|| {
                let keys: Vec<_> = context.entries().iter().take(100).map(|(key, _)| format!("'{key}'")).collect();
                let known = if keys.is_empty() {
                    "The context is empty".to_owned()
                } else {
                    format!("Available keys: {}", keys.join(", "))
                };
                self.warn(
                    WarningKind::NoContextEntryFound,
                    format_args!("No context entry found with key '{key}'. {known}"),
                );
                Value::Null
            })),
            Value::List(items) => {
                Ok(Value::list(items.iter().map(|item| self.path(item, key)).collect::<Result<_, _>>()?))
            }
            Value::Null => {
                let kind = WarningKind::NoContextEntryFound;
                self.warn(kind, format_args!("No context entry found with key '{key}'. The context is null"));
                Ok(Value::Null)
            }
            value => {
                let properties = properties(value);
                if let Some((_, property)) = properties.iter().find(|(name, _)| *name == key) {
                    return Ok(property.clone());
                }
                let names: Vec<_> = properties.iter().map(|(name, _)| format!("'{name}'")).collect();
                let text = format_args!(
                    "No property found with name '{key}' of value '{value}'. Available properties: {}",
                    names.join(", ")
                );
                self.warn(WarningKind::NoPropertyFound, text);
                Ok(Value::Null)
            }
        }
    }

    pub(super) fn filter(&self, list: &Node, filter: &Node, frames: &Frames) -> Outcome {
        let items = match self.eval(list, frames)? {
            Value::List(items) => items,
            other => return Err(self.not_of_type("list", &other)),
        };
        if let Exp::Negation(inner) = &**filter
            && let Exp::Literal(Value::Number(index)) = &**inner
        {
            return Ok(item_at(&items, &index.negated()));
        }
        match &**filter {
            Exp::Literal(Value::Number(index)) => return Ok(item_at(&items, index)),
            Exp::Compare(..) | Exp::Call { .. } => {}
            // Zeebe looks first whether it is a number, without an item.
            _ => match self.eval(filter, frames) {
                Ok(Value::Number(index)) => return Ok(item_at(&items, &index)),
                Err(fault @ Fault::Thrown(_)) => return Err(fault),
                _ => {}
            },
        }
        self.matching(&items, filter, frames)
    }

    fn matching(&self, items: &List, filter: &Node, frames: &Frames) -> Outcome {
        let Some((first, rest)) = items.split_first() else { return Ok(Value::list(Vec::new())) };
        let mut kept = Vec::new();
        match self.eval(filter, &self.with_item(frames, first))? {
            Value::Number(index) => return Ok(item_at(items, &index)),
            Value::Boolean(true) => kept.push(first.clone()),
            _ => {}
        }
        for item in rest {
            match self.eval(filter, &self.with_item(frames, item)) {
                // Zeebe marks what is not kept with this string.
                Ok(Value::Boolean(true)) if !matches!(item, Value::String(text) if &**text == "_") => {
                    kept.push(item.clone());
                }
                Err(fault @ Fault::Thrown(_)) => return Err(fault),
                _ => {}
            }
        }
        Ok(Value::list(kept))
    }

    /// The item under that name, and the entries of an item that is a context.
    fn with_item(&self, frames: &Frames, item: &Value) -> Frames {
        let frames = self.with_input(frames, "item", item.clone());
        match item {
            Value::Context(context) => scope::push(&frames, Names::Context(context.clone())),
            _ => frames,
        }
    }

    pub(super) fn steps(&self, start: &Node, end: &Node, frames: &Frames) -> Outcome {
        let (start, end) = (self.eval(start, frames), self.eval(end, frames));
        let number = |outcome: Outcome| match outcome? {
            Value::Number(number) => Ok(number),
            other => Err(self.not_of_type("number", &other)),
        };
        let (mut at, end) = (number(start)?, number(end)?);
        let up = at < end;
        let step = Number::from(if up { 1 } else { -1 });
        let mut items = Vec::new();
        while if up { at <= end } else { at >= end } {
            self.spend(1)?;
            if items.len() == MAX_ROUNDS {
                return Err(Fault::Thrown(format!("a range may have {MAX_ROUNDS} numbers")));
            }
            items.push(Value::Number(at.clone()));
            let Some(next) = at.plus(&step).filter(|next| *next != at) else { break };
            at = next;
        }
        Ok(Value::list(items))
    }

    pub(super) fn quantified(
        &self,
        quantifier: Quantifier,
        iterators: &Iterators,
        condition: &Node,
        frames: &Frames,
    ) -> Outcome {
        let rounds = self.rounds(iterators, frames)?;
        let settles = quantifier == Quantifier::Some;
        self.settled(
            settles,
            rounds.into_iter().map(|round| || self.eval(condition, &scope::push(frames, Names::Variables(round)))),
        )
    }

    pub(super) fn repetition(&self, iterators: &Iterators, body: &Node, frames: &Frames) -> Outcome {
        let mut free = Vec::new();
        body.free_names(&mut Vec::new(), &mut free);
        let sees_partial = free.contains(&"partial");
        let mut results = Vec::new();
        for mut round in self.rounds(iterators, frames)? {
            if sees_partial {
                let partial = Value::list(results.clone());
                self.spend(partial.size())?;
                round.insert(0, ("partial".into(), partial));
            }
            results.push(self.eval(body, &scope::push(frames, Names::Variables(round)))?);
        }
        Ok(Value::list(results))
    }

    /// Every combination of the iterators' values, the last one running fastest.
    fn rounds(&self, iterators: &Iterators, frames: &Frames) -> Result<Vec<Round>, Fault> {
        let outcomes: Vec<_> = iterators.iter().map(|(name, over)| (name, self.eval(over, frames))).collect();
        let mut lists = Vec::new();
        let mut first_fault = None;
        for (name, outcome) in outcomes {
            let found = outcome.and_then(|value| match value {
                Value::List(items) => Ok(items),
                other => Err(self.not_of_type("list", &other)),
            });
            match found {
                Ok(items) => lists.push((name, items)),
                Err(fault) => {
                    first_fault.get_or_insert(fault);
                }
            }
        }
        if let Some(fault) = first_fault {
            return Err(fault);
        }
        let count = lists.iter().try_fold(1_usize, |count, (_, items)| count.checked_mul(items.len()));
        if count.is_none_or(|count| count > MAX_ROUNDS) {
            return Err(Fault::Thrown(format!("a loop may have {MAX_ROUNDS} rounds")));
        }
        let mut rounds = vec![Round::new()];
        for (name, items) in lists {
            let name: Arc<str> = name.as_str().into();
            self.spend(u64::try_from(rounds.len() * items.len()).unwrap_or(u64::MAX))?;
            let longer = |round: &Round| {
                let name = name.clone();
                let round = round.clone();
                items
                    .iter()
                    .map(move |item| [vec![(name.clone(), item.clone())], round.clone()].concat())
                    .collect::<Vec<_>>()
            };
            rounds = rounds.iter().flat_map(longer).collect();
        }
        Ok(rounds)
    }
}

/// The item at a place counted from 1, or from the end when it is negative.
fn item_at(items: &[Value], index: &Number) -> Value {
    let size = Number::from(i64::try_from(items.len()).unwrap_or(i64::MAX));
    let place = if *index > Number::from(0) { index.minus(&Number::from(1)) } else { size.plus(index) };
    let place = place.filter(|place| *place >= Number::from(0) && *place < size);
    let place = place.and_then(|place| usize::try_from(place.to_i64()).ok());
    place.and_then(|place| items.get(place)).cloned().unwrap_or(Value::Null)
}

fn date_properties(date: Date) -> Vec<(&'static str, Value)> {
    vec![
        ("year", Value::whole(date.year())),
        ("month", Value::whole(date.month())),
        ("day", Value::whole(date.day())),
        ("weekday", Value::whole(date.weekday().to_monday_one_offset())),
    ]
}

fn time_properties(time: Time, offset: Value, timezone: Value) -> Vec<(&'static str, Value)> {
    vec![
        ("hour", Value::whole(time.hour())),
        ("minute", Value::whole(time.minute())),
        ("second", Value::whole(time.second())),
        ("time offset", offset),
        ("timezone", timezone),
    ]
}

/// FEEL 1.3, table 65: what can be asked of dates, times and durations.
fn properties(value: &Value) -> Vec<(&'static str, Value)> {
    let named = |names: &[&'static str], values: &[i64]| {
        names.iter().copied().zip(values.iter().map(|value| Value::whole(*value))).collect()
    };
    let seconds = |offset: jiff::tz::Offset| Value::DaysTime(SignedDuration::from_secs(i64::from(offset.seconds())));
    let region = |region: &Option<Arc<str>>| region.clone().map_or(Value::Null, Value::String);
    match value {
        Value::Date(date) => date_properties(*date),
        Value::LocalTime(time) => time_properties(*time, Value::Null, Value::Null),
        Value::Time(time) => time_properties(time.time, seconds(time.offset), region(&time.region)),
        Value::LocalDateTime(clock) => {
            [date_properties(clock.date()), time_properties(clock.time(), Value::Null, Value::Null)].concat()
        }
        Value::DateTime(temporal::ZonedDateTime { at, region: name }) => {
            [date_properties(at.date()), time_properties(at.time(), seconds(at.offset()), region(name))].concat()
        }
        Value::DaysTime(amount) => named(&["days", "hours", "minutes", "seconds"], &duration::parts(*amount)),
        Value::YearsMonths(months) => named(&["years", "months"], &[months / 12, months % 12]),
        _ => Vec::new(),
    }
}
