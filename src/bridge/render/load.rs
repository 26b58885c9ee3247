//! Reads a directory of templates: the only I/O of this step.

use super::error::TemplateError;
use super::file::{is_template_name, read};
use super::template::Template;
use std::collections::BTreeMap;
use std::path::Path;

/// The largest template file that is read, in bytes.
const FILE_LIMIT: u64 = 1_000_000;

/// All templates of a directory, by name: `ortho.toml` is the template `ortho`.
#[derive(Debug, Clone, Default)]
pub struct Templates {
    by_name: BTreeMap<String, Template>,
}

impl Templates {
    /// Reads every `*.toml` of a directory (not of those below it); the error is every mistake of every file.
    ///
    /// Hidden files are skipped, which editors and Kubernetes' mounts leave there.
    pub fn load(directory: &Path) -> Result<Self, Vec<TemplateError>> {
        let unreadable = |error: &std::io::Error| {
            vec![whole(
                directory,
                format!("the templates cannot be read: {error}; check the directory in the configuration"),
            )]
        };
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(directory).map_err(|error| unreadable(&error))? {
            let path = entry.map_err(|error| unreadable(&error))?.path();
            let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if !hidden && path.extension().is_some_and(|extension| extension == "toml") {
                paths.push(path);
            }
        }
        paths.sort();
        let mut templates = Self::default();
        let mut errors = Vec::new();
        for path in paths {
            match template(&path) {
                Ok((name, template)) => {
                    templates.by_name.insert(name, template);
                }
                Err(mistakes) => errors.extend(mistakes),
            }
        }
        if errors.is_empty() { Ok(templates) } else { Err(errors) }
    }

    /// The template of this name.
    pub fn get(&self, name: &str) -> Option<&Template> {
        self.by_name.get(name)
    }

    /// All names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }
}

fn template(path: &Path) -> Result<(String, Template), Vec<TemplateError>> {
    let name = path.file_stem().and_then(|stem| stem.to_str()).filter(|name| is_template_name(name));
    let Some(name) = name else {
        let message = "the file's name must be lower-case letters, digits and `-`, then `.toml`; rename it";
        return Err(vec![whole(path, message.to_owned())]);
    };
    let unreadable = |error: std::io::Error| vec![whole(path, format!("the file cannot be read: {error}"))];
    if std::fs::metadata(path).map_err(unreadable)?.len() > FILE_LIMIT {
        return Err(vec![whole(path, format!("the file is over the limit of {FILE_LIMIT} bytes"))]);
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    Ok((name.to_owned(), read(&path.display().to_string(), &text)?))
}

fn whole(path: &Path, message: String) -> TemplateError {
    TemplateError { source_name: path.display().to_string(), position: None, message }
}
