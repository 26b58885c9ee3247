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
const VERSION: i32 = 3;

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
    reply                TEXT    NOT NULL, -- JSON: what the outcome does in Zeebe
    holds_job            INTEGER NOT NULL, -- 1: reply is that of a job which stays open until the end
    result               TEXT    NOT NULL,
    args                 TEXT    NOT NULL, -- a JSON array, fixed at the first submission
    outputs              TEXT    NOT NULL, -- a JSON array
    memory_bytes         INTEGER,          -- fixed like the arguments
    cores                INTEGER,
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
";

/// `f_type` of file systems that other machines may change under us (linux/magic.h).
const NETWORK_FILE_SYSTEMS: [(u64, &str); 5] =
    [(0x6969, "NFS"), (0xff53_4d42, "CIFS"), (0xfe53_4d42, "SMB2"), (0x0bd0_0bd0, "Lustre"), (0x00c3_6400, "Ceph")];

/// Makes the folder, refuses network file systems and takes the lock file that stands beside the ledger.
pub(super) fn claim(path: &Path) -> Result<File, LedgerError> {
    let place = |reason: String| LedgerError::Place { path: path.to_owned(), reason };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|error| place(format!("its folder cannot be made: {error}")))?;
    let status = rustix::fs::statfs(folder).map_err(|error| place(format!("its folder cannot be read: {error}")))?;
    let kind = status.f_type as u64 & 0xffff_ffff;
    if let Some((_, name)) = NETWORK_FILE_SYSTEMS.iter().find(|(magic, _)| *magic == kind) {
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

/// Opens the claimed file, making the tables where it is new.
pub(super) fn open(path: &Path) -> Result<Connection, LedgerError> {
    let place = |reason: String| LedgerError::Place { path: path.to_owned(), reason };
    let connection = Connection::open(path)?;
    let read = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
    let check =
        || place("it is not a ledger of zeebe2faas, or damaged; move it away or restore it, then start again".into());
    let (application, version) =
        (read("application_id").map_err(|_| check())?, read("user_version").map_err(|_| check())?);
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0)).map_err(|_| check())?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    if application == 0 && tables == 0 {
        connection.execute_batch(&format!(
            "BEGIN; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; {TABLES} COMMIT;"
        ))?;
        return Ok(connection);
    }
    match version {
        _ if application != APPLICATION_ID => Err(check()),
        VERSION => Ok(connection),
        other => {
            Err(place(format!("it has version {other}, this program knows {VERSION}; use the program that wrote it")))
        }
    }
}

/// Opens the file for reading beside the process that holds it.
pub(super) fn open_read_only(path: &Path) -> Result<Connection, LedgerError> {
    if !path.exists() {
        let reason = "there is no such file; is ledger.path the one of the bridge?".to_owned();
        return Err(LedgerError::Place { path: path.to_owned(), reason });
    }
    Ok(Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?)
}
