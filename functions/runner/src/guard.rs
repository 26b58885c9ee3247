//! Who runs a call, and how it ended: one directory for each call, on a file system that all pods share.
//!
//! Every step is one rename in that directory, which a file server does whole or not at all, NFS's too:
//!
//! | name in `STATE/FUNCTION/calls/CALL` | meaning |
//! | --- | --- |
//! | `owner.INCARNATION.COUNT` | that incarnation runs it; it advances by renaming COUNT to COUNT + 1 |
//! | `free` | its owner stopped in good order, before an end: the next may run it |
//! | `report.INCARNATION` | what that incarnation reports; it counts once `ended.INCARNATION` is there |
//! | `ended.INCARNATION` | the owner file's last name: the call has ended |
//! | `cancel` | whoever owns it shall end it |
//! | `expires` | when the directory may go, in milliseconds since 1970 |
//!
//! The counter is part of the name, so taking over (renaming the name that stood still) fails if the owner advanced
//! at the last moment, and an owner that was taken over cannot advance or end. No lock, no file time is used.

use crate::clock::now_ms;
use std::{
    fs::{self, File},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};
use zeebe2faas_contract::CallId;

/// How often a directory is read again when a rename hid the name that is always there.
const LOOKS: u32 = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// The directory that keeps all calls of one function. Its operations block.
#[derive(Debug, Clone)]
pub struct Guard {
    calls: PathBuf,
    /// Directories on their way in or out, under random names.
    moving: PathBuf,
}

/// What the state directory says of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// Nothing.
    Unknown,
    /// Its owner released it before it had ended.
    Free,
    /// Somebody ran it when this was read.
    Owned(Owner),
    /// It has ended; the bytes of its report.
    Ended(Vec<u8>),
}

/// One incarnation and how far it had counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    incarnation: String,
    count: u64,
}

impl Owner {
    #[cfg(test)]
    pub(crate) fn at(count: u64) -> Self {
        Self { incarnation: "test".into(), count }
    }

    fn file_name(&self) -> String {
        format!("owner.{}.{}", self.incarnation, self.count)
    }

    fn parse(name: &str) -> Option<Self> {
        let (incarnation, count) = name.strip_prefix("owner.")?.split_once('.')?;
        Some(Self { incarnation: incarnation.into(), count: count.parse().ok()? })
    }
}

impl Guard {
    /// Opens (and makes) `state_dir/function`.
    pub fn open(state_dir: &Path, function: &str) -> io::Result<Self> {
        let root = state_dir.join(function);
        let guard = Self { calls: root.join("calls"), moving: root.join("moving") };
        fs::create_dir_all(&guard.calls)?;
        fs::create_dir_all(&guard.moving)?;
        // A state directory that cannot be written to is found at the start, not at the first call.
        let probe = guard.moving.join(random_name());
        fs::create_dir(&probe)?;
        fs::remove_dir(&probe)?;
        Ok(guard)
    }

