//! Which files a command may name. What could be a path is taken for one: a wrong guess refuses, it never lets through.

use std::{
    fmt,
    io::ErrorKind,
    path::{Component, Path, PathBuf},
    str::FromStr,
};
use zeebe2faas_contract::Invocation;

/// Linux hands no longer argument to a program (`MAX_ARG_STRLEN`).
const MAX_ARGUMENT_BYTES: usize = 128 << 10;
/// Nor takes it a longer path (`PATH_MAX`).
const MAX_PATH_BYTES: usize = 4096;
/// In one argument with a `/` in it: each part of it could be a path, from any separator to any other.
const MAX_SEPARATORS: usize = 64;
/// Of an argument, a refusal shows no more.
const MAX_SHOWN_CHARACTERS: usize = 200;
/// Where OTB's extended file name begins: `in.tif?&skipcarto=true`.
const EXTENDED: &str = "?&";
/// GDAL's virtual file systems, whatever stands behind: archives, servers, memory.
const VIRTUAL: &str = "/vsi";
const SCHEME: &str = "://";
const PARENT: &str = "..";

/// The folders below which every path in a command must lie; none: paths are not limited.
///
/// As text: separated by `:` or `,`. Besides absolute folders it may list beginnings such as `/vsis3/bucket` and
/// `s3://bucket`, and `..`, which then is followed instead of refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedPaths {
    folders: Vec<PathBuf>,
    /// `/vsi…` and `scheme://…`: text, since no file system resolves them here.
    remote: Vec<String>,
    parents: bool,
}

/// How an argument is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A path, if it looks like one.
    Unknown,
    /// A path, whatever it looks like.
    Path,
    /// Said to be none, such as a formula: a path only where it undoubtedly is one.
    NoPath,
}

impl AllowedPaths {
    /// Whether every path is allowed.
    pub const fn is_unlimited(&self) -> bool {
        self.folders.is_empty() && self.remote.is_empty()
    }

    /// Checks the arguments from the one with index `first`. The next argument after a parameter of `no_paths` is
    /// none. Asks the file system where links lead: blocks.
    ///
    /// # Errors
    /// One sentence: which argument, why, and what to set.
    pub fn check(&self, invocation: &Invocation, first: usize, no_paths: &[String]) -> Result<(), String> {
        if self.is_unlimited() {
            return Ok(());
        }
        let roots = self.folders.iter().filter_map(|folder| resolve(folder).ok()).collect();
        let check = Check { allowed: self, roots };
        let mut parameter = None;
        for (index, argument) in invocation.args.iter().enumerate() {
            let follows = |names: &[String]| parameter.is_some_and(|name| names.iter().any(|other| other == name));
            let kind = match () {
                () if follows(&invocation.outputs) => Kind::Path,
                () if follows(no_paths) => Kind::NoPath,
                () => Kind::Unknown,
            };
            if index >= first {
                check.argument(argument, kind).map_err(|why| self.refusal(index, argument, &why))?;
            }
            parameter = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-'));
        }
        Ok(())
    }

    fn refusal(&self, index: usize, argument: &str, why: &str) -> String {
        let mut shown: String = argument.chars().take(MAX_SHOWN_CHARACTERS).collect();
        if shown.len() < argument.len() {
            shown.push('…');
        }
        format!(
            "argument {index} `{shown}` {why}; commands may name what lies below {self}: put it there, or add its folder \
             to the function's RUNNER_ALLOW_DIRS (a parameter whose value is no path: RUNNER_NO_PATHS)"
        )
    }
}

/// One look at a command.
struct Check<'a> {
    allowed: &'a AllowedPaths,
    /// Its folders, links followed.
    roots: Vec<PathBuf>,
}

