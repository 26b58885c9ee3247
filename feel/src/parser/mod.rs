//! The parser: feel-scala's grammar rule by rule, so that what Zeebe refuses is refused, and what it reads in its own way
//! is read in that way. Ordered choice without a lexer: keywords and names with spaces mean something only where a rule
//! expects them. Two rules remember what they found where, so that going back costs no more than going on.

mod operators;
mod support;
mod terminals;

use super::expression::Refusal;
use super::limits::{MAX_NESTING, MAX_TEXT};
use super::syntax::Node;
use std::collections::HashMap;

pub(super) use support::check;

/// Words that are no names on their own.
const RESERVED: [&str; 11] =
    ["null", "true", "false", "function", "in", "return", "then", "else", "satisfies", "and", "or"];

/// The rules that remember.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Rule {
    Expression,
    Arithmetic,
}

/// A rule gives None where it does not match; its caller decides whether that is an error.
struct Parser {
    text: Vec<char>,
    at: usize,
    /// The farthest place where a word did not match: where the mistake is.
    furthest: usize,
    /// Why nothing more is tried.
    refusal: Option<Refusal>,
    found: HashMap<(Rule, usize), Option<(Node, usize)>>,
    depth: usize,
}

/// Parses a whole text.
pub(super) fn parse(text: &str) -> Result<Node, Refusal> {
    let text: Vec<char> = text.chars().collect();
    if text.len() > MAX_TEXT {
        let reason = format!("an expression has at most {MAX_TEXT} characters");
        return Err(Refusal { reason, column: MAX_TEXT, legal: true });
    }
    let mut parser = Parser { text, at: 0, furthest: 0, refusal: None, found: HashMap::new(), depth: 0 };
    let found = parser.expression();
    parser.space();
    match (parser.refusal.take(), found) {
        (Some(refusal), _) => Err(refusal),
        (None, Some(node)) if parser.at == parser.text.len() => Ok(node),
        _ => Err(parser.mistake()),
    }
}

impl Parser {
    fn mistake(&self) -> Refusal {
        let at = self.furthest.max(self.at);
        let rest: String = self.text.iter().skip(at).take(20).collect();
        let reason = if rest.is_empty() {
            "it ends too early".to_owned()
        } else {
            format!("nothing in FEEL goes on with `{rest}` here")
        };
        Refusal { reason, column: at + 1, legal: false }
    }

    fn refuse<T>(&mut self, at: usize, reason: impl Into<String>) -> Option<T> {
        self.refusal.get_or_insert(Refusal { reason: reason.into(), column: at + 1, legal: true });
        None
    }

    /// Goes back to where it was when `rule` does not match.
    fn attempt<T>(&mut self, rule: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let start = self.at;
        let found = rule(self);
        if found.is_none() {
            self.at = start;
        }
        found
    }

    /// A rule whose matches are remembered; also where nesting is limited, since all of it goes through here.
    fn remember(&mut self, rule: Rule, body: fn(&mut Self) -> Option<Node>) -> Option<Node> {
        self.space();
        let start = self.at;
        if let Some(known) = self.found.get(&(rule, start)) {
            let (node, end) = known.clone()?;
            self.at = end;
            return Some(node);
        }
        if self.depth == MAX_NESTING {
            return self.refuse(start, format!("expressions nest at most {MAX_NESTING} deep"));
        }
        self.depth += 1;
        let found = self.attempt(body);
        self.depth -= 1;
        self.found.insert((rule, start), found.clone().map(|node| (node, self.at)));
        found
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied().filter(|_| self.refusal.is_none())
    }

    /// The text right here, with nothing before it.
    fn exactly(&mut self, word: &str) -> Option<()> {
        let matches = self.refusal.is_none()
            && word.chars().enumerate().all(|(index, c)| self.text.get(self.at + index) == Some(&c));
        if matches {
            self.at += word.chars().count();
            return Some(());
        }
        self.furthest = self.furthest.max(self.at);
        None
    }

    /// The text after spaces; as in Zeebe, more letters may follow.
    fn word(&mut self, word: &str) -> Option<()> {
        self.space();
        self.exactly(word)
    }

    /// The first of the words that is there.
    fn one_of<T: Copy>(&mut self, words: &[(&str, T)]) -> Option<T> {
        self.space();
        words.iter().find(|(word, _)| self.exactly(word).is_some()).map(|(_, meaning)| *meaning)
    }

