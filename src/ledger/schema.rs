//! The file: where it may lie, who holds it, its tables.

use super::LedgerError;
use rusqlite::{Connection, OpenFlags};
use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
};

/// Marks a SQLite file as ours ("z2fa").
const APPLICATION_ID: i32 = 0x7a32_6661;
/// Raised with every change of the tables.
const VERSION: i32 = 5;

/// Times are milliseconds since 1970 (UTC). `state`: 0 accepted, 1 submitted, 2 ended.
const TABLES: &str = "
CREATE TABLE calls (
    call_id              TEXT    NOT NULL PRIMARY KEY,
    job_key              INTEGER NOT NULL,
    try                  INTEGER NOT NULL,
    job_type             TEXT    NOT NULL,
    process_instance_key INTEGER NOT NULL,
    bpmn_process_id      TEXT    NOT NULL,
    element_id           TEXT    NOT NULL,
    tenant               TEXT    NOT NULL,
    function             TEXT    NOT NULL,
    run_once             INTEGER NOT NULL,
    as_job               INTEGER NOT NULL, -- 1: a Kubernetes Job runs it
    reply                TEXT    NOT NULL, -- JSON: what the outcome does in Zeebe
    holds_job            INTEGER NOT NULL, -- 1: reply is that of a job which stays open until the end
    result               TEXT    NOT NULL,
    args                 TEXT    NOT NULL, -- a JSON array, fixed at the first submission
    outputs              TEXT    NOT NULL, -- a JSON array
    memory_bytes         INTEGER,          -- fixed like the arguments
    cores                INTEGER,
    parent               TEXT,             -- the traceparent of its process
    state                INTEGER NOT NULL,
    maybe_queued         INTEGER NOT NULL, -- 0: every submission so far proved that nothing was queued
    asking               INTEGER NOT NULL, -- 1: a provisional callback came, so no other is to be expected
    job_closed           INTEGER NOT NULL,
    delivered            INTEGER NOT NULL,
    accepted_ms          INTEGER NOT NULL,
    submitted_ms         INTEGER,
    ended_ms             INTEGER,
    delivered_ms         INTEGER,
    deadline_ms          INTEGER NOT NULL,
    keep_until_ms        INTEGER NOT NULL,
    outcome              TEXT,             -- JSON, as delivered
    late                 TEXT              -- JSON, what came after the end
) STRICT;
CREATE INDEX calls_of_job ON calls (job_key);
CREATE INDEX calls_open ON calls (deadline_ms) WHERE state < 2 AND maybe_queued = 1;
CREATE INDEX calls_undelivered ON calls (ended_ms) WHERE state = 2 AND delivered = 0;
CREATE INDEX calls_held ON calls (call_id) WHERE state = 1 AND job_closed = 0 AND holds_job = 1;
CREATE INDEX calls_kept ON calls (keep_until_ms);
CREATE INDEX calls_accepted ON calls (accepted_ms);
CREATE TABLE kept ( -- callbacks of calls that another replica owns, until that one knows of them
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    call_id    TEXT    NOT NULL UNIQUE,
    owner      TEXT    NOT NULL,
    token      TEXT    NOT NULL,
    head       TEXT    NOT NULL, -- a JSON object, the headers
    body       BLOB    NOT NULL,
    cut        INTEGER NOT NULL, -- 1: the body is not whole
    outcome    TEXT,             -- JSON, as this replica delivers it; null: only the owner can
    delivered  INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX kept_undelivered ON kept (number) WHERE delivered = 0 AND outcome IS NOT NULL;
";

/// `f_type` of file systems that other machines may change under us (linux/magic.h).
const NETWORK_FILE_SYSTEMS: [(u64, &str); 5] =
    [(0x6969, "NFS"), (0xff53_4d42, "CIFS"), (0xfe53_4d42, "SMB2"), (0x0bd0_0bd0, "Lustre"), (0x00c3_6400, "Ceph")];

/// The network file system that a folder lies on, if it does.
pub(super) fn network_file_system(folder: &Path) -> std::io::Result<Option<&'static str>> {
    Ok(known_network_file_system(rustix::fs::statfs(folder)?.f_type as u64))
}

/// A magic number has 32 bits; statfs may have extended its sign.
fn known_network_file_system(f_type: u64) -> Option<&'static str> {
    let magic = f_type & 0xffff_ffff;
    NETWORK_FILE_SYSTEMS.iter().find(|(known, _)| *known == magic).map(|(_, name)| *name)
}

