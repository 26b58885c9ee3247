//! Every change and question of a running bridge. Each returns after its commit is on disk.

use super::{
    Ledger, LedgerError,
    call::{Acceptance, BegunBy, Closing, Fixed, NewCall, Pending, State},
};
use rusqlite::{Connection, OptionalExtension, Row, named_params, params};
use serde::{Serialize, de::DeserializeOwned};
use zeebe2faas_contract::{CallId, Resources};

pub(super) const PENDING: &str = "call_id, function, run_once, reply, result, tenant, deadline_ms";

impl Ledger {
    /// Writes a call down before its request leaves, and says what is to be done with its job. `begun_by`:
    /// who may have submitted it before.
    pub async fn accept(&self, call: NewCall, begun_by: BegunBy) -> Result<Acceptance, LedgerError> {
        self.writer.apply(move |connection| accept(connection, &call, begun_by)).await
    }

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

    /// Zeebe has the outcome (and with it a job that was held is closed); the row is kept until the given time.
    pub async fn delivered(&self, id: CallId, now_ms: u64, keep_until_ms: u64) -> Result<(), LedgerError> {
        let statement = "UPDATE calls SET delivered = 1, delivered_ms = coalesce(delivered_ms, ?2),
                         job_closed = max(job_closed, holds_job),
                         keep_until_ms = max(keep_until_ms, ?3) WHERE call_id = ?1";
        let change =
            move |c: &Connection| c.prepare_cached(statement)?.execute(params![id.as_str(), now_ms, keep_until_ms]);
        self.writer.apply(change).await?;
        Ok(())
    }

