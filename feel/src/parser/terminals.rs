//! The rules of values: literals, names, calls, and the paths and filters after them.

use super::super::duration::{Spelling, parse_days_time, parse_years_months};
use super::super::number::Number;
use super::super::syntax::{Arguments, Exp, Node};
use super::super::temporal;
use super::super::value::Value;
use super::Parser;
use std::sync::Arc;

/// How many paths and filters may follow one another.
const MAX_CHAIN: usize = 50;
/// Digits of a number, as many as an operation keeps.
const MAX_DIGITS: usize = 34;

#[derive(Debug, Clone, Copy)]
enum Temporal {
    Duration,
    DateTime,
    Date,
    Time,
}

impl Parser {
    pub(super) fn value(&mut self) -> Option<Node> {
        let mut value = self.attempt(Self::terminal)?;
        let mut length = 0;
        while let Some(longer) = self.attempt(|parser| parser.longer(&value)) {
            value = longer;
            length += 1;
            if length > MAX_CHAIN {
                return self.refuse(self.at, format!("at most {MAX_CHAIN} paths and filters follow one another"));
            }
        }
        Some(value)
    }

    /// `value` with a path or a filter after it.
    fn longer(&mut self, value: &Node) -> Option<Node> {
        if self.word(".").is_some() {
            let key = self.key()?;
            return Some(Arc::new(Exp::Path(value.clone(), key)));
        }
        self.word("[")?;
        let filter = self.expression()?;
        self.word("]")?;
        Some(Arc::new(Exp::Filter(value.clone(), filter)))
    }

    fn terminal(&mut self) -> Option<Node> {
        let found = self.attempt(Self::temporal);
        let found = found.or_else(|| self.attempt(Self::call));
        let found = found.or_else(|| self.attempt(|parser| Some(Arc::new(Exp::Variable(parser.qualified_name()?)))));
        let found = found.or_else(|| self.attempt(Self::literal));
        let found = found.or_else(|| self.attempt(|parser| parser.word("?").map(|()| Arc::new(Exp::Input))));
        let found = found.or_else(|| self.attempt(Self::function));
        found.or_else(|| {
            self.word("(")?;
            let inner = self.expression()?;
            self.word(")")?;
            Some(inner)
        })
    }

    fn literal(&mut self) -> Option<Node> {
        let constant = self.one_of(&[("null", None), ("true", Some(true)), ("false", Some(false))]);
        if let Some(constant) = constant {
            return Some(Arc::new(Exp::Literal(constant.map_or(Value::Null, Value::Boolean))));
        }
        if let Some(text) = self.attempt(Self::quoted) {
            return Some(Arc::new(Exp::Literal(Value::string(unescape(&text)))));
        }
        let found = self.attempt(Self::number);
        let found = found.or_else(|| self.attempt(Self::list));
        found.or_else(|| self.context())
    }

    fn number(&mut self) -> Option<Node> {
        self.space();
        let start = self.at;
        // It may have no sign.
        let _ = self.exactly("-");
        let whole = self.digits();
        let fraction = self.attempt(|parser| {
            parser.exactly(".")?;
            Some(parser.digits()).filter(|count| *count > 0)
        });
        if whole == 0 && fraction.is_none() {
            return None;
        }
        if whole + fraction.unwrap_or(0) > MAX_DIGITS {
            return self.refuse(start, format!("numbers of more than {MAX_DIGITS} digits are not supported"));
        }
        let text: String = self.text[start..self.at].iter().collect();
        Some(Arc::new(Exp::Literal(Value::Number(Number::parse(&text)?))))
    }

    fn digits(&mut self) -> usize {
        let count = self.text[self.at..].iter().take_while(|c| c.is_ascii_digit()).count();
        self.at += count;
        count
    }

    /// Constants of dates, times and durations: null when they are none.
    fn temporal(&mut self) -> Option<Node> {
        const FUNCTIONS: [(&str, Temporal); 4] = [
            ("duration", Temporal::Duration),
            ("date and time", Temporal::DateTime),
            ("date", Temporal::Date),
            ("time", Temporal::Time),
        ];
        self.space();
        let start = self.at;
        let value = match self.one_of(&FUNCTIONS) {
            Some(sort) => {
                self.word("(")?;
                let text = self.quoted()?;
                self.word(")")?;
                self.year_is_known(start, &text)?;
                temporal_constant(sort, &text)
            }
            None => {
                self.word("@")?;
                let text = self.quoted()?;
                self.year_is_known(start, &text)?;
                at_literal(&text)
            }
        };
        Some(Arc::new(Exp::Literal(value.unwrap_or(Value::Null))))
    }

    /// Java has years of nine digits.
    fn year_is_known(&mut self, start: usize, text: &str) -> Option<()> {
        let year = text.trim_start_matches('-');
        let digits = year.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 4 && year[digits..].starts_with('-') {
            return self.refuse(start, "years of more than four digits are not supported");
        }
        Some(())
    }

    fn list(&mut self) -> Option<Node> {
        self.word("[")?;
        let items = self.separated(Self::expression);
        self.word("]")?;
        Some(Arc::new(Exp::List(items)))
    }

