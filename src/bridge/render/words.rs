//! Splits rendered text into arguments the way a POSIX shell splits words, with marked values as opaque characters.

use super::marks::{Item, Kind, Rendered};
use super::scan::{self, Piece};
use std::ops::Range;

/// A mistake at a byte offset of the template.
type Mistake = (usize, String);

const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];
const SHELL_SIGNS: [&str; 9] = ["|", "||", "&", "&&", ";", "<", ">", ">>", "2>&1"];

/// The argument vector, or the first mistake.
pub(super) fn split(pieces: &[Rendered<'_>], source: &str) -> Result<Vec<String>, Mistake> {
    let mut words = Words { source, args: Vec::new(), word: None, quote: None, at: 0 };
    for piece in pieces {
        match piece {
            Rendered::Text { at, text } => words.text(*at, text)?,
            Rendered::Value { place, spread, items } => words.value(place, *spread, items)?,
        }
    }
    words.finish()
}

/// What can be said before there are values: the words as if every tag were absent and every placeholder had an empty
/// value.
pub(super) fn skeleton(source: &str) -> Result<Vec<String>, Mistake> {
    let pieces = scan::pieces(source).into_iter().filter_map(|piece| match piece {
        Piece::Text { range, .. } => Some(Rendered::Text { at: range.start, text: &source[range] }),
        Piece::Value { inner } if source[inner.clone()].trim_start().starts_with("throw") => None,
        Piece::Value { inner } => {
            let expression = source[inner.clone()].trim();
            let start = inner.start + source[inner].find(expression).unwrap_or(0);
            Some(Rendered::Value {
                place: start..start + expression.len(),
                spread: false,
                items: vec![(Kind::Plain, "")],
            })
        }
        Piece::Tag { .. } => None,
    });
    split(&pieces.collect::<Vec<_>>(), source)
}

struct Words<'a> {
    source: &'a str,
    args: Vec<String>,
    word: Option<Word>,
    quote: Option<Quote>,
    /// Where in the source we are, for what is found at the end.
    at: usize,
}

struct Word {
    text: String,
    start: usize,
    quoted: bool,
    /// `| args` was here, so that nothing may follow before the next blank.
    expanded: Option<Range<usize>>,
}

#[derive(Clone, Copy)]
struct Quote {
    sign: char,
    at: usize,
}

