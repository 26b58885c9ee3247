//! Reads what `otbcli APP -help` says, which is regular: a line for each parameter, and with the parameters' keys behind
//! `-help` what each of them means.

use super::{Application, Choice, Kind, Parameter};

/// What stands before a parameter's dash: whether OTB misses it.
const MARGIN: [&str; 2] = ["MISSING ", "        "];
/// Parameters of the launcher, not of the application.
const LAUNCHERS: [&str; 2] = ["progress", "help"];

/// Reads the list of parameters; they have no descriptions yet, nor their choices names.
///
/// # Errors
/// A sentence, when this is not what an application says.
pub fn application(text: &str) -> Result<Application, String> {
    let (name, version) = text
        .lines()
        .find_map(|line| line.strip_prefix("This is the ")?.split_once(" application, version "))
        .ok_or_else(|| match text.trim() {
            "" => "it says nothing".to_owned(),
            said => said.lines().next().unwrap_or_default().to_owned(),
        })?;
    let description = text.lines().skip_while(|line| !line.starts_with("This is the ")).skip(1);
    let description = description.map(str::trim).skip_while(|line| line.is_empty());
    let description = description.take_while(|line| !line.is_empty() && !line.starts_with("Tags:"));
    let mut parameters = Vec::new();
    for line in text.lines().skip_while(|line| !line.starts_with("Parameters:")) {
        if let Some(parameter) = parameter(line)? {
            parameters.push(parameter);
        }
    }
    Ok(Application {
        name: name.trim().to_owned(),
        version: version.trim().to_owned(),
        description: description.collect::<Vec<_>>().join(" "),
        parameters,
    })
}

/// Adds what the help on its parameters says.
///
/// # Errors
/// A sentence, when it says nothing of one of them.
pub fn describe(application: &mut Application, text: &str) -> Result<(), String> {
    let lines: Vec<&str> = text.lines().collect();
    let heads: Vec<(usize, String)> =
        lines.iter().enumerate().filter_map(|(at, line)| Some((at, key(line)?.to_owned()))).collect();
    for parameter in &mut application.parameters {
        let at = heads.iter().position(|(_, key)| *key == parameter.key);
        let at = at.ok_or_else(|| format!("there is no help on its parameter `{}`", parameter.key))?;
        let end = heads.get(at + 1).map_or(lines.len(), |(next, _)| *next);
        explain(parameter, &lines[heads[at].0 + 1..end]);
    }
    Ok(())
}

/// The lines below a parameter's own: its description, then one for each choice, `- Name (key): description`.
fn explain(parameter: &mut Parameter, lines: &[&str]) {
    let mut description = String::new();
    let mut chosen: Option<usize> = None;
    for line in lines.iter().map(|line| line.trim()) {
        if let Kind::Choice(choices) = &mut parameter.kind {
            let offered = choices.iter_mut().enumerate().find_map(|(at, choice)| {
                let (name, rest) = line.strip_prefix("- ")?.split_once(&format!(" ({}):", choice.key))?;
                (choice.name, choice.description) = (name.trim().to_owned(), rest.trim().to_owned());
                Some(at)
            });
            chosen = offered.or(chosen);
            if let Some(at) = chosen {
                if offered.is_none() && !line.is_empty() {
                    choices[at].description = format!("{} {line}", choices[at].description);
                }
                continue;
            }
        }
        description.push_str(line);
        description.push('\n');
    }
    parameter.description = description.trim().to_owned();
}

/// The key of the parameter whose line this is.
fn key(line: &str) -> Option<&str> {
    let rest = MARGIN.iter().find_map(|margin| line.strip_prefix(margin))?.strip_prefix('-')?;
    let (key, rest) = rest.split_once(' ')?;
    let is_key = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    (is_key && rest.trim_start().starts_with('<')).then_some(key)
}

/// `MISSING -io.in   <string>   Input Image  (mandatory)`; nothing for other lines and the launcher's own parameters.
fn parameter(line: &str) -> Result<Option<Parameter>, String> {
    let Some(key) = key(line).filter(|key| !LAUNCHERS.contains(key)) else { return Ok(None) };
    let unknown = || format!("its parameter `{key}` cannot be read: {}", line.trim());
    let (_, rest) = line.split_once('<').ok_or_else(unknown)?;
    let (kind, rest) = rest.split_once('>').ok_or_else(unknown)?;
    let (rest, facts) = match rest.rfind(" (mandatory").max(rest.rfind(" (optional")) {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let rest = rest.trim();
    let (rest, listed) = match rest.strip_suffix(']').and_then(|inner| inner.rsplit_once('[')) {
        Some((name, listed)) => (name.trim(), Some(listed)),
        None => (rest, None),
    };
    let (name, kind) = match (kind, rest.strip_prefix("[pixel]")) {
        ("string", Some(image)) => {
            let (name, pixels) = image.split_once("[pixel=").ok_or_else(unknown)?;
            let (pixels, facts) = pixels.split_once(']').ok_or_else(unknown)?;
            (
                name.trim(),
                Kind::Image { pixels: pixels.split('/').map(str::to_owned).collect(), default: default(facts) },
            )
        }
        ("string", None) => (rest, listed.map_or(Kind::Text, |listed| Kind::Choice(choices(listed)))),
        ("string list", None) => (rest, Kind::Texts),
        ("int32", None) => (rest, Kind::Integer),
        ("float", None) => (rest, Kind::Float),
        ("boolean", None) => (rest, Kind::Boolean),
        ("group", None) => (rest, Kind::Group),
        _ => return Err(unknown()),
    };
    Ok(Some(Parameter {
        key: key.to_owned(),
        name: if name.is_empty() { key.to_owned() } else { name.to_owned() },
        description: String::new(),
        kind,
        is_mandatory: facts.starts_with(" (mandatory"),
        is_missing: line.starts_with(MARGIN[0]),
        default: default(facts),
    }))
}

/// `float` of ` (mandatory, default value is float)`.
fn default(facts: &str) -> Option<String> {
    let (_, value) = facts.split_once("default value is ")?;
    let value = value.trim_end().strip_suffix(')').unwrap_or(value);
    (!value.is_empty()).then(|| value.to_owned())
}

fn choices(listed: &str) -> Vec<Choice> {
    let choice = |key: &str| Choice { key: key.to_owned(), name: key.to_owned(), description: String::new() };
    listed.split('/').filter(|key| !key.is_empty()).map(choice).collect()
}