/// Makes the folder, refuses network file systems and takes the lock file that stands beside the ledger.
pub(super) fn claim(path: &Path) -> Result<File, LedgerError> {
    let place = |reason: String| LedgerError::Place { path: path.to_owned(), reason };
    let folder = folder(path);
    std::fs::create_dir_all(folder).map_err(|error| place(format!("its folder cannot be made: {error}")))?;
    let unreadable = |error| place(format!("its folder cannot be read: {error}"));
    if let Some(name) = network_file_system(folder).map_err(unreadable)? {
        return Err(place(format!("it lies on {name}, where a commit is not safe; use a local volume (ledger.path)")));
    }
    let lock_path = PathBuf::from(format!("{}.lock", path.display()));
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock_path)
        .map_err(|error| place(format!("{} cannot be written: {error}", lock_path.display())))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            Err(place("another process holds it; stop that one, or give this replica a ledger.path of its own".into()))
        }
        Err(TryLockError::Error(error)) => Err(place(format!("it cannot be locked: {error}"))),
    }
}

/// Opens the claimed file, or makes it. One that is not ours, damaged or newer is refused and left as it is.
pub(super) fn open(path: &Path) -> Result<Connection, LedgerError> {
    if path.exists() {
        examine(path)?;
    } else {
        create(path)?;
    }
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// Whether the file is a ledger that this program can use. Only reads: not even a log of changes is moved into it.
pub(super) fn examine(path: &Path) -> Result<(), LedgerError> {
    let place = |reason: String| LedgerError::Place { path: path.to_owned(), reason };
    let check =
        || place("it is not a ledger of zeebe2faas, or damaged; move it away or restore it, then start again".into());
    let size = std::fs::metadata(path).map_err(|error| place(format!("it cannot be read: {error}")))?.len();
    // SQLite would take an empty file for a new database. Ours are never empty.
    if size == 0 {
        return Err(place("it is empty, so whatever it held is gone; restore it, or remove it to begin anew".into()));
    }
    let connection = open_read_only(path)?;
    let read = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0)).map_err(|_| check());
    let (application, version) = (read("application_id")?, read("user_version")?);
    if application != APPLICATION_ID {
        return Err(check());
    }
    if version != VERSION {
        return Err(place(format!(
            "it has version {version}, this program knows {VERSION}; use the program that wrote it"
        )));
    }
    // Stops at the first fault.
    let word: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(|_| check())?;
    if word == "ok" { Ok(()) } else { Err(place(format!("it is damaged ({word}); restore it, or move it away"))) }
}

/// Whether the tables are there.
pub(super) fn is_made(connection: &Connection) -> rusqlite::Result<bool> {
    connection.pragma_query_value(None, "user_version", |row| Ok(row.get::<_, i32>(0)? == VERSION))
}

/// Makes the tables.
pub(super) fn make(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "BEGIN; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; {TABLES} COMMIT;"
    ))
}

/// Makes the file under another name first, so that it is whole from the moment it is there.
fn create(path: &Path) -> Result<(), LedgerError> {
    let place = |reason: String| LedgerError::Place { path: path.to_owned(), reason };
    let beside = |ending: &str| PathBuf::from(format!("{}{ending}", path.display()));
    if beside("-wal").exists() {
        return Err(place("it is gone, but its log (-wal) is there; restore it, or move the log away too".into()));
    }
    let (new, failed) = (beside(".new"), |error: std::io::Error| place(format!("it cannot be made: {error}")));
    // What a crash left of an earlier attempt; nobody else writes here, since we hold the lock.
    for leftover in [new.clone(), beside(".new-journal")] {
        match std::fs::remove_file(leftover) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
    }
    let connection = Connection::open(&new)?;
    make(&connection)?;
    connection.close().map_err(|(_, error)| error)?;
    std::fs::rename(&new, path).map_err(failed)?;
    File::open(folder(path)).and_then(|folder| folder.sync_all()).map_err(failed)
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Opens the file for reading beside the process that holds it.
pub(super) fn open_read_only(path: &Path) -> Result<Connection, LedgerError> {
    if !path.exists() {
        let reason = "there is no such file; is ledger.path the one of the bridge?".to_owned();
        return Err(LedgerError::Place { path: path.to_owned(), reason });
    }
    Ok(Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?)
}

#[cfg(test)]
mod tests;
