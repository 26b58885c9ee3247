//! Callbacks of calls that another replica owns, kept until that one knows of them.

use super::{Ledger, LedgerError, row::call_id};
use rusqlite::{OptionalExtension, Row, named_params, params};
use zeebe2faas_contract::CallId;

const KEPT: &str = "number, call_id, owner, token, head, body, cut, outcome, delivered, expires_ms";

/// A callback that came to the wrong replica while the right one was away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its number in the ledger; 0 before it is there.
    pub number: i64,
    /// The call.
    pub call_id: CallId,
    /// The replica that owns the call.
    pub owner: String,
    /// The callback's token.
    pub token: String,
    /// Its headers, as JSON.
    pub head: String,
    /// Its body.
    pub body: Vec<u8>,
    /// Whether that is not whole.
    pub cut: bool,
    /// What this replica delivers, as JSON; nothing where only the owner can tell what is to be done.
    pub outcome: Option<String>,
    /// Whether Zeebe has the outcome, or this replica's own row of the call sees to it.
    pub delivered: bool,
    /// Until when the owner is told, in milliseconds since 1970.
    pub expires_ms: u64,
}

impl Ledger {
    /// Keeps a callback, in the place of one of the same call that settled less; says whether there was room.
    pub async fn keep(&self, kept: Kept, limit: usize) -> Result<bool, LedgerError> {
        let statement =
            "INSERT OR REPLACE INTO kept (call_id, owner, token, head, body, cut, outcome, delivered, expires_ms)
            SELECT :id, :owner, :token, :head, :body, :cut, :outcome, :delivered, :expires
            WHERE ((SELECT count(*) FROM kept) < :limit OR EXISTS (SELECT 1 FROM kept WHERE call_id = :id)) AND NOT EXISTS
            (SELECT 1 FROM kept WHERE call_id = :id AND (outcome IS NOT NULL OR delivered = 1))";
        self.writer
            .apply(move |connection| {
                let inserted = connection.prepare_cached(statement)?.execute(named_params! {
                    ":id": kept.call_id.as_str(), ":owner": kept.owner, ":token": kept.token, ":head": kept.head,
                    ":body": kept.body, ":cut": kept.cut, ":outcome": kept.outcome, ":delivered": kept.delivered,
                    ":expires": kept.expires_ms, ":limit": limit,
                })?;
                let there = "SELECT EXISTS (SELECT 1 FROM kept WHERE call_id = ?1)";
                let there = || connection.prepare_cached(there)?.query_row([kept.call_id.as_str()], |row| row.get(0));
                if inserted == 1 { Ok(true) } else { there() }
            })
            .await
    }

    /// Whether this ledger has a row of the call.
    pub async fn knows(&self, id: CallId) -> Result<bool, LedgerError> {
        let query = "SELECT EXISTS (SELECT 1 FROM calls WHERE call_id = ?1)";
        self.writer.apply(move |c| c.prepare_cached(query)?.query_row([id.as_str()], |row| row.get(0))).await
    }

    /// Kept callbacks after this number that are the owners' to hear, in their order: none that a row of this ledger is
    /// still to bring to Zeebe.
    pub async fn kept_for_owners(&self, after: i64, limit: usize) -> Result<Vec<Kept>, LedgerError> {
        let which = "number > ?1 AND (delivered = 1 OR outcome IS NULL) AND NOT EXISTS
            (SELECT 1 FROM calls WHERE calls.call_id = kept.call_id AND calls.state = 2 AND calls.delivered = 0)";
        self.some_kept(which, after, limit).await
    }

    /// Those that this replica is to deliver first.
    pub async fn kept_undelivered(&self, after: i64, limit: usize) -> Result<Vec<Kept>, LedgerError> {
        self.some_kept("number > ?1 AND delivered = 0 AND outcome IS NOT NULL", after, limit).await
    }

    async fn some_kept(&self, which: &str, after: i64, limit: usize) -> Result<Vec<Kept>, LedgerError> {
        let query = format!("SELECT {KEPT} FROM kept WHERE {which} ORDER BY number LIMIT ?2");
        self.writer.apply(move |c| c.prepare_cached(&query)?.query_map(params![after, limit], kept)?.collect()).await
    }

    /// The callback of this call that nobody could act on yet.
    pub async fn kept_for_its_holder(&self, id: CallId) -> Result<Option<Kept>, LedgerError> {
        let query = format!("SELECT {KEPT} FROM kept WHERE call_id = ?1 AND delivered = 0 AND outcome IS NULL");
        self.writer.apply(move |c| c.prepare_cached(&query)?.query_row([id.as_str()], kept).optional()).await
    }