impl Check<'_> {
    fn argument(&self, argument: &str, kind: Kind) -> Result<(), String> {
        if argument.len() > MAX_ARGUMENT_BYTES {
            return Err("is longer than a program can be given".to_owned());
        }
        let argument = &self.without_listed_remotes(argument)?;
        if !self.allowed.parents && climbs(argument) {
            return Err("holds `..`".to_owned());
        }
        let name = argument.split(EXTENDED).next().unwrap_or_default();
        match kind {
            Kind::NoPath if !argument.starts_with('/') => return self.if_there(argument),
            Kind::Path => self.path(name)?,
            _ => {}
        }
        // A program that knows no extended file names takes all of it for the name.
        self.whole(name)?;
        self.whole(argument)?;
        self.parts(argument)
    }

    /// An argument from its beginning: `/a`, `a/b`, `key=a/b`, `-I/a`, `DRIVER:"/a"`.
    fn whole(&self, text: &str) -> Result<(), String> {
        self.if_there(text)?;
        let Some(slash) = text.find('/') else { return Ok(()) };
        let start = match text[..slash].char_indices().rev().find(|(_, c)| separates(*c)) {
            Some((at, separator)) => at + separator.len_utf8(),
            // An option with its value attached.
            None if text.starts_with('-') => slash,
            None => 0,
        };
        self.path(&text[start..])
    }

    /// Words of a list, or of a text with blanks in it.
    fn parts(&self, text: &str) -> Result<(), String> {
        let separators: Vec<&str> = text.matches(separates).collect();
        if !text.contains('/') {
            return text.split(separates).try_for_each(|word| self.if_there(word));
        }
        if separators.len() > MAX_SEPARATORS {
            return Err(format!("holds a `/` and more than {MAX_SEPARATORS} separators, too many to be looked at"));
        }
        let attached = text.starts_with('-').then(|| text.find('/')).flatten();
        let after = text.match_indices(separates).map(|(at, separator)| at + separator.len());
        for start in after.chain([0]).chain(attached) {
            let rest = &text[start..];
            for end in rest.match_indices(separates).map(|(at, _)| at).chain([rest.len()]) {
                self.part(&rest[..end])?;
            }
        }
        Ok(())
    }

    /// A relative one that leads nowhere is let through: nothing can be opened there, and texts hold such words.
    fn part(&self, text: &str) -> Result<(), String> {
        let first = text.split('/').next().unwrap_or_default();
        if text.starts_with('/') || (text.contains('/') && is_there(first)) {
            return self.path(text);
        }
        self.if_there(text)
    }

    fn if_there(&self, text: &str) -> Result<(), String> {
        if is_there(text) { self.path(text) } else { Ok(()) }
    }

    fn path(&self, text: &str) -> Result<(), String> {
        if begins_virtual(text) {
            return Err(format!("names `{text}`, which is no file of a mounted folder"));
        }
        if text.len() > MAX_PATH_BYTES {
            return Err("is longer than a path can be".to_owned());
        }
        let resolved = resolve(Path::new(text))?;
        if self.roots.iter().any(|root| resolved.starts_with(root)) {
            return Ok(());
        }
        let named = Path::new(text) == resolved;
        Err(if named { "lies outside".to_owned() } else { format!("leads to `{}`, outside", resolved.display()) })
    }

    /// The argument without the remote locations that are listed; any other is an error.
    fn without_listed_remotes(&self, argument: &str) -> Result<String, String> {
        let (mut kept, mut rest) = (String::with_capacity(argument.len()), argument);
        while let Some(start) = remote_start(rest) {
            let location = &rest[start..];
            let before = rest[..start].chars().next_back();
            let listed = self.allowed.remote.iter();
            let length = listed.filter_map(|listed| length_below(before, location, listed)).max();
            let length = length.ok_or_else(|| {
                let shown: String = location.chars().take_while(|c| !separates(*c) || *c == ':').collect();
                format!("names `{shown}`, which is no file of a mounted folder")
            })?;
            kept.push_str(&rest[..start]);
            kept.push('_');
            rest = &location[length..];
        }
        kept.push_str(rest);
        Ok(kept)
    }
}

impl FromStr for AllowedPaths {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut paths = Self::default();
        for entry in entries(text) {
            if entry == PARENT {
                paths.parents = true;
            } else if begins_virtual(entry) || entry.contains(SCHEME) {
                paths.remote.push(entry.to_owned());
            } else if entry.starts_with('/') && !climbs(entry) {
                paths.folders.push(entry.into());
            } else {
                return Err(format!("`{entry}` is no absolute folder, no `/vsi…`, no `scheme://…` and not `..`"));
            }
        }
        if paths.parents && paths.is_unlimited() {
            return Err("`..` alone allows nothing; list folders beside it".to_owned());
        }
        Ok(paths)
    }
}

/// As in the setting.
impl fmt::Display for AllowedPaths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut texts = self.folders.iter().map(|folder| folder.to_string_lossy()).collect::<Vec<_>>();
        texts.extend(self.remote.iter().map(Into::into));
        f.write_str(&texts.join(", "))?;
        if self.parents { f.write_str(", ..") } else { Ok(()) }
    }
}

