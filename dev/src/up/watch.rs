//! Looks at files for changes: by their content, since times lie on network file systems.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

/// How often files are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A longer file is a mistake; also the most that Zeebe takes in one request.
const FILE_LIMIT_BYTES: u64 = 4 << 20;

/// What a file holds, or why it cannot be read.
pub(super) type Content = Result<Vec<u8>, String>;
type Contents = BTreeMap<PathBuf, Content>;

/// Files, and folders of TOML files, as they were at the last look.
pub(super) struct Watch {
    files: Vec<PathBuf>,
    folder: PathBuf,
    seen: Contents,
}

impl Watch {
    /// Reads the files, and those in the folder that end in `.toml`.
    pub(super) fn new(files: Vec<PathBuf>, folder: PathBuf) -> Self {
        let seen = look(&files, &folder);
        Self { files, folder, seen }
    }

    /// What a file held at the last look.
    pub(super) fn content(&self, file: &Path) -> Option<&Content> {
        self.seen.get(file)
    }

    /// Waits until something changed, and gives what.
    pub(super) async fn changed(&mut self) -> Vec<PathBuf> {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let (files, folder) = (self.files.clone(), self.folder.clone());
            let now = match tokio::task::spawn_blocking(move || look(&files, &folder)).await {
                Ok(now) => now,
                Err(error) => {
                    tracing::error!(%error, "the look at changed files broke off");
                    continue;
                }
            };
            let before = std::mem::replace(&mut self.seen, now);
            let new = self.seen.iter().filter(|(path, content)| before.get(*path) != Some(content));
            let gone = before.keys().filter(|path| !self.seen.contains_key(*path));
            let changed: Vec<_> = new.map(|(path, _)| path).chain(gone).cloned().collect();
            if !changed.is_empty() {
                return changed;
            }
        }
    }
}

fn look(files: &[PathBuf], folder: &Path) -> Contents {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let templates = entries.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    templates.chain(files.iter().cloned()).map(|path| (path.clone(), read(&path))).collect()
}

fn read(path: &Path) -> Content {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_LIMIT_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > FILE_LIMIT_BYTES {
        return Err(format!("is larger than {FILE_LIMIT_BYTES} bytes"));
    }
    Ok(bytes)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::fs;

    #[tokio::test]
    async fn what_changed_came_or_went_is_told_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["a.bpmn", "b.bpmn", "gone.toml", "same.toml"] {
            fs::write(path(name), name).unwrap();
        }
        let mut watch = Watch::new(vec![path("a.bpmn"), path("b.bpmn")], folder.path().to_owned());
        fs::write(path("b.bpmn"), "other").unwrap();
        fs::write(path("new.toml"), "new").unwrap();
        fs::write(path("new.txt"), "new").unwrap();
        fs::remove_file(path("gone.toml")).unwrap();
        let mut changed = watch.changed().await;
        changed.sort();
        assert_eq!(changed, [path("b.bpmn"), path("gone.toml"), path("new.toml")]);
        assert_eq!(watch.content(&path("b.bpmn")).unwrap().as_deref().unwrap(), b"other");
        fs::remove_file(path("a.bpmn")).unwrap();
        assert_eq!(watch.changed().await, [path("a.bpmn")]);
        assert!(watch.content(&path("a.bpmn")).unwrap().as_ref().unwrap_err().contains("cannot be read"));
    }
}