    /// Its outcome needs no delivery any more; the owner is still to be told.
    pub async fn kept_is_delivered(&self, number: i64) -> Result<(), LedgerError> {
        let statement = "UPDATE kept SET delivered = 1 WHERE number = ?1";
        self.writer.apply(move |c| c.prepare_cached(statement)?.execute([number])).await?;
        Ok(())
    }

    /// The owner knows.
    pub async fn owner_knows(&self, number: i64) -> Result<(), LedgerError> {
        let statement = "DELETE FROM kept WHERE number = ?1";
        self.writer.apply(move |c| c.prepare_cached(statement)?.execute([number])).await?;
        Ok(())
    }

    /// Gives up owners that did not come back in time; says how many callbacks that were. An outcome that Zeebe does
    /// not have is never given up.
    pub async fn forget_kept(&self, now_ms: u64) -> Result<usize, LedgerError> {
        let statement = "DELETE FROM kept WHERE expires_ms < ?1 AND (delivered = 1 OR outcome IS NULL)";
        self.writer.apply(move |c| c.prepare_cached(statement)?.execute([now_ms])).await
    }
}

fn kept(row: &Row<'_>) -> rusqlite::Result<Kept> {
    Ok(Kept {
        number: row.get(0)?,
        call_id: call_id(row, 1)?,
        owner: row.get(2)?,
        token: row.get(3)?,
        head: row.get(4)?,
        body: row.get(5)?,
        cut: row.get(6)?,
        outcome: row.get(7)?,
        delivered: row.get(8)?,
        expires_ms: row.get(9)?,
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn failure(key: i64) -> Kept {
        Kept {
            number: 0,
            call_id: CallId::new("test", key, 1),
            owner: "bridge-1".into(),
            token: "token".into(),
            head: "{}".into(),
            body: Vec::new(),
            cut: false,
            outcome: None,
            delivered: false,
            expires_ms: 10,
        }
    }

    fn success(key: i64) -> Kept {
        Kept { outcome: Some("{}".into()), ..failure(key) }
    }

    #[tokio::test]
    async fn one_callback_of_a_call_is_kept_the_one_that_settles_more_and_not_more_than_there_is_room_for() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger")).unwrap();
        for kept in [failure(1), success(1), failure(1), success(2)] {
            assert!(ledger.keep(kept, 2).await.unwrap());
        }
        assert!(!ledger.keep(success(3), 2).await.unwrap());
        assert!(ledger.kept_for_owners(0, 10).await.unwrap().is_empty());
        let kept = ledger.kept_undelivered(0, 10).await.unwrap();
        assert_eq!(
            kept.iter().map(|kept| Kept { number: 0, ..kept.clone() }).collect::<Vec<_>>(),
            [success(1), success(2)]
        );
        assert_eq!(ledger.kept_undelivered(kept[0].number, 10).await.unwrap(), kept[1..]);
    }

    #[tokio::test]
    async fn where_no_room_is_left_a_callback_that_settles_more_still_takes_its_calls_own_place() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger")).unwrap();
        assert!(ledger.keep(failure(1), 1).await.unwrap());
        assert!(!ledger.keep(success(2), 1).await.unwrap(), "there is no room");
        assert!(ledger.keep(success(1), 1).await.unwrap());
        let kept = ledger.kept_undelivered(0, 10).await.unwrap();
        assert_eq!(kept.iter().map(|kept| &kept.call_id).collect::<Vec<_>>(), [&success(1).call_id]);
    }

    #[tokio::test]
    async fn an_owner_is_given_up_in_time_and_an_outcome_that_zeebe_does_not_have_never() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger")).unwrap();
        for kept in [failure(1), success(2), success(3)] {
            ledger.keep(kept, 10).await.unwrap();
        }
        let undelivered = ledger.kept_undelivered(0, 10).await.unwrap();
        ledger.kept_is_delivered(undelivered[1].number).await.unwrap();
        assert_eq!(ledger.kept_for_owners(0, 10).await.unwrap().len(), 2);
        assert_eq!(ledger.forget_kept(10).await.unwrap(), 0);
        assert_eq!(ledger.forget_kept(11).await.unwrap(), 2);
        assert_eq!(ledger.kept_undelivered(0, 10).await.unwrap(), undelivered[..1]);
    }
}
