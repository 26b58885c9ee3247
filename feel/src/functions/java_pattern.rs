//! Java's regular expressions, as far as they can be said in those of `fancy-regex`; others are refused.

use super::super::evaluate::Fault;
use super::super::limits::MAX_BACKTRACKS;
use super::strings::fits;
use fancy_regex::{Captures, Regex, RegexBuilder};

/// What Java's `.` does not match.
const LINE_ENDS: &str = r"\n\r\x{85}\x{2028}\x{2029}";
/// Where Java's `$` matches: at the end, and before a line end there.
const END: &str = r"(?=(?:\r\n|[\n\r\x{85}\x{2028}\x{2029}])?\z)";

/// A regular expression of Java's.
pub(in super::super) struct Pattern(Regex);

impl Pattern {
    /// Reads a pattern; of Java's flags there are `s` and `i`.
    ///
    /// # Errors
    ///
    /// Says what is not supported or wrong.
    pub(in super::super) fn parse(pattern: &str, flags: &str) -> Result<Self, String> {
        if flags.contains(['m', 'x']) {
            return Err("the flags `m` and `x` are not supported".to_owned());
        }
        let translated = translate(pattern, flags.contains('s'))?;
        let built = RegexBuilder::new(&translated)
            .case_insensitive(flags.contains('i'))
            .backtrack_limit(MAX_BACKTRACKS)
            .build();
        built.map(Self).map_err(|error| error.to_string())
    }

    pub(super) fn is_match(&self, text: &str) -> Result<bool, Fault> {
        self.0.is_match(text).map_err(|error| too_hard(&error))
    }

    /// Every match, with its groups.
    fn all<'t>(&self, text: &'t str) -> Result<Vec<Captures<'t, str>>, Fault> {
        self.0.captures_iter(text).collect::<Result<_, _>>().map_err(|error| too_hard(&error))
    }

    pub(super) fn find_all(&self, text: &str) -> Result<Vec<String>, Fault> {
        let found = self.all(text)?;
        Ok(found.iter().filter_map(|captures| captures.get(0)).map(|group| group.as_str().to_owned()).collect())
    }

    /// None when the replacement names a group that is not there.
    pub(super) fn replace_all(&self, text: &str, replacement: &str) -> Result<Option<String>, Fault> {
        let (mut replaced, mut end) = (String::new(), 0);
        for captures in self.all(text)? {
            let Some(whole) = captures.get(0) else { continue };
            replaced.push_str(&text[end..whole.start()]);
            let Some(()) = expand(replacement, &captures, &mut replaced) else { return Ok(None) };
            fits(replaced.len())?;
            end = whole.end();
        }
        replaced.push_str(&text[end..]);
        Ok(Some(replaced))
    }

    /// Java leaves out an empty match at the very start.
    pub(super) fn split(&self, text: &str) -> Result<Vec<String>, Fault> {
        let (mut parts, mut end) = (Vec::new(), 0);
        for captures in self.all(text)? {
            let Some(whole) = captures.get(0).filter(|whole| whole.end() > 0) else { continue };
            parts.push(text[end..whole.start()].to_owned());
            end = whole.end();
        }
        parts.push(text[end..].to_owned());
        Ok(parts)
    }
}

fn too_hard(error: &fancy_regex::Error) -> Fault {
    Fault::Thrown(format!("the regular expression takes too long: {error}"))
}

/// Java's replacements: `$1`, `${name}`, and a backslash before what is meant as it is.
fn expand(replacement: &str, captures: &Captures<'_, str>, into: &mut String) -> Option<()> {
    let mut rest = replacement.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => into.push(rest.next()?),
            '$' if rest.peek() == Some(&'{') => {
                let name: String = rest.by_ref().skip(1).take_while(|c| *c != '}').collect();
                into.push_str(captures.name(&name)?.as_str());
            }
            '$' => {
                let mut group = usize::try_from(rest.next()?.to_digit(10)?).ok()?;
                // More digits belong to the number as long as there is such a group.
                while let Some(digit) = rest.peek().and_then(|c| c.to_digit(10)) {
                    let longer = group * 10 + usize::try_from(digit).ok()?;
                    if longer >= captures.len() {
                        break;
                    }
                    group = longer;
                    rest.next();
                }
                if group >= captures.len() {
                    return None;
                }
                into.push_str(captures.get(group).map_or("", |found| found.as_str()));
            }
            c => into.push(c),
        }
    }
    Some(())
}

