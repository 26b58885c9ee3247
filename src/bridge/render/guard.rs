//! Checks a template's source, and rewrites it so that values are marked and unknown names are errors.
//!
//! `x {{ P_ }}` becomes `x {{ ((P_ | KNOWN(…)) | VALUE(…)) }}`: [`KNOWN`] refuses unknown and null, [`VALUE`] marks.
//! A name is left as it is where the template says what happens without it: `| default(…)`, `is defined`, `a?.b`, or
//! the name is declared optional. Whatever is read, made by a filter or looped over goes through [`SPENT`], which ends
//! a rendering that costs too much.

use super::budget::SPENT;
use super::marks;
use super::scan::{Kind, Piece, Token, pieces, tokens};
use std::collections::BTreeSet;
use std::ops::Range;

pub(super) const KNOWN: &str = "zeebe2faas_known";
pub(super) const VALUE: &str = "zeebe2faas_value";

/// Tera's own filters that a command may use (pure, and never silent about null), and ours.
pub(super) const FILTERS: [&str; 20] = [
    "abs", "args", "default", "first", "float", "int", "join", "last", "length", "lower", "nth", "option", "replace",
    "reverse", "round", "sort", "split", "trim", "unique", "upper",
];
const TESTS: [&str; 17] = [
    "array",
    "bool",
    "containing",
    "defined",
    "divisible_by",
    "ending_with",
    "even",
    "float",
    "integer",
    "iterable",
    "map",
    "none",
    "number",
    "odd",
    "starting_with",
    "string",
    "undefined",
];
const TAGS: [&str; 10] = ["if", "elif", "else", "endif", "for", "endfor", "set", "set_global", "break", "continue"];
const WORDS: [&str; 14] =
    ["and", "or", "not", "in", "is", "if", "else", "true", "false", "True", "False", "none", "None", "null"];

/// A mistake at a byte offset of the source.
pub(super) type Mistake = (usize, String);

/// The rewritten source, and how its offsets map to the original's.
#[derive(Debug)]
pub(super) struct Guarded {
    pub(super) text: String,
    /// Names of which the source does not say what happens without them.
    pub(super) needed: BTreeSet<String>,
    insertions: Vec<Insertion>,
}

/// Text put into the source at an offset; what Tera says of it is meant for the offset `means`.
#[derive(Debug)]
struct Insertion {
    at: usize,
    text: String,
    means: usize,
}

impl Guarded {
    /// The offset in the original source of an offset in the rewritten one.
    pub(super) fn original(&self, offset: usize) -> usize {
        let mut shift = 0;
        for Insertion { at, text, means } in &self.insertions {
            if offset < at + shift {
                break;
            }
            if offset < at + shift + text.len() {
                return *means;
            }
            shift += text.len();
        }
        offset - shift
    }
}

/// Checks and rewrites a source, or says every mistake in it.
pub(super) fn guard(source: &str, optional: &[String]) -> Result<Guarded, Vec<Mistake>> {
    let mut walk = Walk {
        source,
        optional,
        in_placeholder: false,
        insertions: Vec::new(),
        mistakes: Vec::new(),
        needed: BTreeSet::new(),
        spared: BTreeSet::new(),
    };
    if let Some(offset) = source.find('\0') {
        return Err(vec![(offset, "a NUL byte cannot be part of a command; remove it".to_owned())]);
    }
    for piece in pieces(source) {
        match piece {
            Piece::Text { range, raw } => walk.text(range, raw),
            Piece::Value { inner } => walk.value(inner),
            Piece::Tag { inner } => walk.tag(inner),
        }
    }
    if !walk.mistakes.is_empty() {
        return Err(walk.mistakes);
    }
    Ok(walk.rewritten())
}

struct Walk<'a> {
    source: &'a str,
    optional: &'a [String],
    in_placeholder: bool,
    insertions: Vec<Insertion>,
    mistakes: Vec<Mistake>,
    needed: BTreeSet<&'a str>,
    spared: BTreeSet<&'a str>,
}

impl<'a> Walk<'a> {
    fn text(&mut self, range: Range<usize>, raw: bool) {
        self.insert(range.start, marks::text_mark(range.start), range.start);
        if raw {
            return;
        }
        for (offset, name) in python_placeholders(&self.source[range.clone()]) {
            self.mistakes.push((
                range.start + offset,
                format!(
                    "`{{{name}}}` is left over from Python (or shell) formatting; write `{{{{ {name} }}}}`, or `\\{{{name}\\}}` \
                     where braces are meant"
                ),
            ));
        }
    }