impl Words<'_> {
    fn text(&mut self, start: usize, text: &str) -> Result<(), Mistake> {
        let mut characters = text.char_indices().peekable();
        while let Some((offset, character)) = characters.next() {
            let at = start + offset;
            self.at = at;
            match (self.quote, character) {
                (Some(quote), _) if quote.sign == character => self.quote = None,
                (Some(Quote { sign: '"', .. }), '\\') => {
                    match characters.next_if(|(_, next)| ['"', '\\', '$', '`', '\n'].contains(next)) {
                        Some((_, '\n')) => {}
                        Some((_, next)) => self.push(at, next)?,
                        None => self.push(at, '\\')?,
                    }
                }
                (Some(_), _) => self.push(at, character)?,
                (None, '\'' | '"') => {
                    self.quote = Some(Quote { sign: character, at });
                    self.open(at)?.quoted = true;
                }
                (None, '\\') => match characters.next() {
                    Some((_, '\n')) => {}
                    Some((_, next)) => {
                        self.push(at, next)?;
                        self.open(at)?.quoted = true;
                    }
                    None => {
                        let message = "nothing follows this backslash; write `\\\\` for a backslash, or remove it";
                        return Err((at, message.to_owned()));
                    }
                },
                (None, blank) if BLANKS.contains(&blank) => self.close()?,
                (None, _) => self.push(at, character)?,
            }
        }
        Ok(())
    }

    fn value(&mut self, place: &Range<usize>, spread: bool, items: &[Item<&str>]) -> Result<(), Mistake> {
        let expression = &self.source[place.clone()];
        if let Some(quote) = self.quote {
            let message = format!(
                "the placeholder stands inside quotes ({} opened at column {}); write `{{{{ {expression} }}}}` without \
                 quotes: a value is always one argument, blanks and all",
                quote.sign,
                column(self.source, quote.at)
            );
            return Err((place.start, message));
        }
        if self.args.is_empty() {
            let message = format!(
                "the program cannot come from a value; write its name in the template, before `{{{{ {expression} }}}}`"
            );
            return Err((place.start, message));
        }
        if spread {
            return self.expand(place, items);
        }
        for (kind, text) in items {
            let starts = self.word.as_ref().is_none_or(|word| word.text.is_empty());
            if starts && *kind == Kind::Text {
                refuse_dash(expression, place, text, "option")?;
            }
            self.open(place.start)?.text.push_str(text);
        }
        Ok(())
    }

    fn expand(&mut self, place: &Range<usize>, items: &[Item<&str>]) -> Result<(), Mistake> {
        if self.word.is_some() {
            return Err(glued(place, &self.source[place.clone()]));
        }
        for (kind, item) in items {
            if *kind == Kind::Text {
                refuse_dash(&self.source[place.clone()], place, item, "args | option")?;
            }
            self.args.push((*item).to_owned());
        }
        let expanded = Some(place.clone());
        self.word = Some(Word { text: String::new(), start: place.start, quoted: false, expanded });
        Ok(())
    }

    fn open(&mut self, at: usize) -> Result<&mut Word, Mistake> {
        if let Some(place) = self.word.as_ref().and_then(|word| word.expanded.clone()) {
            return Err(glued(&place, &self.source[place.clone()]));
        }
        Ok(self.word.get_or_insert_with(|| Word { text: String::new(), start: at, quoted: false, expanded: None }))
    }

    fn push(&mut self, at: usize, character: char) -> Result<(), Mistake> {
        self.open(at)?.text.push(character);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Mistake> {
        let Some(word) = self.word.take() else { return Ok(()) };
        if word.expanded.is_some() {
            return Ok(());
        }
        if !word.quoted
            && SHELL_SIGNS.contains(&word.text.as_str())
            && self.source[word.start..].starts_with(&word.text)
        {
            let message = format!(
                "`{0}` is for a shell, and there is none; remove it, or write `'{0}'` to hand it to the program",
                word.text
            );
            return Err((word.start, message));
        }
        if self.args.is_empty() && word.text.is_empty() {
            return Err((word.start, "the program's name is empty; write which program to run".to_owned()));
        }
        self.args.push(word.text);
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<String>, Mistake> {
        if let Some(quote) = self.quote {
            let message = format!(
                "the quote {0} is never closed; close it, or write `\\{0}` where the sign itself is meant",
                quote.sign
            );
            return Err((quote.at, message));
        }
        self.close()?;
        if self.args.is_empty() {
            return Err((self.at, "the command is empty; write the program and its arguments".to_owned()));
        }
        Ok(self.args)
    }
}

fn refuse_dash(expression: &str, place: &Range<usize>, text: &str, filter: &str) -> Result<(), Mistake> {
    if !text.starts_with('-') {
        return Ok(());
    }
    let base = expression.split('|').next().unwrap_or(expression).trim();
    let message = format!(
        "the value of `{expression}` starts an argument with `-` ({}), so the program would take it for an option; \
         write `{{{{ {base} | {filter} }}}}` if it may be one, or put text before it, as in `./{{{{ {base} }}}}`",
        shown(text)
    );
    Err((place.start, message))
}

fn glued(place: &Range<usize>, expression: &str) -> Mistake {
    let message = format!(
        "`{{{{ {expression} }}}}` becomes several arguments; put blanks before and after it, or use `| join(sep=…)`"
    );
    (place.start, message)
}

/// The start of a value, quoted, short enough for a message.
pub(super) fn shown(text: &str) -> String {
    const MOST: usize = 40;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

fn column(source: &str, at: usize) -> usize {
    source[..at].chars().rev().take_while(|character| *character != '\n').count() + 1
}
