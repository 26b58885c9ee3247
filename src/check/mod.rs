//! Reads BPMN, command templates, `stack.yml` and the configuration together, and says what cannot work, before anything
//! runs.
//!
//! `read` and `extensions` make a `model` of a file's `xml`, `site` reads what it is held against; a `view` of a process has what
//! the rules ask for: `call` (its tasks that the bridge works), `flow` (what comes after what), `waits` (which receive
//! task waits for which call), `scope` (who sets a variable). `rules` has the rules, `output` how they are told.
//! `docs/check.md` lists them.

mod call;
mod extensions;
mod finding;
mod flow;
mod model;
mod near;
pub mod output;
mod read;
mod rules;
mod scope;
mod site;
mod view;
mod waits;
mod xml;

pub use finding::{Finding, Place, Rule, Severity};
pub use rules::RULES;
pub use site::Sources;

use model::Document;
use site::Site;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};
use view::View;

/// The largest BPMN file that is read, in bytes; Zeebe takes no larger deployment.
const FILE_LIMIT: u64 = 4 << 20;
/// Flow nodes of a process; what is asked of it grows with their square.
const MAX_ELEMENTS: usize = 2_000;

/// Checks BPMN files against what belongs to them; the findings are in the order of files and lines.
///
/// # Errors
/// A sentence, when a file cannot be read at all, or a process is too large.
pub fn check(files: &[PathBuf], sources: &Sources) -> Result<Vec<Finding>, String> {
    let mut findings = Vec::new();
    let mut documents = Vec::new();
    for path in files {
        let mut document = read::read(&path.display().to_string(), &text(path)?, &mut findings);
        let known = variables(path)?;
        for process in &mut document.processes {
            if process.elements.len() > MAX_ELEMENTS {
                let (file, id) = (path.display(), &process.id);
                return Err(format!(
                    "{file}: process `{id}` has over {MAX_ELEMENTS} flow nodes, which is too large to check"
                ));
            }
            process.inputs.extend(known.iter().chain(&sources.variables).cloned());
        }
        documents.push(document);
    }
    if let Some(site) = Site::read(sources, &mut findings) {
        judge(&documents, &site, &mut findings);
    }
    findings.sort_by(|a, b| (&a.place, a.rule.id, &a.message).cmp(&(&b.place, b.rule.id, &b.message)));
    findings.dedup();
    Ok(findings)
}

fn judge(documents: &[Document], site: &Site, findings: &mut Vec<Finding>) {
    let views: Vec<View<'_>> = documents.iter().flat_map(|document| View::of(document, site)).collect();
    rules::site(site, findings);
    for view in &views {
        rules::process(view, &views, findings);
    }
}

/// All `*.bpmn` of a folder and of those below it, in order.
///
/// # Errors
/// A sentence, when a folder cannot be read.
pub fn bpmn_files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let unreadable = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if entry.file_type().map_err(unreadable)?.is_dir() {
            if !hidden {
                files.extend(bpmn_files(&entry.path())?);
            }
        } else if entry.path().extension().is_some_and(|extension| extension == "bpmn") {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

fn text(path: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("{}: {error}", path.display());
    if std::fs::metadata(path).map_err(unreadable)?.len() > FILE_LIMIT {
        return Err(format!("{}: over the limit of {FILE_LIMIT} bytes", path.display()));
    }
    std::fs::read_to_string(path).map_err(unreadable)
}

/// The names in `NAME.vars.json` beside `NAME.bpmn`: an example of what instances are started with.
fn variables(path: &Path) -> Result<BTreeSet<String>, String> {
    let path = path.with_extension("vars.json");
    if !path.exists() {
        return Ok(BTreeSet::new());
    }
    let parsed: Result<serde_json::Map<String, serde_json::Value>, _> = serde_json::from_str(&text(&path)?);
    let object = parsed.map_err(|error| format!("{}: expected a JSON object: {error}", path.display()))?;
    Ok(object.into_iter().map(|(name, _)| name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PROCESSES: [&str; 3] = [
        include_str!("../../bpmn/phr-pair.bpmn"),
        include_str!("../../bpmn/phr-products.bpmn"),
        include_str!("../../bpmn/faas-call.bpmn"),
    ];
    const PIECES: [&str; 12] = [
        "",
        "=",
        "\"",
        "<",
        "/>",
        "</bpmn:subProcess>",
        "<bpmn:subProcess id=\"x\">",
        "isSequential=\"true\"",
        "call",
        "=call.",
        "{{ x }}",
        "é",
    ];

    proptest! {
        #[test]
        fn whatever_becomes_of_a_process_is_judged(
            which in 0..PROCESSES.len(),
            cuts in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..200, 0..PIECES.len()), 1..6),
        ) {
            let mut text: Vec<char> = PROCESSES[which].chars().collect();
            for (place, length, piece) in cuts {
                let start = place.index(text.len() + 1);
                let end = (start + length).min(text.len());
                text.splice(start..end, PIECES[piece].chars());
            }
            let mut findings = Vec::new();
            let text: String = text.into_iter().collect();
            let document = read::read("x.bpmn", &text, &mut findings);
            let site = Site::blank();
            judge(&[document], &site, &mut findings);
            prop_assert!(findings.iter().all(|finding| RULES.contains(&finding.rule)));
        }
    }
}
