//! `zeebe2faas check`: planted mistakes, our own files, how findings are told.

#![expect(clippy::unwrap_used, reason = "tests")]

mod mistakes;
mod own;
mod told;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};
use zeebe2faas::check::{Finding, Sources, check};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/check");

/// The files of a folder with this ending, in order.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.to_str().unwrap().ends_with(ending)).collect();
    files.sort();
    files
}

/// What is found in a folder's BPMN files; what belongs to them is the folder's own, else that of `good`.
fn found(folder: &Path) -> Vec<Finding> {
    let good = Path::new(FOLDER).join("good");
    let belonging =
        |name: &str| [folder, &good].map(|place| place.join(name)).into_iter().find(|path| path.exists()).unwrap();
    let config = belonging("zeebe2faas.toml");
    let mut environment = zeebe2faas::config::Environment::new();
    if fs::read_to_string(&config).unwrap().contains("templates = \"templates\"") {
        let templates = belonging("templates").display().to_string();
        environment.insert("ZEEBE2FAAS_TEMPLATES".to_owned(), templates);
    }
    let stack = Some(belonging("stack.yml"));
    let sources = Sources { config: Some(config), environment, stack, variables: BTreeSet::new() };
    check(&files(folder, ".bpmn"), &sources).unwrap()
}
