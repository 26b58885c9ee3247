//! The disk under a ledger: what is committed stays, what is not is gone with its bridge.

use crate::world::World;
use rusqlite::{Connection, OptionalExtension};
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use zeebe2faas::ledger::Ledger;
use zeebe2faas_contract::CallId;

/// A database in memory, which lives as long as one connection to it.
pub struct Disk {
    name: String,
    kept: Mutex<Connection>,
}

impl Disk {
    pub fn new(replica: &str) -> Self {
        // All runs of this process are in one memory.
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("file:{replica}-{number}?mode=memory&cache=shared");
        let kept = Mutex::new(Connection::open(&name).expect("a database"));
        Self { name, kept }
    }

    /// Its writer takes its time before each commit, and after it before anybody hears of it.
    pub fn open(&self, world: &Arc<World>, life: CancellationToken) -> Ledger {
        let connection = Connection::open(&self.name).expect("a database");
        let (ledger, mut scribe) = Ledger::on(connection).expect("a ledger");
        let world = Arc::clone(world);
        // Some disks stall now and then.
        let stalls = if world.dice.happens(0.3) { 0.1 } else { 0.0 };
        let pause = move |world: &World| match world.dice.happens(stalls) {
            true => world.dice.millis(1..4000),
            false => world.dice.millis(1..10),
        };
        tokio::spawn(life.run_until_cancelled_owned(async move {
            while scribe.gather().await {
                sleep(pause(&world)).await;
                let written = scribe.commit();
                sleep(pause(&world)).await;
                written.tell();
            }
        }));
        ledger
    }

    pub fn knows(&self, call: &CallId) -> bool {
        self.ask("SELECT call_id FROM calls WHERE call_id = ?1", call.as_str()).is_some()
    }

    /// A call that is not settled, in words.
    pub fn unrest(&self) -> Option<String> {
        let open = "SELECT call_id FROM calls WHERE (state < 2 AND maybe_queued = 1) OR (state = 2 AND delivered = 0)
                    UNION ALL SELECT call_id FROM kept WHERE ?1 = ''";
        self.ask(open, "").map(|call| format!("has an open call, {call}"))
    }

    fn ask(&self, query: &str, parameter: &str) -> Option<String> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut statement = kept.prepare_cached(query).expect("a query");
        statement.query_row([parameter], |row| row.get(0)).optional().expect("an answer")
    }
}