    /// Outcomes that Zeebe does not have yet, with their JSON, the oldest first.
    pub async fn undelivered(&self, limit: usize) -> Result<Vec<(Pending, String)>, LedgerError> {
        let query = format!(
            "SELECT {PENDING}, outcome FROM calls WHERE state = 2 AND delivered = 0 ORDER BY ended_ms LIMIT ?1"
        );
        self.writer
            .apply(move |connection| {
                let mut statement = connection.prepare_cached(&query)?;
                statement.query_map([limit], |row| Ok((pending(row)?, row.get(7)?)))?.collect()
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
        let query =
            format!("SELECT {PENDING}, asking FROM calls WHERE state < 2 AND maybe_queued = 1 AND run_once = 1");
        self.writer
            .apply(move |connection| {
                let mut statement = connection.prepare_cached(&query)?;
                statement.query_map([], |row| Ok((pending(row)?, row.get(7)?)))?.collect()
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

struct Known {
    id: String,
    attempt: u32,
    same_task: bool,
    state: State,
    maybe_queued: bool,
    job_closed: bool,
    delivered: bool,
    unsettled: bool,
    command: Fixed,
}

fn accept(connection: &Connection, call: &NewCall, begun_by: BegunBy) -> rusqlite::Result<Acceptance> {
    let known = rows_of_job(connection, call)?;
    let same = known.iter().find(|row| row.id == call.id.as_str());
    let closed = same.is_some_and(|row| row.job_closed);
    // What another Zeebe hands out comes with its first try.
    if known.iter().any(|row| !row.same_task) || closed && call.attempt == 1 {
        return Ok(Acceptance::Foreign);
    }
    if known.iter().any(|row| row.id != call.id.as_str() && row.unsettled) {
        return Ok(Acceptance::Unsettled);
    }
    if let Some(last) = known.iter().max_by_key(|row| row.attempt).filter(|row| closed || row.attempt > call.attempt) {
        let attempt = if last.state == State::Ended { last.attempt.saturating_add(1) } else { last.attempt };
        return Ok(Acceptance::SetBack { attempt });
    }
    let fixed = || Fixed {
        args: call.args.clone(),
        outputs: call.outputs.clone(),
        resources: call.resources,
        deadline_ms: call.deadline_ms,
    };
    match same {
        None => {
            insert(connection, call)?;
            Ok(Acceptance::Submit { command: fixed(), queued_before: begun_by != BegunBy::Nobody })
        }
        Some(row) if row.state != State::Accepted => {
            // An operator may have changed the retries meanwhile, or asked for another try.
            let statement = "UPDATE calls SET reply = iif(json_extract(reply, '$.job.terms.retryNow'),
                             json_set(?2, '$.job.terms.retryNow', json('true')), ?2)
                             WHERE call_id = ?1 AND state < 2 AND holds_job = 1";
            connection.prepare_cached(statement)?.execute(params![call.id.as_str(), json(&call.reply)?])?;
            Ok(Acceptance::UnderWay { delivered: row.delivered })
        }
        Some(row) if row.maybe_queued => Ok(Acceptance::Submit { command: row.command.clone(), queued_before: true }),
        Some(_) => {
            // Nothing was ever queued: what the operator mended since may change the command and the clock.
            let statement = "UPDATE calls SET maybe_queued = 1, args = ?2, outputs = ?3, deadline_ms = ?4,
                             keep_until_ms = ?5, accepted_ms = ?13, function = ?6, run_once = ?7, reply = ?8, result = ?9,
                             holds_job = ?10, memory_bytes = ?11, cores = ?12 WHERE call_id = ?1";
            connection.prepare_cached(statement)?.execute(params![
                call.id.as_str(),
                json(&call.args)?,
                json(&call.outputs)?,
                call.deadline_ms,
                call.keep_until_ms,
                call.function,
                call.run_once,
                json(&call.reply)?,
                call.result,
                call.reply.holds_job(),
                call.resources.memory_bytes,
                call.resources.cores,
                call.accepted_ms,
            ])?;
            // What this replica knows to be unqueued another one may have submitted since.
            Ok(Acceptance::Submit { command: fixed(), queued_before: begun_by == BegunBy::Another })
        }
    }
}

fn rows_of_job(connection: &Connection, call: &NewCall) -> rusqlite::Result<Vec<Known>> {
    let query = "SELECT call_id, process_instance_key = ?2 AND element_id = ?3, state, maybe_queued, job_closed,
                 delivered, args, outputs, deadline_ms, memory_bytes, cores,
                 state = 2 AND delivered = 0 AND holds_job = 1, try FROM calls WHERE job_key = ?1";
    let mut statement = connection.prepare_cached(query)?;
    let rows = statement.query_map(params![call.job_key, call.process_instance_key, call.element_id], |row| {
        Ok(Known {
            id: row.get(0)?,
            attempt: row.get(12)?,
            same_task: row.get(1)?,
            state: State::from_number(row.get(2)?),
            maybe_queued: row.get(3)?,
            job_closed: row.get(4)?,
            delivered: row.get(5)?,
            unsettled: row.get(11)?,
            command: Fixed {
                args: parsed(row, 6)?,
                outputs: parsed(row, 7)?,
                resources: resources(row, 9)?,
                deadline_ms: row.get(8)?,
            },
        })
    })?;
    rows.collect()
}

fn insert(connection: &Connection, call: &NewCall) -> rusqlite::Result<()> {
    let statement = "INSERT INTO calls (call_id, job_key, try, job_type, process_instance_key, bpmn_process_id,
        element_id, tenant, function, run_once, reply, holds_job, result, args, outputs, memory_bytes,
        cores, state, maybe_queued, asking,
        job_closed, delivered, accepted_ms, deadline_ms, keep_until_ms)
        VALUES (:id, :job, :try, :type, :instance, :process, :element, :tenant, :function, :once, :reply, :holds, :result,
        :args, :outputs, :memory, :cores, 0, 1, 0, 0, 0, :accepted, :deadline, :keep)";
    connection.prepare_cached(statement)?.execute(named_params! {
        ":id": call.id.as_str(), ":job": call.job_key, ":try": call.attempt, ":type": call.job_type,
        ":instance": call.process_instance_key, ":process": call.bpmn_process_id, ":element": call.element_id,
        ":tenant": call.tenant, ":function": call.function, ":once": call.run_once, ":reply": json(&call.reply)?, ":holds": call.reply.holds_job(),
        ":result": call.result, ":args": json(&call.args)?, ":outputs": json(&call.outputs)?,
        ":memory": call.resources.memory_bytes, ":cores": call.resources.cores,
        ":accepted": call.accepted_ms, ":deadline": call.deadline_ms, ":keep": call.keep_until_ms,
    })?;
    Ok(())
}

pub(super) fn pending(row: &Row<'_>) -> rusqlite::Result<Pending> {
    Ok(Pending {
        id: call_id(row, 0)?,
        function: row.get(1)?,
        run_once: row.get(2)?,
        reply: parsed(row, 3)?,
        result: row.get(4)?,
        tenant: row.get(5)?,
        deadline_ms: row.get(6)?,
    })
}

pub(super) fn call_id(row: &Row<'_>, column: usize) -> rusqlite::Result<CallId> {
    let text: String = row.get(column)?;
    text.parse().map_err(|error| wrong(column, error))
}

/// A column that holds JSON.
pub(super) fn parsed<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| wrong(column, error))
}

/// In two columns, the first of which is named.
pub(super) fn resources(row: &Row<'_>, memory: usize) -> rusqlite::Result<Resources> {
    Ok(Resources { memory_bytes: row.get(memory)?, cores: row.get(memory + 1)? })
}

fn json(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

fn wrong(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::{
        super::call::{HeldJob, Reply},
        *,
    };

    fn call(job_key: i64) -> NewCall {
        NewCall {
            id: CallId::new("test", job_key, 1),
            job_key,
            attempt: 1,
            job_type: "openfaas".into(),
            process_instance_key: 1,
            bpmn_process_id: "process".into(),
            element_id: "task".into(),
            tenant: String::new(),
            function: "otbcli".into(),
            run_once: true,
            reply: Reply::Message("faas-done".into()),
            result: "call".into(),
            args: Vec::new(),
            outputs: Vec::new(),
            resources: Resources::default(),
            accepted_ms: 1,
            deadline_ms: 2,
            keep_until_ms: 3,
        }
    }

    #[tokio::test]
    async fn a_job_that_an_outcome_of_long_ago_has_set_back_goes_on_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger")).unwrap();
        let attempt = |attempt| {
            let held = HeldJob { key: 1, terms: None };
            NewCall { id: CallId::new("test", 1, attempt), attempt, reply: Reply::Job(held), ..call(1) }
        };
        let set_back_to = async |to| match ledger.accept(attempt(to), BegunBy::Nobody).await.unwrap() {
            Acceptance::SetBack { attempt } => Some(attempt),
            _ => None,
        };
        for number in 1..=2 {
            let call = attempt(number);
            assert_eq!(set_back_to(number).await, None);
            ledger.end(call.id.clone(), "{}".into(), 1).await.unwrap();
            ledger.delivered(call.id, 1, 1).await.unwrap();
        }
        assert_eq!(set_back_to(2).await, Some(3));
        assert_eq!(set_back_to(3).await, None);
        assert_eq!(set_back_to(2).await, Some(3), "the third is under way");
        let first = ledger.accept(attempt(1), BegunBy::Nobody).await.unwrap();
        assert!(matches!(first, Acceptance::Foreign), "{first:?}");
    }

    #[tokio::test]
    async fn every_open_call_that_may_be_queued_is_asked_about_at_a_start() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger")).unwrap();
        let [accepted, submitted, refused, ended] = [1, 2, 3, 4].map(call);
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