    fn context(&mut self) -> Option<Node> {
        self.word("{")?;
        let entries = self.separated(|parser| {
            let key = match parser.attempt(Self::plain_key) {
                Some(key) => key,
                None => match parser.name() {
                    Some(name) => name,
                    None => parser.quoted()?,
                },
            };
            parser.word(":")?;
            Some((key, parser.expression()?))
        });
        self.word("}")?;
        Some(Arc::new(Exp::Context(entries)))
    }

    /// A context's key: anything up to the colon but these.
    fn plain_key(&mut self) -> Option<String> {
        self.space();
        let start = self.at;
        let mut end = start;
        while let Some(c) = self.peek() {
            if matches!(c, '"' | '{' | '}' | ':' | ',' | '[' | ']' | '`') {
                break;
            }
            self.at += 1;
            end = self.at;
            self.space();
        }
        self.at = end;
        (end > start).then(|| self.text[start..end].iter().collect())
    }

    fn function(&mut self) -> Option<Node> {
        self.word("function")?;
        self.word("(")?;
        let parameters = self.separated(Self::parameter);
        self.word(")")?;
        let at = self.at;
        let external = self.attempt(|parser| {
            parser.word("external")?;
            parser.word("{")
        });
        if external.is_some() {
            return self.refuse(at, "Zeebe runs no external functions");
        }
        let body = self.expression()?;
        Some(Arc::new(Exp::Function(parameters.into(), body)))
    }

    fn parameter(&mut self) -> Option<String> {
        self.spaced_identifier().or_else(|| self.name())
    }

    fn call(&mut self) -> Option<Node> {
        // Names of functions with a reserved word in them.
        const RESERVED: [&str; 5] = ["and", "or", "date and time", "years and months duration", "get or else"];
        self.space();
        let spaced = self.spaced_identifier();
        let spaced =
            spaced.or_else(|| RESERVED.iter().find(|name| self.exactly(name).is_some()).map(|name| (*name).to_owned()));
        let mut within = match spaced {
            Some(name) => vec![name],
            None => self.qualified_name()?,
        };
        self.word("(")?;
        let named = self.attempt(|parser| parser.some_separated(Self::named_argument)).map(Arguments::Named);
        let arguments = named.unwrap_or_else(|| Arguments::Positional(self.separated(Self::argument)));
        self.word(")")?;
        let name = within.pop()?;
        Some(Arc::new(Exp::Call { within, name, arguments }))
    }

    fn named_argument(&mut self) -> Option<(String, Node)> {
        let name = self.parameter()?;
        self.word(":")?;
        Some((name, self.argument()?))
    }

    fn argument(&mut self) -> Option<Node> {
        match self.interval() {
            Some(interval) => Some(Arc::new(Exp::Range(interval))),
            None => self.expression(),
        }
    }
}

fn temporal_constant(sort: Temporal, text: &str) -> Option<Value> {
    match sort {
        Temporal::Duration => {
            let months = parse_years_months(text).map(Value::YearsMonths);
            months.or_else(|| parse_days_time(text, Spelling::Java).map(Value::DaysTime))
        }
        Temporal::DateTime => {
            let midnight = temporal::parse_date(text).map(|date| Value::LocalDateTime(date.at(0, 0, 0, 0)));
            let zoned = midnight.or_else(|| temporal::parse_date_time(text).map(Value::DateTime));
            zoned.or_else(|| temporal::parse_local_date_time(text).map(Value::LocalDateTime))
        }
        Temporal::Date => temporal::parse_date(text).map(Value::Date),
        Temporal::Time => {
            let zoned = temporal::parse_time(text).map(Value::Time);
            zoned.or_else(|| temporal::parse_local_time(text).map(Value::LocalTime))
        }
    }
}

/// FEEL 1.3, grammar rule 62: `@"…"`.
fn at_literal(text: &str) -> Option<Value> {
    let value = temporal::parse_date(text).map(Value::Date);
    let value = value.or_else(|| temporal::parse_time(text).map(Value::Time));
    let value = value.or_else(|| temporal::parse_date_time(text).map(Value::DateTime));
    let value = value.or_else(|| temporal::parse_local_date_time(text).map(Value::LocalDateTime));
    let value = value.or_else(|| parse_years_months(text).map(Value::YearsMonths));
    let value = value.or_else(|| parse_days_time(text, Spelling::Feel).map(Value::DaysTime));
    value.or_else(|| temporal::parse_local_time(text).map(Value::LocalTime))
}

/// Zeebe replaces these and leaves other backslashes as they are.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let replacement = match rest.peek().filter(|_| c == '\\') {
            Some('b') => '\u{8}',
            Some('t') => '\t',
            Some('n') => '\n',
            Some('f') => '\u{c}',
            Some('r') => '\r',
            Some('"') => '"',
            Some('\'') => '\'',
            Some('s') => ' ',
            _ => {
                plain.push(c);
                continue;
            }
        };
        rest.next();
        plain.push(replacement);
    }
    plain
}
