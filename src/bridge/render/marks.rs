//! How the places of text and values travel through Tera: between NUL bytes, which neither may contain.
//!
//! Text is announced by `NUL T offset NUL`. A placeholder becomes `NUL kind start:end:count NUL` and `count` times
//! `item NUL`, so that whatever an item contains, the next NUL ends it.

use std::ops::Range;

/// What a placeholder's value may do to the argument vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A string: part of one argument, which must not start with its `-`.
    Text,
    /// A number or boolean: part of one argument; `-5` is no option.
    Plain,
    /// `| option`: part of one argument, which may start with its `-`.
    Option,
    /// `| args`: any number of whole arguments.
    Args,
    /// `| args | option`, or the other way round.
    OptionArgs,
}

const LETTERS: [(char, Kind); 5] =
    [('V', Kind::Text), ('N', Kind::Plain), ('O', Kind::Option), ('A', Kind::Args), ('B', Kind::OptionArgs)];

/// A piece of rendered text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Rendered<'a> {
    /// Literal text, which stands at this offset of the source.
    Text { at: usize, text: &'a str },
    /// A placeholder's value or values; the range is the expression in the source.
    Value { place: Range<usize>, kind: Kind, items: Vec<&'a str> },
}

/// Announces literal text from this offset of the source.
pub(super) fn text_mark(offset: usize) -> String {
    format!("\0T{offset}\0")
}

/// Encodes one placeholder; no item may contain NUL.
pub(super) fn value_mark(place: &Range<usize>, kind: Kind, items: &[String]) -> String {
    let letter = LETTERS.iter().find(|(_, other)| *other == kind).map_or('V', |(letter, _)| *letter);
    let mut mark = format!("\0{letter}{}:{}:{}\0", place.start, place.end, items.len());
    for item in items {
        mark.push_str(item);
        mark.push('\0');
    }
    mark
}

/// Takes rendered text apart again; none if it was not made by the functions above.
pub(super) fn read(rendered: &str) -> Option<Vec<Rendered<'_>>> {
    let mut pieces = Vec::new();
    let mut at = 0;
    let mut rest = rendered;
    while !rest.is_empty() {
        let Some(header_and_rest) = rest.strip_prefix('\0') else {
            let end = rest.find('\0').unwrap_or(rest.len());
            pieces.push(Rendered::Text { at, text: &rest[..end] });
            at += end;
            rest = &rest[end..];
            continue;
        };
        let (header, after) = header_and_rest.split_once('\0')?;
        rest = after;
        let letter = header.chars().next()?;
        if letter == 'T' {
            at = header[1..].parse().ok()?;
            continue;
        }
        let kind = LETTERS.iter().find(|(other, _)| *other == letter)?.1;
        let mut numbers = header[1..].split(':').map(|number| number.parse::<usize>().ok());
        let (start, end, count) = (numbers.next()??, numbers.next()??, numbers.next()??);
        let mut items = Vec::new();
        for _ in 0..count {
            let (item, after) = rest.split_once('\0')?;
            items.push(item);
            rest = after;
        }
        pieces.push(Rendered::Value { place: start..end, kind, items });
    }
    Some(pieces)
}
