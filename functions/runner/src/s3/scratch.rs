//! The room on local disk for files on their way to a program and from it: bounded, this runner's alone, and empty at its
//! start, whatever an earlier one left behind when it was killed.

use super::S3Error;
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::sleep,
};

/// How the folder of a call begins.
pub const PREFIX: &str = "zeebe2faas-";
const LOCK: &str = ".lock";
/// How often a run's use of it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Of what the kernel counts a file's size in.
const BLOCK_BYTES: u64 = 512;

/// The folder, locked.
#[derive(Debug)]
pub struct Scratch {
    root: PathBuf,
    limit_bytes: u64,
    /// Released with the process, however that ends.
    _lock: File,
}

impl Scratch {
    /// Makes the folder, makes sure that no other runner uses it, and empties it. Blocks.
    pub fn open(root: &Path, limit_bytes: u64) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        let lock = File::create(root.join(LOCK))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| {
            let why = format!("another runner uses it ({error}); give each a folder of its own");
            io::Error::new(io::ErrorKind::ResourceBusy, why)
        })?;
        for entry in fs::read_dir(root)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(PREFIX) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(Self { root: root.to_owned(), limit_bytes, _lock: lock })
    }

    /// Bytes in use. Blocks.
    pub fn used(&self) -> Result<u64, S3Error> {
        used(&self.root)
    }

    /// # Errors
    /// [`S3Error::Full`] where `needed` bytes more would pass the limit. Blocks.
    pub fn check(&self, needed: u64) -> Result<(), S3Error> {
        let (used, limit) = (self.used()?, self.limit_bytes);
        if used.saturating_add(needed) > limit { Err(S3Error::Full { needed, used, limit }) } else { Ok(()) }
    }

    /// Calls `full` once more is used than may be, until the answer is dropped.
    pub fn watch(&self, full: impl Fn() + Send + 'static) -> Watch {
        let (root, limit) = (self.root.clone(), self.limit_bytes);
        Watch(tokio::spawn(async move {
            loop {
                sleep(LOOK_EVERY).await;
                let looked = root.clone();
                match spawn_blocking(move || used(&looked)).await {
                    Ok(Ok(bytes)) if bytes > limit => return full(),
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => tracing::warn!(%error, "the use of scratch cannot be told"),
                    Err(error) => return tracing::warn!(%error, "the use of scratch is no longer watched"),
                }
            }
        }))
    }
}

/// Watches until it is dropped.
#[derive(Debug)]
pub struct Watch(JoinHandle<()>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn used(folder: &Path) -> Result<u64, S3Error> {
    let mut total = 0;
    for_each_file(folder, &mut |_, metadata| total += metadata.blocks() * BLOCK_BYTES)?;
    Ok(total)
}

/// Every file in a folder and below it; one that goes meanwhile is left out. Links are not followed.
pub fn for_each_file(folder: &Path, see: &mut dyn FnMut(&Path, &fs::Metadata)) -> Result<(), S3Error> {
    let failed = |what, path: &Path, error| S3Error::File { what, path: path.to_owned(), error };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|error| failed("read", folder, error))?,
    };
    for entry in entries {
        let path = entry.map_err(|error| failed("read", folder, error))?.path();
        match path.symlink_metadata() {
            Ok(metadata) if metadata.is_dir() => for_each_file(&path, see)?,
            Ok(metadata) => see(&path, &metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("look at", &path, error)),
        }
    }
    Ok(())
}
