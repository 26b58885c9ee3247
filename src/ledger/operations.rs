//! Every change and question of a running bridge. Each returns after its commit is on disk.

use super::{
    Ledger, LedgerError,
    call::{Closing, Pending, State},
    row::{PENDING, call_id, pending},
};
use rusqlite::{OptionalExtension, params};
use zeebe2faas_contract::CallId;

impl Ledger {
    /// OpenFaaS has it, or may have it and will not be asked again.
    pub async fn submitted(&self, id: CallId, now_ms: u64) -> Result<(), LedgerError> {
        let statement = "UPDATE calls SET state = max(state, 1), submitted_ms = coalesce(submitted_ms, ?2)
                         WHERE call_id = ?1";
        self.writer.apply(move |c| c.prepare_cached(statement)?.execute(params![id.as_str(), now_ms])).await?;
        Ok(())
    }

    /// Every submission so far proved that nothing was queued.
    pub async fn nothing_queued(&self, id: CallId) -> Result<(), LedgerError> {
        let statement = "UPDATE calls SET maybe_queued = 0 WHERE call_id = ?1 AND state = 0";
        self.writer.apply(move |c| c.prepare_cached(statement)?.execute([id.as_str()])).await?;
        Ok(())
    }

    /// The job was completed, or is gone.
    pub async fn job_closed(&self, id: CallId) -> Result<(), LedgerError> {
        let statement = "UPDATE calls SET job_closed = 1 WHERE call_id = ?1";
        self.writer.apply(move |c| c.prepare_cached(statement)?.execute([id.as_str()])).await?;
        Ok(())
    }

    /// A provisional callback came: nothing else will tell the outcome, the runner must be asked.
    pub async fn asking(&self, id: CallId) -> Result<(), LedgerError> {
        let statement = "UPDATE calls SET asking = 1 WHERE call_id = ?1 AND state < 2";
        self.writer.apply(move |c| c.prepare_cached(statement)?.execute([id.as_str()])).await?;
        Ok(())
    }

    /// Sets the outcome once. `outcome` is the JSON that will be delivered.
    pub async fn end(&self, id: CallId, outcome: String, now_ms: u64) -> Result<Closing, LedgerError> {
        let set = format!(
            "UPDATE calls SET state = 2, outcome = ?2, ended_ms = ?3 WHERE call_id = ?1 AND state < 2
             RETURNING {PENDING}"
        );
        self.writer
            .apply(move |connection| {
                let first = connection
                    .prepare_cached(&set)?
                    .query_row(params![id.as_str(), outcome, now_ms], pending)
                    .optional()?;
                if let Some(pending) = first {
                    return Ok(Closing::First(Box::new(pending)));
                }
                let late = "UPDATE calls SET late = iif(outcome = ?2, late, coalesce(late, ?2)) WHERE call_id = ?1";
                let rows = connection.prepare_cached(late)?.execute(params![id.as_str(), outcome])?;
                Ok(if rows == 1 { Closing::Late } else { Closing::NoRow })
            })
            .await
    }

    /// Zeebe has the outcome (and with it a job that was held is closed); the row is kept until the given time. Tells
    /// when the call had ended, in milliseconds since 1970, unless its delivery was known already.
    pub async fn delivered(&self, id: CallId, now_ms: u64, keep_until_ms: u64) -> Result<Option<u64>, LedgerError> {
        let news = "SELECT ended_ms FROM calls WHERE call_id = ?1 AND delivered = 0";
        let statement = "UPDATE calls SET delivered = 1, delivered_ms = coalesce(delivered_ms, ?2),
                         job_closed = max(job_closed, holds_job),
                         keep_until_ms = max(keep_until_ms, ?3) WHERE call_id = ?1";
        self.writer
            .apply(move |c| {
                let ended_ms = c.prepare_cached(news)?.query_row([id.as_str()], |row| row.get(0)).optional()?;
                c.prepare_cached(statement)?.execute(params![id.as_str(), now_ms, keep_until_ms])?;
                Ok(ended_ms.flatten())
            })
            .await
    }

    /// Outcomes that Zeebe does not have yet, with their JSON, the oldest first.
    pub async fn undelivered(&self, limit: usize) -> Result<Vec<(Pending, String)>, LedgerError> {
        let query = format!(
            "SELECT {PENDING}, outcome FROM calls WHERE state = 2 AND delivered = 0 ORDER BY ended_ms LIMIT ?1"
        );
        self.writer
            .apply(move |connection| {
                let mut statement = connection.prepare_cached(&query)?;
                statement.query_map([limit], |row| Ok((pending(row)?, row.get(10)?)))?.collect()
            })
            .await
    }

    /// The call, while it has no outcome.
    pub async fn open_call(&self, id: CallId) -> Result<Option<Pending>, LedgerError> {
        let query = format!("SELECT {PENDING} FROM calls WHERE call_id = ?1 AND state < 2");
        self.writer.apply(move |c| c.prepare_cached(&query)?.query_row([id.as_str()], pending).optional()).await
    }

    /// Open calls behind a runner that it can be asked about at a start, and whether a provisional callback came. One
    /// that is only accepted is among them: a crash may have come between the job's completion and this being written.
    pub async fn askable(&self) -> Result<Vec<(Pending, bool)>, LedgerError> {
        let query = format!(
            "SELECT {PENDING}, asking FROM calls
                     WHERE state < 2 AND maybe_queued = 1 AND run_once = 1 AND as_job = 0"
        );
        self.writer
            .apply(move |connection| {
                let mut statement = connection.prepare_cached(&query)?;
                statement.query_map([], |row| Ok((pending(row)?, row.get(10)?)))?.collect()
            })
            .await
    }