    /// Items between commas.
    fn separated<T>(&mut self, item: fn(&mut Self) -> Option<T>) -> Vec<T> {
        let mut items: Vec<T> = self.attempt(item).into_iter().collect();
        if !items.is_empty() {
            items.extend(std::iter::from_fn(|| {
                self.attempt(|parser| {
                    parser.word(",")?;
                    item(parser)
                })
            }));
        }
        items
    }

    fn some_separated<T>(&mut self, item: fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        Some(self.separated(item)).filter(|items| !items.is_empty())
    }

    /// Skips spaces and comments.
    fn space(&mut self) {
        while let Some(c) = self.peek() {
            let next = self.text.get(self.at + 1);
            if is_space(c) {
                self.at += 1;
            } else if c == '/' && next == Some(&'/') {
                self.at += self.text[self.at..].iter().position(|c| *c == '\n').unwrap_or(self.text.len() - self.at);
            } else if c == '/' && next == Some(&'*') {
                let start = self.at + 2;
                match self.text[start..].windows(2).position(|pair| pair == ['*', '/']) {
                    Some(length) => self.at = start + length + 2,
                    None => {
                        let reason = "this comment has no end".to_owned();
                        self.refusal.get_or_insert(Refusal { reason, column: self.at + 1, legal: false });
                        return;
                    }
                }
            } else {
                return;
            }
        }
    }

    /// A name of letters, digits, `_` and `$`; not a reserved word.
    fn identifier(&mut self) -> Option<String> {
        let start = self.at;
        let starts = self.peek().is_some_and(|c| c.is_alphabetic() || c == '_' || c == '$');
        let length = self.text[start..].iter().take_while(|c| is_name_part(**c)).count();
        let name: String = self.text[start..start + length].iter().collect();
        if !starts || RESERVED.contains(&name.as_str()) {
            self.furthest = self.furthest.max(start);
            return None;
        }
        self.at += length;
        Some(name)
    }

    /// Two or more names with spaces between: some functions and their parameters are named so.
    fn spaced_identifier(&mut self) -> Option<String> {
        self.space();
        let start = self.at;
        self.attempt(|parser| {
            parser.identifier()?;
            let mut more = 0;
            while parser.attempt(Self::spaces_and_identifier).is_some() {
                more += 1;
            }
            (more > 0).then(|| parser.text[start..parser.at].iter().collect())
        })
    }

    fn spaces_and_identifier(&mut self) -> Option<String> {
        self.exactly(" ")?;
        while self.exactly(" ").is_some() {}
        self.identifier()
    }

    /// A name, or anything between backticks.
    fn name(&mut self) -> Option<String> {
        self.space();
        if let Some(name) = self.identifier() {
            return Some(name);
        }
        self.exactly("`")?;
        let start = self.at;
        let length = self.text[start..].iter().position(|c| *c == '`').filter(|length| *length > 0)?;
        self.at += length + 1;
        Some(self.text[start..start + length].iter().collect())
    }

    /// An entry's name in a path; one property of times has a space.
    fn key(&mut self) -> Option<String> {
        match self.word("time offset") {
            Some(()) => Some("time offset".to_owned()),
            None => self.name(),
        }
    }

    fn qualified_name(&mut self) -> Option<Vec<String>> {
        let mut names = vec![self.key()?];
        names.extend(std::iter::from_fn(|| {
            self.attempt(|parser| {
                parser.word(".")?;
                parser.key()
            })
        }));
        Some(names)
    }

    /// What is between quotes, escapes not yet replaced.
    fn quoted(&mut self) -> Option<String> {
        self.word("\"")?;
        let start = self.at;
        while let Some(c) = self.peek() {
            match c {
                '"' => {
                    self.at += 1;
                    return Some(self.text[start..self.at - 1].iter().collect());
                }
                '\\' => self.at = (self.at + 2).min(self.text.len()),
                _ => self.at += 1,
            }
        }
        None
    }
}

fn is_name_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// FEEL 1.3, grammar rules 61 and 62.
fn is_space(c: char) -> bool {
    matches!(c, '\t'..='\r' | ' ' | '\u{85}' | '\u{a0}' | '\u{1680}' | '\u{180e}' | '\u{2000}'..='\u{200b}'
        | '\u{2028}' | '\u{2029}' | '\u{202f}' | '\u{205f}' | '\u{3000}' | '\u{feff}')
}
