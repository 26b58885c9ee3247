//! How the places of text and values travel through Tera: between NUL bytes, which neither may contain.
//!
//! Text is announced by `NUL T offset NUL`. A placeholder becomes `NUL V start:end:count NUL` (or `A` where its items
//! are arguments of their own), then `count` times the item's kind, the item and NUL, so that whatever an item contains,
//! the next NUL ends it.

use std::ops::Range;

/// What a value may do to the argument that it is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A string, which must not start an argument with `-`.
    Text,
    /// A number or boolean: `-5` is no option.
    Plain,
    /// A string marked with `| option`, which may.
    Option,
}

const LETTERS: [(char, Kind); 3] = [('t', Kind::Text), ('p', Kind::Plain), ('o', Kind::Option)];

/// A placeholder's value, or one of the values that `| args` makes of an array.
pub(super) type Item<T> = (Kind, T);

/// A piece of rendered text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Rendered<'a> {
    /// Literal text, which stands at this offset of the source.
    Text { at: usize, text: &'a str },
    /// A placeholder: one item, or with `spread` (`| args`) any number. The place is the expression in the source.
    Value { place: Range<usize>, spread: bool, items: Vec<Item<&'a str>> },
}

/// Announces literal text from this offset of the source.
pub(super) fn text_mark(offset: usize) -> String {
    format!("\0T{offset}\0")
}

/// Encodes one placeholder; no item may contain NUL.
pub(super) fn value_mark(place: &Range<usize>, spread: bool, items: &[Item<String>]) -> String {
    let letter = if spread { 'A' } else { 'V' };
    format!("\0{letter}{}:{}:{}\0{}", place.start, place.end, items.len(), encode_items(items))
}

/// Items one after the other, each ended by NUL.
pub(super) fn encode_items(items: &[Item<String>]) -> String {
    let letter = |kind| LETTERS.iter().find(|(_, other)| *other == kind).map_or('t', |(letter, _)| *letter);
    items.iter().map(|(kind, text)| format!("{}{text}\0", letter(*kind))).collect()
}

/// Takes one item from the start of encoded ones.
pub(super) fn decode_item(encoded: &str) -> Option<(Item<&str>, &str)> {
    let (item, rest) = encoded.split_once('\0')?;
    let letter = item.chars().next()?;
    let kind = LETTERS.iter().find(|(other, _)| *other == letter)?.1;
    Some(((kind, &item[1..]), rest))
}

/// Takes rendered text apart again; none if it was not made by the functions above.
pub(super) fn read(rendered: &str) -> Option<Vec<Rendered<'_>>> {
    let mut pieces = Vec::new();
    let mut at = 0;
    let mut rest = rendered;
    while !rest.is_empty() {
        let Some(marked) = rest.strip_prefix('\0') else {
            let end = rest.find('\0').unwrap_or(rest.len());
            pieces.push(Rendered::Text { at, text: &rest[..end] });
            at += end;
            rest = &rest[end..];
            continue;
        };
        let (header, after) = marked.split_once('\0')?;
        rest = after;
        let letter = header.chars().next()?;
        let mut numbers = header.get(1..)?.split(':').map(|number| number.parse::<usize>().ok());
        let start = numbers.next()??;
        if letter == 'T' {
            at = start;
            continue;
        }
        let (end, count) = (numbers.next()??, numbers.next()??);
        let mut items = Vec::new();
        for _ in 0..count {
            let (item, after) = decode_item(rest)?;
            items.push(item);
            rest = after;
        }
        pieces.push(Rendered::Value { place: start..end, spread: letter == 'A', items });
    }
    Some(pieces)
}