    fn value(&mut self, inner: Range<usize>) {
        let tokens = tokens(self.source, inner);
        let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else { return };
        if self.is_sign(&tokens, 0, "<") {
            self.mistakes.push((first.range.start, "components cannot be used in a command".to_owned()));
        }
        self.insert(first.range.start, "(".to_owned(), first.range.start);
        self.in_placeholder = true;
        self.expression(&tokens, 0, tokens.len());
        let call = format!(") | {VALUE}(at={}, to={})", first.range.start, last.range.end);
        self.insert(last.range.end, call, first.range.start);
    }

    fn tag(&mut self, inner: Range<usize>) {
        let tokens = tokens(self.source, inner);
        let Some(first) = tokens.first() else { return };
        let name = self.of(first);
        if !TAGS.contains(&name) {
            let message = format!("the tag `{name}` cannot be used in a command; these can: {}, raw", TAGS.join(", "));
            self.mistakes.push((first.range.start, message));
        } else if name.starts_with("set") && !self.is_sign(&tokens, 2, "=") {
            let message = format!("`{name}` with a body cannot be used in a command; write `{{% {name} NAME = … %}}`");
            self.mistakes.push((first.range.start, message));
        } else {
            self.in_placeholder = false;
            self.expression(&tokens, 1, tokens.len());
        }
    }

    fn expression(&mut self, tokens: &[Token], mut at: usize, end: usize) {
        let mut binding = false;
        // What is put behind earlier tokens, innermost last.
        let mut closings: Vec<(usize, String)> = Vec::new();
        while at < end {
            self.close(tokens, &mut closings, at);
            let token = &tokens[at];
            let text = self.of(token);
            if token.kind != Kind::Ident {
                at += 1;
            } else if text == "for" || (at == 1 && self.of(&tokens[0]) == "for") {
                binding = true;
                at += 1;
            } else if WORDS.contains(&text) {
                if binding && text == "in" && at + 1 < end {
                    self.insert(tokens[at + 1].range.start, "((".to_owned(), tokens[at + 1].range.start);
                    let spent = format!(") | {SPENT}(each={}))", self.source.len());
                    closings.push((self.container_end(tokens, at + 1, end), spent));
                }
                binding = binding && text != "in";
                at += 1;
            } else if binding || self.is_sign(tokens, at + 1, "=") {
                at += 1;
            } else if at > 0 && self.is_sign(tokens, at - 1, "|") {
                self.listed("filter", &FILTERS, token);
                self.marks_last(tokens, at, end);
                if !["args", "option"].contains(&text) {
                    let last = if self.is_sign(tokens, at + 1, "(") { self.closing(tokens, at + 1, end) } else { at };
                    closings.push(((last + 1).min(end), format!(" | {SPENT}")));
                }
                at += 1;
            } else if self.is_test(tokens, at) {
                self.listed("test", &TESTS, token);
                at += 1;
            } else if self.is_sign(tokens, at + 1, "(") {
                self.listed("function", &["throw"], token);
                at += 1;
            } else {
                at = self.path(tokens, at, end);
            }
        }
        self.close(tokens, &mut closings, end);
    }

    fn close(&mut self, tokens: &[Token], closings: &mut Vec<(usize, String)>, at: usize) {
        while let Some((_, text)) = closings.pop_if(|(due, _)| *due <= at) {
            let place = tokens[at - 1].range.end;
            self.insert(place, text, place);
        }
    }

    /// Where what a loop goes through ends: at the tag's end, or before a comprehension's `if` or closing bracket.
    fn container_end(&self, tokens: &[Token], start: usize, end: usize) -> usize {
        let in_tag = self.of(&tokens[0]) == "for";
        let mut depth = 0_usize;
        for (at, token) in tokens.iter().enumerate().take(end).skip(start) {
            match self.of(token) {
                "(" | "[" | "?[" | "{" => depth += 1,
                ")" | "]" | "}" if depth == 0 => return at,
                ")" | "]" | "}" => depth -= 1,
                "if" if depth == 0 && !in_tag => return at,
                _ => {}
            }
        }
        end
    }