/// The same pattern in the other dialect.
fn translate(pattern: &str, dot_all: bool) -> Result<String, String> {
    let mut translated = String::new();
    let mut rest = pattern.chars().peekable();
    let mut class = Class::Outside;
    while let Some(c) = rest.next() {
        let starts = class;
        class = class.after(c);
        match (c, starts) {
            ('\\', _) => {
                let escaped = rest.next().ok_or("it ends with a backslash")?;
                translated.push_str(&escape(escaped, starts != Class::Outside)?);
            }
            ('[', Class::Within | Class::Start) => return Err("a class within a class is not supported".to_owned()),
            ('&' | '~' | '-', Class::Within) if rest.peek() == Some(&c) => {
                return Err("operators between classes are not supported".to_owned());
            }
            ('.', Class::Outside) if dot_all => translated.push_str("(?s:.)"),
            ('.', Class::Outside) => translated.push_str(&format!("[^{LINE_ENDS}]")),
            ('$', Class::Outside) => translated.push_str(END),
            ('^', Class::Outside) => translated.push_str(r"\A"),
            ('(', Class::Outside) if rest.peek() == Some(&'?') => {
                translated.push_str(&group(&mut rest)?);
            }
            _ => translated.push(c),
        }
    }
    if class == Class::Outside { Ok(translated) } else { Err("a class has no end".to_owned()) }
}

/// Where in a class of characters a pattern is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Outside,
    /// Right behind `[` or `[^`, where `]` would be itself.
    Start,
    Within,
}

impl Class {
    fn after(self, c: char) -> Self {
        match (self, c) {
            (Self::Outside, '[') => Self::Start,
            (Self::Outside, _) | (Self::Within, ']') => Self::Outside,
            (Self::Start, '^') => Self::Start,
            _ => Self::Within,
        }
    }
}

/// The start of a group that is more than a group, `(` being taken already.
fn group(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, String> {
    rest.next();
    let kind = rest.next();
    let named = kind == Some('<') && rest.peek().is_some_and(char::is_ascii_alphabetic);
    match kind {
        Some(':' | '=' | '!' | '>' | '<') => {
            let name: String =
                if named { std::iter::from_fn(|| rest.next_if(|c| *c != '>')).collect() } else { String::new() };
            Ok(format!("(?{}{name}", kind.unwrap_or_default()))
        }
        _ => Err("flags within a pattern are not supported".to_owned()),
    }
}

/// Java's classes know ASCII only.
fn escape(escaped: char, in_class: bool) -> Result<String, String> {
    let (members, negated) = match escaped {
        'd' => ("0-9", false),
        'D' => ("0-9", true),
        'w' => ("a-zA-Z_0-9", false),
        'W' => ("a-zA-Z_0-9", true),
        's' => (r" \t\n\x0B\f\r", false),
        'S' => (r" \t\n\x0B\f\r", true),
        't' | 'n' | 'r' | 'f' | 'a' => return Ok(format!("\\{escaped}")),
        'A' | 'z' if !in_class => return Ok(format!("\\{escaped}")),
        '1'..='9' if !in_class => return Ok(format!("\\{escaped}")),
        // Before a letter or digit a backslash means something that is not known here, before others nothing.
        _ if escaped.is_alphanumeric() => return Err(format!("`\\{escaped}` is not supported")),
        _ if escaped.is_ascii_punctuation() => return Ok(format!("\\{escaped}")),
        _ => return Ok(escaped.to_string()),
    };
    match (in_class, negated) {
        (true, true) => Err(format!("`\\{escaped}` within a class is not supported")),
        (true, false) => Ok(members.to_owned()),
        (false, true) => Ok(format!("[^{members}]")),
        (false, false) => Ok(format!("[{members}]")),
    }
}