    /// Submitted calls whose job is still held, with the job's key.
    pub async fn held(&self) -> Result<Vec<(CallId, i64)>, LedgerError> {
        let query = "SELECT call_id, job_key FROM calls WHERE state = 1 AND job_closed = 0 AND holds_job = 1";
        self.writer
            .apply(move |connection| {
                let mut statement = connection.prepare_cached(query)?;
                statement.query_map([], |row| Ok((call_id(row, 0)?, row.get(1)?)))?.collect()
            })
            .await
    }

    /// When the next open call must have ended, in milliseconds since 1970.
    pub async fn next_deadline(&self) -> Result<Option<u64>, LedgerError> {
        let query = "SELECT min(deadline_ms) FROM calls WHERE state < 2 AND maybe_queued = 1";
        self.writer.apply(move |c| c.prepare_cached(query)?.query_row([], |row| row.get(0))).await
    }

    /// Open calls whose deadline is before the given time.
    pub async fn overdue(&self, before_ms: u64, limit: usize) -> Result<Vec<Pending>, LedgerError> {
        let query = format!(
            "SELECT {PENDING} FROM calls WHERE state < 2 AND maybe_queued = 1 AND deadline_ms <= ?1
                             ORDER BY deadline_ms LIMIT ?2"
        );
        self.writer
            .apply(move |connection| {
                let mut statement = connection.prepare_cached(&query)?;
                statement.query_map(params![before_ms, limit], pending)?.collect()
            })
            .await
    }

    /// Calls of a job type whose outcome is not with Zeebe yet.
    pub async fn in_flight(&self, job_type: String) -> Result<Vec<(CallId, State)>, LedgerError> {
        let query = "SELECT call_id, state FROM calls WHERE job_type = ?1 AND
                     ((state < 2 AND maybe_queued = 1) OR (state = 2 AND delivered = 0))";
        self.writer
            .apply(move |connection| {
                let mut statement = connection.prepare_cached(query)?;
                statement
                    .query_map([job_type], |row| Ok((call_id(row, 0)?, State::from_number(row.get(1)?))))?
                    .collect()
            })
            .await
    }

    /// Removes rows that nothing can ask for any more; says how many.
    pub async fn forget(&self, now_ms: u64, limit: usize) -> Result<usize, LedgerError> {
        let statement = "DELETE FROM calls WHERE call_id IN (SELECT call_id FROM calls WHERE keep_until_ms < ?1
                         AND (delivered = 1 OR (state = 0 AND maybe_queued = 0)) LIMIT ?2)";
        self.writer.apply(move |c| c.prepare_cached(statement)?.execute(params![now_ms, limit])).await
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::{
        super::{BegunBy, LedgerReader, NewCall, OpenCalls},
        *,
    };

    #[tokio::test]
    async fn the_oldest_call_is_one_that_zeebe_has_no_outcome_of_and_only_open_ones_have_a_deadline() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let ledger = Ledger::open(&path).unwrap();
        let seen = || {
            let OpenCalls { oldest_accepted_ms, next_deadline_ms } =
                LedgerReader::open(&path).unwrap().open_calls().unwrap();
            (oldest_accepted_ms, next_deadline_ms)
        };
        assert_eq!(seen(), (None, None));
        let call = |key: i64, at| NewCall { accepted_ms: at, deadline_ms: 100 + at, ..NewCall::example(key) };
        let [older, newer] = [call(1, 10), call(2, 20)];
        for call in [&older, &newer] {
            ledger.accept(call.clone(), BegunBy::Nobody).await.unwrap();
        }
        assert_eq!(seen(), (Some(10), Some(110)));
        ledger.end(older.id.clone(), "{}".into(), 30).await.unwrap();
        assert_eq!(seen(), (Some(10), Some(120)));
        assert_eq!(ledger.delivered(older.id.clone(), 40, 50).await.unwrap(), Some(30));
        assert_eq!(ledger.delivered(older.id, 41, 50).await.unwrap(), None, "told twice");
        assert_eq!(seen(), (Some(20), Some(120)));
        ledger.end(newer.id, "{}".into(), 60).await.unwrap();
        assert_eq!(seen(), (Some(20), None));
    }

    #[tokio::test]
    async fn every_open_call_that_may_be_queued_is_asked_about_at_a_start() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger")).unwrap();
        let [accepted, submitted, refused, ended] = [1, 2, 3, 4].map(NewCall::example);
        for call in [&accepted, &submitted, &refused, &ended] {
            ledger.accept(call.clone(), BegunBy::Nobody).await.unwrap();
        }
        ledger.submitted(submitted.id.clone(), 1).await.unwrap();
        ledger.nothing_queued(refused.id).await.unwrap();
        ledger.end(ended.id, "{}".into(), 1).await.unwrap();

        let mut asked: Vec<CallId> = ledger.askable().await.unwrap().into_iter().map(|(call, _)| call.id).collect();
        asked.sort();

        let mut expected = [accepted.id, submitted.id];
        expected.sort();
        assert_eq!(asked, expected);
    }
}
