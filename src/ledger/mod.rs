//! The durable record of calls, in SQLite.
//!
//! One thread owns the connection and commits everything that has queued up meanwhile at once (group commit): a
//! caller hears of its own change only after that commit is on disk.

mod accept;
mod call;
mod journey;
mod kept;
mod operations;
mod read;
mod recovery;
mod reply;
mod row;
mod schema;
mod writer;

pub use call::{Acceptance, BegunBy, Call, Closing, Fixed, NewCall, Pending, State, Summary};
pub use journey::Journey;
pub use kept::Kept;
pub use read::{LedgerReader, OpenCalls, Selection};
pub use recovery::Standing;
pub use reply::{HeldJob, Reply, Terms};
#[doc(hidden)]
pub use writer::{Scribe, Written};

use crate::metrics::CommitTimes;
use std::{path::Path, path::PathBuf};
use writer::Writer;

/// Why the ledger cannot be used or could not take a change.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// SQLite or the disk refused.
    #[error("ledger: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The file's folder cannot be used.
    #[error("ledger {}: {reason}", path.display())]
    Place {
        /// The ledger's file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The writer has ended, which only happens when the process ends or the thread broke off.
    #[error("ledger: the writer has stopped")]
    Stopped,
    /// A batch of changes failed together.
    #[error("ledger: the changes could not be written: {0}")]
    Batch(String),
}

/// A handle; cheap to clone. The last one dropped ends the writer after its last commit.
#[derive(Clone)]
pub struct Ledger {
    writer: Writer,
}

impl Ledger {
    /// Opens or creates the file and takes it for this process alone.
    ///
    /// # Errors
    /// A network file system, another process that holds it, a file that is not a ledger or of a newer version.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let lock = schema::claim(path)?;
        let connection = schema::open(path)?;
        Ok(Self { writer: Writer::start(connection, lock) })
    }

    /// On a database that is not a file, with its writer for the caller to drive: for simulations.
    #[doc(hidden)]
    pub fn on(connection: rusqlite::Connection) -> Result<(Self, Scribe), LedgerError> {
        if !schema::is_made(&connection)? {
            schema::make(&connection)?;
        }
        let (writer, scribe) = Writer::new(connection);
        Ok((Self { writer }, scribe))
    }

    /// Whether the file is a ledger that [`Ledger::open`] would take, another process's hold on it aside. Only reads.
    pub fn examine(path: &Path) -> Result<(), LedgerError> {
        schema::examine(path)
    }

    /// The network file system that the folder lies on, if it does.
    pub fn network_file_system(folder: &Path) -> std::io::Result<Option<&'static str>> {
        schema::network_file_system(folder)
    }

    /// How long its commits take.
    pub fn commits(&self) -> &CommitTimes {
        self.writer.commits()
    }
}
