//! Values made of files, made anew when the files change: keys and certificates are replaced without a restart.

use sha2::{Digest, Sha256};
use std::{
    fmt,
    fs::File,
    io::Read,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

/// How often files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Keys and certificates are small; a longer file is a mistake.
const FILE_LIMIT_BYTES: u64 = 1 << 20;

/// A value made of files. Cheap to clone; all clones change together.
pub struct Reloaded<T>(Arc<Inner<T>>);

struct Inner<T> {
    files: Vec<PathBuf>,
    make: Make<T>,
    current: RwLock<T>,
    seen: Mutex<Seen>,
}

type Make<T> = Box<dyn Fn(&[String]) -> Result<T, String> + Send + Sync>;
/// What the files held at the last look, or why they could not be read.
type Seen = Result<[u8; 32], String>;

/// Something whose files are looked at.
pub trait Look: Send + Sync {
    /// Makes the value anew if its files have changed. A change that makes no value is logged once; the old one stays.
    fn look(&self);
}

impl<T: Clone + Send + Sync> Reloaded<T> {
    /// Reads the files and makes the value of their texts, in the same order.
    ///
    /// # Errors
    /// A sentence that names the file, or what `make` says.
    pub fn read(
        files: Vec<PathBuf>,
        make: impl Fn(&[String]) -> Result<T, String> + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let texts = texts(&files)?;
        let inner = Inner {
            current: RwLock::new(make(&texts)?),
            seen: Mutex::new(Ok(digest(&texts))),
            make: Box::new(make),
            files,
        };
        Ok(Self(Arc::new(inner)))
    }

    /// A value without files, which never changes.
    pub fn fixed(value: T) -> Self {
        let make: Make<T> = Box::new(|_| Err("it has no files".to_owned()));
        let (current, seen) = (RwLock::new(value), Mutex::new(Ok(digest(&[]))));
        Self(Arc::new(Inner { files: Vec::new(), make, current, seen }))
    }

    /// The value as it is now.
    pub fn current(&self) -> T {
        self.0.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<T: Clone + Send + Sync> Look for Reloaded<T> {
    fn look(&self) {
        let Inner { files, make, current, seen } = &*self.0;
        let read = texts(files);
        let now: Seen = read.as_ref().map(|texts| digest(texts)).map_err(Clone::clone);
        let before = std::mem::replace(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner), now.clone());
        if before == now {
            return;
        }
        match read.and_then(|texts| make(&texts)) {
            Ok(value) => {
                *current.write().unwrap_or_else(PoisonError::into_inner) = value;
                tracing::info!(?files, "changed files are in use");
            }
            Err(reason) => tracing::error!(?files, reason, "changed files cannot be used; what they held before stays"),
        }
    }
}

impl<T> Clone for Reloaded<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// The files only, never what they hold.
impl<T> fmt::Debug for Reloaded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reloaded").field(&self.0.files).finish()
    }
}

/// Looks at the files until it is dropped, on a thread that may block: they may lie on a network file system.
pub async fn watch(values: Vec<Box<dyn Look>>) {
    let values: Arc<[Box<dyn Look>]> = values.into();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let values = Arc::clone(&values);
        let looked = tokio::task::spawn_blocking(move || values.iter().for_each(|value| value.look())).await;
        if let Err(error) = looked {
            tracing::error!(%error, "the look at changed files broke off");
        }
    }
}

fn texts(files: &[PathBuf]) -> Result<Vec<String>, String> {
    files
        .iter()
        .map(|path| {
            let mut text = String::new();
            File::open(path)
                .and_then(|file| file.take(FILE_LIMIT_BYTES).read_to_string(&mut text))
                .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
            Ok(text)
        })
        .collect()
}

fn digest(texts: &[String]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for text in texts {
        digest.update(text.len().to_be_bytes());
        digest.update(text);
    }
    digest.finalize().into()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_is_used_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("number");
        std::fs::write(&path, "1").unwrap();
        let make = |texts: &[String]| texts[0].trim().parse::<u8>().map_err(|error| error.to_string());
        let number = Reloaded::read(vec![path.clone()], make).unwrap();
        assert_eq!(number.current(), 1);
        for (text, expected) in [("two", 1), ("2", 2), ("", 2), ("3\n", 3)] {
            std::fs::write(&path, text).unwrap();
            number.look();
            assert_eq!(number.clone().current(), expected, "{text}");
        }
        std::fs::remove_file(&path).unwrap();
        number.look();
        assert_eq!(number.current(), 3);
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Reloaded::read(vec!["/no/such/file".into()], |_| Ok(())).unwrap_err();
        assert!(error.contains("/no/such/file cannot be read"), "{error}");
    }
}