    /// What is known of the call.
    pub fn look(&self, id: &CallId) -> io::Result<Record> {
        let directory = self.directory(id);
        for _ in 0..LOOKS {
            match read_record(&directory) {
                Ok(Some(record)) => return Ok(record),
                Ok(None) => thread::sleep(BETWEEN_LOOKS),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Record::Unknown),
                Err(error) => return Err(error),
            }
        }
        let what = format!("{} holds neither an owner nor a result; remove it", directory.display());
        Err(io::Error::new(ErrorKind::InvalidData, what))
    }

    /// Becomes the owner of an unknown call; `None` if somebody was faster.
    pub fn begin(&self, id: &CallId, expires_ms: u64) -> io::Result<Option<Claim>> {
        let owner = Owner { incarnation: random_name(), count: 0 };
        let fill = |new: &Path| write_whole(&new.join(owner.file_name()), b"");
        let won = self.move_in(id, expires_ms, fill)?;
        Ok(won.then(|| Claim { directory: self.directory(id), owner }))
    }

    /// Becomes the owner of a call that was released, or whose owner is dead; `None` if somebody was faster or the
    /// owner lives.
    pub fn take_over(&self, id: &CallId, from: Option<&Owner>) -> io::Result<Option<Claim>> {
        let from = from.map_or_else(|| "free".to_owned(), Owner::file_name);
        let claim = Claim { directory: self.directory(id), owner: Owner { incarnation: random_name(), count: 0 } };
        Ok(claim.rename(&from, &claim.owner.file_name())?.then_some(claim))
    }

    /// Writes the result of a call that nobody has heard of; `false` if somebody has, meanwhile.
    pub fn bury(&self, id: &CallId, report: &[u8], expires_ms: u64) -> io::Result<bool> {
        self.move_in(id, expires_ms, |new| {
            write_whole(&new.join("report.tombstone"), report)?;
            write_whole(&new.join("ended.tombstone"), b"")
        })
    }

    /// Asks the call's owner, wherever it is, to end it.
    pub fn ask_to_cancel(&self, id: &CallId) -> io::Result<()> {
        match File::create(self.directory(id).join("cancel")) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes what has expired; returns how many calls that were.
    pub fn purge(&self) -> io::Result<usize> {
        let mut removed = 0;
        for entry in fs::read_dir(&self.calls)? {
            let path = entry?.path();
            let expires = fs::read_to_string(path.join("expires")).ok().and_then(|text| text.trim().parse().ok());
            if expires.is_some_and(|at: u64| at < now_ms()) {
                // Out of sight first, so that nobody sees half of it.
                let away = self.moving.join(random_name());
                match fs::rename(&path, &away) {
                    Ok(()) => fs::remove_dir_all(&away)?,
                    // Another pod was faster.
                    Err(error) if error.kind() == ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                }
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Makes a call's directory with all that it holds, in one step: renaming onto one that is there fails.
    fn move_in(&self, id: &CallId, expires_ms: u64, fill: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<bool> {
        let new = self.moving.join(random_name());
        fs::create_dir(&new)?;
        let moved = write_whole(&new.join("expires"), expires_ms.to_string().as_bytes())
            .and_then(|()| fill(&new))
            .and_then(|()| fs::rename(&new, self.directory(id)));
        match moved {
            Ok(()) => sync_directory(&self.calls).map(|()| true),
            Err(error) => {
                fs::remove_dir_all(&new)?;
                let taken = matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists);
                if taken { Ok(false) } else { Err(error) }
            }
        }
    }

    fn directory(&self, id: &CallId) -> PathBuf {
        self.calls.join(id.as_str())
    }
}

/// The right to run a call, as long as nobody takes it over.
#[derive(Debug)]
pub struct Claim {
    directory: PathBuf,
    owner: Owner,
}

impl Claim {
    /// Advances the counter; `false` if somebody else has taken over.
    pub fn beat(&mut self) -> io::Result<bool> {
        let next = Owner { count: self.owner.count + 1, ..self.owner.clone() };
        let still = self.rename(&self.owner.file_name(), &next.file_name())?;
        if still {
            self.owner = next;
        }
        Ok(still)
    }

    /// Whether somebody asked to end the call.
    pub fn cancel_asked(&self) -> io::Result<bool> {
        self.directory.join("cancel").try_exists()
    }

    /// Stores the call's result, for good; `false` if somebody else has taken over.
    pub fn end(&self, report: &[u8]) -> io::Result<bool> {
        let incarnation = &self.owner.incarnation;
        write_whole(&self.directory.join(format!("report.{incarnation}")), report)?;
        let ended = self.rename(&self.owner.file_name(), &format!("ended.{incarnation}"))?;
        // Only this rename has to outlive a power cut: a beat must not wait for a busy disk.
        sync_directory(&self.directory)?;
        Ok(ended)
    }

    /// Lets anybody run the call again, at once; `false` if somebody has taken over already.
    pub fn release(&self) -> io::Result<bool> {
        self.rename(&self.owner.file_name(), "free")
    }

    /// `false` if `from` is no longer there.
    fn rename(&self, from: &str, to: &str) -> io::Result<bool> {
        match fs::rename(self.directory.join(from), self.directory.join(to)) {
            Ok(()) => Ok(true),
            // NFS repeats a request whose answer was lost, and the repetition does not find the old name.
            Err(error) if error.kind() == ErrorKind::NotFound && to != "free" => self.directory.join(to).try_exists(),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The record in a call's directory; `None` when a rename hid it.
fn read_record(directory: &Path) -> io::Result<Option<Record>> {
    let mut owner: Option<Owner> = None;
    let mut free = false;
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        if let Some(incarnation) = name.strip_prefix("ended.") {
            return fs::read(directory.join(format!("report.{incarnation}"))).map(|bytes| Some(Record::Ended(bytes)));
        }
        free |= name == "free";
        let seen = Owner::parse(name);
        if seen.as_ref().map(|o| o.count) >= owner.as_ref().map(|o| o.count) {
            owner = seen;
        }
    }
    Ok(owner.map(Record::Owned).or(free.then_some(Record::Free)))
}

fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn random_name() -> String {
    format!("{:016x}", rand::random::<u64>())
}

#[cfg(test)]
mod tests;
