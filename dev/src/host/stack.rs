//! OpenFaaS's own function file, `stack.yml`: what is read of it, and checked before anything starts.

use serde::Deserialize;
use std::{collections::BTreeMap, fs, io, path::PathBuf, time::Duration};

/// The watchdog's own default where the file names no `exec_timeout`.
const DEFAULT_EXEC_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_CONTENT_TYPE: &str = "application/octet-stream";

/// The functions of one `stack.yml`.
#[derive(Debug, Clone, Default)]
pub struct Stack {
    /// By name.
    pub functions: BTreeMap<String, FunctionSpec>,
}

/// One function, as its file declares it.
#[derive(Debug, Clone)]
pub struct FunctionSpec {
    /// The container image; shown, never pulled.
    pub image: String,
    /// Labels, shown by `/system/functions`.
    pub labels: BTreeMap<String, String>,
    /// Annotations, shown by `/system/functions`.
    pub annotations: BTreeMap<String, String>,
    /// Names of the secrets that a cluster would mount.
    pub secrets: Vec<String>,
    /// `fprocess`, split on blanks as of-watchdog does it: no quoting. Never empty.
    pub process: Vec<String>,
    /// How the watchdog speaks to the process.
    pub mode: Mode,
    /// How long one request may take; `None` (a configured 0) is without end.
    pub exec_timeout: Option<Duration>,
    /// Requests at once, above which the watchdog answers 429; 0 is without limit.
    pub max_inflight: usize,
    /// The content type of an answer in a fork mode.
    pub content_type: String,
    /// Everything under `environment`, handed to the process.
    pub environment: BTreeMap<String, String>,
}

/// of-watchdog's modes, as far as the host knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// One process that serves HTTP there.
    Http {
        /// Where it listens, without a trailing slash.
        upstream_url: String,
    },
    /// A process for each request; its exit code is lost: always 200.
    Streaming,
    /// A process for each request; 500 when it fails.
    Serializing,
}

/// Why a `stack.yml` is not used.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// It cannot be read.
    #[error("{}: {source}; name an OpenFaaS stack file that exists", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not YAML, or not of this shape.
    #[error("{name}: {source}")]
    Yaml {
        /// The file's name.
        name: String,
        /// Where and why.
        source: serde_norway::Error,
    },
    /// It says what the host cannot do: every such mistake, a line each.
    #[error("{}", .0.join("\n"))]
    Wrong(Vec<String>),
}

#[derive(Deserialize)]
struct RawStack {
    provider: RawProvider,
    #[serde(default)]
    functions: BTreeMap<String, RawFunction>,
}

#[derive(Deserialize)]
struct RawProvider {
    name: String,
}

#[derive(Deserialize)]
struct RawFunction {
    #[serde(default)]
    image: String,
    fprocess: Option<String>,
    #[serde(default)]
    environment: BTreeMap<String, Scalar>,
    #[serde(default)]
    labels: BTreeMap<String, Scalar>,
    #[serde(default)]
    annotations: BTreeMap<String, Scalar>,
    #[serde(default)]
    secrets: Vec<String>,
}

/// faas-cli reads `8` and `true` as text, so both spellings are in use.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Bool(bool),
    Integer(i64),
    Number(f64),
}

impl Stack {
    /// Reads and checks a file.
    pub fn read(path: impl Into<PathBuf>) -> Result<Self, StackError> {
        let path = path.into();
        let text = fs::read_to_string(&path).map_err(|source| StackError::Read { path: path.clone(), source })?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Checks the text of a file; `name` is what errors call it.
    pub fn parse(name: &str, text: &str) -> Result<Self, StackError> {
        let raw: RawStack =
            serde_norway::from_str(text).map_err(|source| StackError::Yaml { name: name.to_owned(), source })?;
        let mut mistakes = Vec::new();
        if raw.provider.name != "openfaas" {
            mistakes.push(format!("{name}: provider.name is `{}`; write `openfaas`", raw.provider.name));
        }
        let mut functions = BTreeMap::new();
        for (function, raw) in raw.functions {
            match FunctionSpec::check(&function, raw) {
                Ok(spec) => drop(functions.insert(function, spec)),
                Err(found) => {
                    mistakes.extend(found.into_iter().map(|what| format!("{name}: functions.{function}{what}")));
                }
            }
        }
        if mistakes.is_empty() { Ok(Self { functions }) } else { Err(StackError::Wrong(mistakes)) }
    }
}

impl FunctionSpec {
    fn check(name: &str, raw: RawFunction) -> Result<Self, Vec<String>> {
        let environment = texts(raw.environment);
        let mut mistakes = Vec::new();
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
        if name.is_empty() || !name.bytes().all(legal) {
            mistakes.push(": a function's name has only a-z, 0-9, `-` and `_`".to_owned());
        }
        let process = keep(process(raw.fprocess.as_deref(), &environment), &mut mistakes);
        let mode = keep(mode(&environment), &mut mistakes);
        let exec_timeout = keep(exec_timeout(&environment), &mut mistakes);
        let max_inflight = keep(max_inflight(&environment), &mut mistakes);
        match (process, mode, exec_timeout, max_inflight) {
            (Some(process), Some(mode), Some(exec_timeout), Some(max_inflight)) if mistakes.is_empty() => Ok(Self {
                image: raw.image,
                labels: texts(raw.labels),
                annotations: texts(raw.annotations),
                secrets: raw.secrets,
                process,
                mode,
                exec_timeout,
                max_inflight,
                content_type: environment.get("content_type").map_or(DEFAULT_CONTENT_TYPE, String::as_str).to_owned(),
                environment,
            }),
            _ => Err(mistakes),
        }
    }
}

fn keep<T>(result: Result<T, String>, mistakes: &mut Vec<String>) -> Option<T> {
    result.map_err(|what| mistakes.push(what)).ok()
}

fn texts(map: BTreeMap<String, Scalar>) -> BTreeMap<String, String> {
    map.into_iter().map(|(key, value)| (key, value.into_text())).collect()
}

impl Scalar {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Bool(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Number(value) => value.to_string(),
        }
    }
}