/// The colon of a scheme separates nothing.
fn entries(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let is_end = |(at, c): &(usize, char)| *c == ',' || (*c == ':' && !text[*at..].starts_with(SCHEME));
        let end = text.char_indices().find(is_end).map(|(at, _)| at);
        rest = end.map(|at| &text[at + 1..]);
        Some(text[..end.unwrap_or(text.len())].trim())
    })
    .filter(|entry| !entry.is_empty())
}

/// What programs are known to end a path with, or to begin one after.
fn separates(c: char) -> bool {
    c.is_whitespace() || c.is_control() || "=:,;|&?@\"'`()<>[]{}".contains(c)
}

/// Whether a `..` in it could lead upwards.
fn climbs(text: &str) -> bool {
    // Of three dots, the last two count as well.
    let mut dots = text.match_indices('.').map(|(at, _)| at).filter(|at| text[*at..].starts_with(PARENT));
    dots.any(|at| {
        let (before, after) = (&text[..at], &text[at + PARENT.len()..]);
        let begins = before.is_empty() || before.ends_with('/') || before.ends_with(separates);
        // `-I../x`: an option with its value attached.
        after.starts_with('/') || (begins && (after.is_empty() || after.starts_with(separates)))
    })
}

/// Whether the name stands for anything, were it for a link that leads nowhere.
fn is_there(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_PATH_BYTES && Path::new(text).symlink_metadata().is_ok()
}

fn begins_virtual(text: &str) -> bool {
    text.get(..VIRTUAL.len()).is_some_and(|start| start.eq_ignore_ascii_case(VIRTUAL))
}

/// Where the first `/vsi…` or `scheme://` begins.
fn remote_start(text: &str) -> Option<usize> {
    let begins = |at: usize| at == 0 || text[..at].ends_with(separates);
    let virtual_at = text.match_indices('/').map(|(at, _)| at).find(|at| begins_virtual(&text[*at..]) && begins(*at));
    let scheme_at = text.find(SCHEME).map(|at| {
        let scheme = text[..at].bytes().rev().take_while(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b)).count();
        at - scheme
    });
    virtual_at.into_iter().chain(scheme_at).min()
}

/// How long the location is, if it is `listed` or lies below it. Servers may decode what follows, so nothing there may
/// stand for `..` or begin anew.
fn length_below(before: Option<char>, location: &str, listed: &str) -> Option<usize> {
    let rest = location.strip_prefix(listed)?;
    let rest = &rest[..rest.find(separates).unwrap_or(rest.len())];
    let below = rest.is_empty() || rest.starts_with('/') || listed.ends_with('/');
    let lower = rest.to_ascii_lowercase();
    let honest = !climbs(rest) && !["%2e", "%2f", "%5c", "\\", VIRTUAL].iter().any(|trick| lower.contains(trick));
    // `https://host` must not become `https://host:80@elsewhere`, nor a bucket another of a longer name.
    let follows = &location[listed.len() + rest.len()..];
    let quoted = before.is_some_and(|quote| "\"'".contains(quote) && follows.starts_with(quote));
    let ends = rest.contains('/') || listed.ends_with('/') || follows.is_empty() || follows.starts_with(EXTENDED);
    (below && honest && (ends || quoted)).then_some(listed.len() + rest.len())
}

/// The path with links and `..` followed as far as it is there, and its other components behind.
fn resolve(path: &Path) -> Result<PathBuf, String> {
    let cannot = |error| format!("cannot be looked at ({error})");
    let absolute = std::path::absolute(path).map_err(cannot)?;
    let components: Vec<Component<'_>> = absolute.components().collect();
    let mut there = components.len();
    let mut resolved = loop {
        let head: PathBuf = components[..there].iter().collect();
        match head.canonicalize() {
            Ok(real) => break real,
            Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Err(cannot(error));
            }
            // What is written through such a link is made where it leads.
            Err(_) if head.is_symlink() => {
                return Err(format!("leads through `{}`, a link that leads nowhere", head.display()));
            }
            Err(_) => there -= 1,
        }
    };
    for component in &components[there..] {
        match component {
            Component::ParentDir => drop(resolved.pop()),
            other => resolved.push(other),
        }
    }
    Ok(resolved)
}

#[cfg(test)]
mod tests;
