//! Who owns the connection, on a thread of its own.

use super::LedgerError;
use crate::metrics::CommitTimes;
use rusqlite::Connection;
use std::{fs::File, time::Instant};
use tokio::sync::{mpsc, oneshot};

/// Changes that may wait for the writer; more callers wait for room.
const QUEUE: usize = 1024;
/// Changes in one commit.
const BATCH: usize = 512;

/// Runs within the batch's transaction (or not at all, where there is none), and gives what tells its caller once the
/// commit's result is known.
type Change = Box<dyn FnOnce(Option<&Connection>) -> Told + Send>;
type Told = Box<dyn FnOnce(Result<(), &str>) + Send>;

#[derive(Clone)]
pub(super) struct Writer {
    queue: mpsc::Sender<Change>,
    commits: CommitTimes,
}

impl Writer {
    pub(super) fn start(connection: Connection, lock: File) -> Self {
        let (writer, mut scribe) = Self::new(connection);
        std::thread::spawn(move || {
            let _held = lock;
            while scribe.queue.blocking_recv_many(&mut scribe.batch, BATCH) > 0 {
                scribe.commit().tell();
            }
        });
        writer
    }

    pub(super) fn new(connection: Connection) -> (Self, Scribe) {
        let (changes, queue) = mpsc::channel(QUEUE);
        let commits = CommitTimes::default();
        let scribe = Scribe { connection, queue, batch: Vec::with_capacity(BATCH), commits: commits.clone() };
        (Self { queue: changes, commits }, scribe)
    }

    pub(super) fn commits(&self) -> &CommitTimes {
        &self.commits
    }

    /// Runs the change and returns after it is durable. A change that fails undoes nothing of itself: it should be
    /// one statement, or read first and write once.
    pub(super) async fn apply<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (tell, told) = oneshot::channel();
        let change: Change = Box::new(move |connection| {
            let result = connection.map(change);
            Box::new(move |commit| {
                let answer = match (result, commit) {
                    (_, Err(error)) => Err(LedgerError::Batch(error.to_owned())),
                    (Some(result), Ok(())) => result.map_err(LedgerError::from),
                    (None, Ok(())) => Err(LedgerError::Stopped),
                };
                // A caller that went away does not undo its change.
                drop(tell.send(answer));
            })
        });
        self.queue.send(change).await.map_err(|_| LedgerError::Stopped)?;
        told.await.map_err(|_| LedgerError::Stopped)?
    }
}

/// Writes what has queued up. A simulation sets its pace, and lets it end between any two steps.
#[doc(hidden)]
pub struct Scribe {
    connection: Connection,
    queue: mpsc::Receiver<Change>,
    batch: Vec<Change>,
    commits: CommitTimes,
}

impl Scribe {
    /// Waits for a change, and takes all that have queued up; whether there will be more.
    pub async fn gather(&mut self) -> bool {
        self.queue.recv_many(&mut self.batch, BATCH).await > 0
    }

    /// Commits the batch.
    pub fn commit(&mut self) -> Written {
        let began = Instant::now();
        let mut told = Vec::with_capacity(self.batch.len());
        let result = commit(&self.connection, self.batch.drain(..), &mut told);
        if result.is_ok() {
            self.commits.observe(began.elapsed());
        }
        Written { result, told }
    }
}

/// A batch that is on disk, or failed as a whole.
#[doc(hidden)]
pub struct Written {
    result: Result<(), String>,
    told: Vec<Told>,
}

impl Written {
    /// Lets everybody hear of it.
    pub fn tell(self) {
        let Self { result, told } = self;
        let result = result.as_ref().copied().map_err(String::as_str);
        told.into_iter().for_each(|tell| tell(result));
    }
}

fn commit(connection: &Connection, changes: impl Iterator<Item = Change>, told: &mut Vec<Told>) -> Result<(), String> {
    let mut result = connection.execute_batch("BEGIN IMMEDIATE").map_err(|error| error.to_string());
    for change in changes {
        told.push(change(result.is_ok().then_some(connection)));
        // A full disk ends the whole transaction within a statement; what follows must not commit on its own.
        if result.is_ok() && connection.is_autocommit() {
            result = Err("the disk or SQLite ended the transaction; is the disk full?".to_owned());
        }
    }
    let result = result.and_then(|()| connection.execute_batch("COMMIT").map_err(|error| error.to_string()));
    if result.is_err() && !connection.is_autocommit() {
        // The commit's own error is the one to tell.
        drop(connection.execute_batch("ROLLBACK"));
    }
    result
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// SQLite's own limit gives the error that a full disk gives (SQLITE_FULL), at a place of our choice.
    #[tokio::test]
    async fn a_batch_that_the_disk_has_no_room_for_leaves_nothing_behind_and_the_next_one_is_taken_when_there_is_room()
    {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (number INTEGER, filling BLOB); PRAGMA max_page_count = 10").unwrap();
        let writer = Writer::start(connection, tempfile::tempfile().unwrap());
        let insert = |number: i64, bytes: i64| {
            writer.apply(move |c| c.execute("INSERT INTO t VALUES (?1, zeroblob(?2))", [number, bytes]))
        };
        let numbers = || {
            writer.apply(|c| {
                let mut statement = c.prepare("SELECT number FROM t ORDER BY number")?;
                statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()
            })
        };
        insert(1, 10).await.unwrap();

        // Polled together, these three are one batch, or several; whoever is told Ok must be there afterwards.
        let (before, filling, after) = tokio::join!(insert(2, 10), insert(3, 100_000), insert(4, 10));
        let error = filling.unwrap_err().to_string();
        assert!(error.contains("full"), "{error}");
        let mut kept = vec![1];
        kept.extend(before.is_ok().then_some(2));
        kept.extend(after.is_ok().then_some(4));
        assert_eq!(numbers().await.unwrap(), kept);

        writer.apply(|c| c.pragma_update(None, "max_page_count", 1000)).await.unwrap();
        insert(3, 100_000).await.unwrap();
        kept.push(3);
        kept.sort();
        assert_eq!(numbers().await.unwrap(), kept);
    }
}