    /// A name with its fields and indices, as one; returns the token after it.
    fn path(&mut self, tokens: &[Token], start: usize, end: usize) -> usize {
        let root = self.of(&tokens[start]);
        if root.starts_with("__tera") {
            self.mistakes.push((tokens[start].range.start, format!("`{root}` cannot be used in a command")));
        }
        let opened = self.insertions.len();
        self.insert(tokens[start].range.start, "(".to_owned(), tokens[start].range.start);
        let mut may_be_missing = root == "loop" || self.optional.iter().any(|name| name == root);
        let mut at = start + 1;
        while at < end {
            match self.of(&tokens[at]) {
                "." => at += 2,
                "?." => {
                    may_be_missing = true;
                    at += 2;
                }
                bracket @ ("[" | "?[") => {
                    may_be_missing |= bracket == "?[";
                    let close = self.closing(tokens, at, end);
                    self.expression(tokens, at + 1, close);
                    at = close + 1;
                }
                _ => break,
            }
        }
        let at = at.min(end);
        if self.absence_is_handled(tokens, at) {
            self.insertions[opened].text.clear();
            self.spared.insert(root);
        } else if may_be_missing {
            self.spared.insert(root);
            let place = tokens[at - 1].range.end;
            self.insert(place, format!(" | {SPENT})"), tokens[start].range.start);
        } else {
            self.needed.insert(root);
            let place = tokens[start].range.start..tokens[at - 1].range.end;
            self.insert(place.end, format!(" | {KNOWN}(at={}, to={}))", place.start, place.end), place.start);
        }
        at
    }

    fn absence_is_handled(&self, tokens: &[Token], at: usize) -> bool {
        let word = |index: usize| tokens.get(index).map_or("", |token| self.of(token));
        let test = if word(at + 1) == "not" { word(at + 2) } else { word(at + 1) };
        (word(at) == "|" && word(at + 1) == "default")
            || (word(at) == "is" && ["defined", "undefined", "none"].contains(&test))
    }

    /// The token that closes the bracket at `open`.
    fn closing(&self, tokens: &[Token], open: usize, end: usize) -> usize {
        let mut depth = 0_usize;
        for (at, token) in tokens.iter().enumerate().take(end).skip(open) {
            match self.of(token) {
                "(" | "[" | "?[" => depth += 1,
                ")" | "]" if depth == 1 => return at,
                ")" | "]" => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        end
    }

    fn is_test(&self, tokens: &[Token], at: usize) -> bool {
        let before = |back: usize| at.checked_sub(back).map_or("", |index| self.of(&tokens[index]));
        before(1) == "is" || (before(1) == "not" && before(2) == "is")
    }

    fn listed(&mut self, what: &str, known: &[&str], token: &Token) {
        let name = self.of(token);
        if !known.contains(&name) {
            let message = format!("the {what} `{name}` is not known here; these are: {}", known.join(", "));
            self.mistakes.push((token.range.start, message));
        }
    }

    /// `| args` and `| option` say what a placeholder becomes, so they end one.
    fn marks_last(&mut self, tokens: &[Token], at: usize, end: usize) {
        let is_mark =
            |index: usize| tokens.get(index).is_some_and(|token| ["args", "option"].contains(&self.of(token)));
        let another = at + 2 < end && self.is_sign(tokens, at + 1, "|") && !is_mark(at + 2);
        if is_mark(at) && (another || !self.in_placeholder) {
            let message =
                format!("`| {}` must be the last filter of a placeholder `{{{{ … }}}}`", self.of(&tokens[at]));
            self.mistakes.push((tokens[at].range.start, message));
        }
    }

    fn is_sign(&self, tokens: &[Token], at: usize, sign: &str) -> bool {
        tokens.get(at).is_some_and(|token| self.of(token) == sign)
    }

    fn of(&self, token: &Token) -> &'a str {
        &self.source[token.range.clone()]
    }

    fn insert(&mut self, at: usize, text: String, means: usize) {
        self.insertions.push(Insertion { at, text, means });
    }

    fn rewritten(self) -> Guarded {
        let mut text = String::with_capacity(self.source.len() * 3);
        let mut copied = 0;
        for insertion in &self.insertions {
            text.push_str(&self.source[copied..insertion.at]);
            text.push_str(&insertion.text);
            copied = insertion.at;
        }
        text.push_str(&self.source[copied..]);
        let needed = self.needed.difference(&self.spared).map(|name| (*name).to_owned()).collect();
        Guarded { text, needed, insertions: self.insertions }
    }
}

/// `{name}`, `{name.field}`, `{name:03d}`, `{0}` in literal text; a backslash before the brace says it is meant.
fn python_placeholders(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (open, _) in text.match_indices('{') {
        let Some(length) = text[open..].find('}') else { break };
        let field = &text[open + 1..open + length];
        let name = field.split(['!', ':']).next().unwrap_or(field).trim();
        let parts = || name.split(['.', '[', ']']).filter(|part| !part.is_empty());
        let is_word = |part: &str| part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !text[..open].ends_with('\\') && parts().next().is_some() && parts().all(is_word) {
            found.push((open, name));
        }
    }
    found
}