fn process(declared: Option<&str>, environment: &BTreeMap<String, String>) -> Result<Vec<String>, String> {
    let named = |key: &str| environment.get(key).map(String::as_str);
    let line = named("function_process").or(named("fprocess")).or(declared).unwrap_or_default();
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    if words.is_empty() { Err(".environment.fprocess: name the program to start".to_owned()) } else { Ok(words) }
}

fn mode(environment: &BTreeMap<String, String>) -> Result<Mode, String> {
    match environment.get("mode").map(String::as_str) {
        None | Some("" | "streaming") => Ok(Mode::Streaming),
        Some("serializing") => Ok(Mode::Serializing),
        Some("http") => {
            let url = environment.get("http_upstream_url").or_else(|| environment.get("upstream_url"));
            let url = url.map_or("", |url| url.trim_end_matches('/'));
            if reqwest::Url::parse(url).is_ok_and(|url| url.scheme() == "http" && url.has_host()) {
                Ok(Mode::Http { upstream_url: url.to_owned() })
            } else {
                Err(format!(".environment.upstream_url: `{url}` is not an http URL, which mode `http` needs"))
            }
        }
        Some(other) => Err(format!(".environment.mode: `{other}`; the host knows http, streaming and serializing")),
    }
}

fn exec_timeout(environment: &BTreeMap<String, String>) -> Result<Option<Duration>, String> {
    let Some(text) = environment.get("exec_timeout") else { return Ok(Some(DEFAULT_EXEC_TIMEOUT)) };
    let duration = text.parse().ok().map(Duration::from_secs).or_else(|| go_duration(text));
    let wrong = || format!(".environment.exec_timeout: `{text}` is not a duration such as 90s, 1h30m or 12h");
    Ok(Some(duration.ok_or_else(wrong)?).filter(|duration| !duration.is_zero()))
}

fn max_inflight(environment: &BTreeMap<String, String>) -> Result<usize, String> {
    let Some(text) = environment.get("max_inflight") else { return Ok(0) };
    text.parse().map_err(|_| format!(".environment.max_inflight: `{text}` is not a number; 0 is without limit"))
}

/// A duration as Go's `time.ParseDuration` reads it: `1h30m`, `90s`, `1.5h`, `300ms`. Negative ones are refused.
pub(super) fn go_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut rest, mut total) = (text, Duration::ZERO);
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(number_end);
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        let part = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        (total, rest) = (total.checked_add(part)?, tail);
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_read_as_go_reads_it() {
        for (text, millis) in [("90s", 90_000), ("1h30m", 5_400_000), ("1.5h", 5_400_000), ("300ms", 300), ("0", 0)] {
            assert_eq!(go_duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "90", "s", "-1s", "1d", "1h 2m", "h1", "1..2s", "999999999999999999999h"] {
            assert_eq!(go_duration(text), None, "{text}");
        }
    }

    #[test]
    fn every_mistake_is_told_with_its_key() {
        let text = "
provider: {name: faas}
functions:
  Bad_Name: {environment: {fprocess: cat}}
  b: {environment: {mode: http, fprocess: cat, exec_timeout: soon}}
  c: {environment: {mode: afterburn, max_inflight: many}}
";
        let told = Stack::parse("stack.yml", text).unwrap_err().to_string();
        for part in [
            "provider.name is `faas`",
            "functions.Bad_Name: ",
            "functions.b.environment.upstream_url",
            "functions.b.environment.exec_timeout: `soon`",
            "functions.c.environment.mode: `afterburn`",
            "functions.c.environment.fprocess",
            "functions.c.environment.max_inflight: `many`",
        ] {
            assert!(told.contains(part), "{part} is missing in {told}");
        }
    }

    #[test]
    fn numbers_and_truth_values_are_text_and_defaults_are_the_watchdogs() {
        let text = "provider: {name: openfaas}\nfunctions: {f: {fprocess: 'a  b', environment: {N: 8, T: true, exec_timeout: 0}}, g: {fprocess: c}}";
        let stack = Stack::parse("stack.yml", text).unwrap();
        let (f, g) = (&stack.functions["f"], &stack.functions["g"]);
        assert_eq!((f.environment["N"].as_str(), f.environment["T"].as_str()), ("8", "true"));
        assert_eq!(f.process, ["a", "b"]);
        assert_eq!((f.exec_timeout, g.exec_timeout), (None, Some(DEFAULT_EXEC_TIMEOUT)));
        assert_eq!((&f.mode, f.max_inflight), (&Mode::Streaming, 0));
    }
}
