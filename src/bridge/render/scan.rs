//! Finds the text, placeholders and tags of a Tera source, and the tokens inside them, with their places.
//!
//! Tera itself has accepted the source before, so a missing end cannot occur; if it did, the rest is taken.

use std::ops::Range;

/// One piece of a template; ranges are bytes of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Literal text as it is rendered: blanks that a `-` beside it removes at its start are left out.
    Text { range: Range<usize>, raw: bool },
    /// What stands between `{{` and `}}`.
    Value { inner: Range<usize> },
    /// What stands between `{%` and `%}`.
    Tag { inner: Range<usize> },
}

/// One token of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Ident,
    Literal,
    Sign,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) range: Range<usize>,
}

/// The pieces of a source, in order.
pub(super) fn pieces(source: &str) -> Vec<Piece> {
    let mut found = Vec::new();
    let mut at = 0;
    let mut trimmed = false;
    while at < source.len() {
        let start = next_marker(source, at);
        push_text(&mut found, source, at..start, trimmed, false);
        trimmed = trimmed && start == at;
        let Some(opening) = source.get(start..start + 2) else { break };
        let inner_start = start + 2 + usize::from(source[start + 2..].starts_with('-'));
        if opening == "{#" {
            let end = source[start + 2..].find("#}").map_or(source.len(), |end| start + 2 + end);
            trimmed |= end > start + 2 && source[..end].ends_with('-');
            at = (end + 2).min(source.len());
            continue;
        }
        let closing = if opening == "{{" { "}}" } else { "%}" };
        let (inner_end, end) = closing_of(source, inner_start, closing);
        let inner = inner_start..inner_end;
        trimmed = end > inner_end + 2;
        at = end;
        if opening == "{{" {
            found.push(Piece::Value { inner });
        } else if source[inner].trim() == "raw" {
            let (body_end, end, end_trimmed) = end_of_raw(source, at);
            push_text(&mut found, source, at..body_end, trimmed, true);
            trimmed = end_trimmed;
            at = end;
        } else {
            found.push(Piece::Tag { inner: inner_start..inner_end });
        }
    }
    found
}

fn push_text(found: &mut Vec<Piece>, source: &str, range: Range<usize>, trimmed: bool, raw: bool) {
    let text = &source[range.clone()];
    let start = if trimmed { range.end - text.trim_start().len() } else { range.start };
    if start < range.end {
        found.push(Piece::Text { range: start..range.end, raw });
    }
}

fn next_marker(source: &str, at: usize) -> usize {
    let found = source.as_bytes()[at..].windows(2).position(|two| matches!(two, b"{{" | b"{%" | b"{#"));
    found.map_or(source.len(), |offset| at + offset)
}

/// Where the inner part ends, and where the text goes on.
fn closing_of(source: &str, start: usize, closing: &str) -> (usize, usize) {
    let mut at = start;
    while at < source.len() {
        let rest = &source[at..];
        if rest.starts_with(closing) {
            return (at, at + 2);
        }
        if rest.strip_prefix('-').is_some_and(|rest| rest.starts_with(closing)) {
            return (at, at + 3);
        }
        at += token_length(rest);
    }
    (source.len(), source.len())
}

/// Where a raw block's body ends, where the text goes on, and whether the blanks there are removed.
fn end_of_raw(source: &str, start: usize) -> (usize, usize, bool) {
    for (offset, _) in source[start..].match_indices("{%") {
        let body_end = start + offset;
        let (inner_end, end) = closing_of(source, body_end + 2, "%}");
        if source[body_end + 2..inner_end].trim_start_matches('-').trim() == "endraw" {
            return (body_end, end, end > inner_end + 2);
        }
    }
    (source.len(), source.len(), false)
}

/// The tokens of an expression or tag; blanks between them are left out.
pub(super) fn tokens(source: &str, inner: Range<usize>) -> Vec<Token> {
    let mut found = Vec::new();
    let mut at = inner.start;
    while at < inner.end {
        let rest = &source[at..inner.end];
        let length = token_length(rest);
        let kind = match rest.as_bytes()[0] {
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => Some(Kind::Ident),
            b'0'..=b'9' | b'\'' | b'"' | b'`' => Some(Kind::Literal),
            byte if byte.is_ascii_whitespace() => None,
            _ => Some(Kind::Sign),
        };
        found.extend(kind.map(|kind| Token { kind, range: at..at + length }));
        at += length;
    }
    found
}

/// The length in bytes, at least one character, of the token or blank that a text starts with.
fn token_length(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    match bytes[0] {
        b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
            bytes.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count()
        }
        b'0'..=b'9' => bytes.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count(),
        quote @ (b'\'' | b'"' | b'`') => string_length(bytes, quote),
        _ if ["?.", "?[", "==", "!=", "<=", ">="].iter().any(|sign| rest.starts_with(sign)) => 2,
        _ => rest.chars().next().map_or(1, char::len_utf8),
    }
}

fn string_length(bytes: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::{Piece, pieces, tokens};

    fn shown(source: &str) -> Vec<String> {
        let show = |piece: &Piece| match piece {
            Piece::Text { range, raw } => {
                format!("{}text {:?}", if *raw { "raw " } else { "" }, &source[range.clone()])
            }
            Piece::Value { inner } => format!("value {:?}", &source[inner.clone()]),
            Piece::Tag { inner } => format!("tag {:?}", &source[inner.clone()]),
        };
        pieces(source).iter().map(show).collect()
    }

    #[test]
    fn pieces_are_found_as_tera_finds_them() {
        assert_eq!(shown("a {{ b }}c"), ["text \"a \"", "value \" b \"", "text \"c\""]);
        assert_eq!(shown("{{- b -}}  c"), ["value \" b \"", "text \"c\""]);
        assert_eq!(
            shown("{% if x %}y{%- endif -%} z"),
            ["tag \" if x \"", "text \"y\"", "tag \" endif \"", "text \"z\""]
        );
        assert_eq!(shown("{{ '}}' }}x"), ["value \" '}}' \"", "text \"x\""]);
        assert_eq!(shown("a{# {{ b }} -#}  c"), ["text \"a\"", "text \"c\""]);
        assert_eq!(shown("{% raw %}{{ b }}{% endraw %}c"), ["raw text \"{{ b }}\"", "text \"c\""]);
        assert_eq!(shown("ä{"), ["text \"ä{\""]);
    }

    #[test]
    fn tokens_keep_strings_and_numbers_whole() {
        let source = r#"a.b[1.5] | default(value="x \" y") == c?.d"#;
        let found: Vec<_> = tokens(source, 0..source.len()).into_iter().map(|token| &source[token.range]).collect();
        let expected = [
            "a",
            ".",
            "b",
            "[",
            "1.5",
            "]",
            "|",
            "default",
            "(",
            "value",
            "=",
            r#""x \" y""#,
            ")",
            "==",
            "c",
            "?.",
            "d",
        ];
        assert_eq!(found, expected);
    }
}
