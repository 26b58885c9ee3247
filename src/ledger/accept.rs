//! A job that comes, or comes again: what becomes of its call.

use super::{
    Ledger, LedgerError,
    call::{Acceptance, BegunBy, Fixed, NewCall, State},
    row::{json, parent, parsed, resources},
};
use rusqlite::{Connection, named_params, params};

impl Ledger {
    /// Writes a call down before its request leaves, and says what is to be done with its job. `begun_by`:
    /// who may have submitted it before.
    pub async fn accept(&self, call: NewCall, begun_by: BegunBy) -> Result<Acceptance, LedgerError> {
        self.writer.apply(move |connection| accept(connection, &call, begun_by)).await
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
    match same {
        None => {
            insert(connection, call)?;
            Ok(Acceptance::Submit { command: call.fixed(), queued_before: begun_by != BegunBy::Nobody })
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
                             holds_job = ?10, memory_bytes = ?11, cores = ?12, parent = ?14, as_job = ?15
                             WHERE call_id = ?1";
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
                call.parent.map(|parent| parent.to_string()),
                call.as_job,
            ])?;
            // What this replica knows to be unqueued another one may have submitted since.
            Ok(Acceptance::Submit { command: call.fixed(), queued_before: begun_by == BegunBy::Another })
        }
    }
}

fn rows_of_job(connection: &Connection, call: &NewCall) -> rusqlite::Result<Vec<Known>> {
    let query = "SELECT call_id, process_instance_key = ?2 AND element_id = ?3, state, maybe_queued, job_closed,
                 delivered, args, outputs, deadline_ms, memory_bytes, cores,
                 state = 2 AND delivered = 0 AND holds_job = 1, try, parent, as_job FROM calls WHERE job_key = ?1";
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
                parent: parent(row, 13)?,
                deadline_ms: row.get(8)?,
                as_job: row.get(14)?,
            },
        })
    })?;
    rows.collect()
}

fn insert(connection: &Connection, call: &NewCall) -> rusqlite::Result<()> {
    let statement = "INSERT INTO calls (call_id, job_key, try, job_type, process_instance_key, bpmn_process_id,
        element_id, tenant, function, run_once, as_job, reply, holds_job, result, args, outputs, memory_bytes,
        cores, parent, state, maybe_queued, asking,
        job_closed, delivered, accepted_ms, deadline_ms, keep_until_ms)
        VALUES (:id, :job, :try, :type, :instance, :process, :element, :tenant, :function, :once, :as_job, :reply, :holds, :result,
        :args, :outputs, :memory, :cores, :parent, 0, 1, 0, 0, 0, :accepted, :deadline, :keep)";
    connection.prepare_cached(statement)?.execute(named_params! {
        ":id": call.id.as_str(), ":job": call.job_key, ":try": call.attempt, ":type": call.job_type,
        ":instance": call.process_instance_key, ":process": call.bpmn_process_id, ":element": call.element_id,
        ":tenant": call.tenant, ":function": call.function, ":once": call.run_once,
        ":as_job": call.as_job, ":reply": json(&call.reply)?, ":holds": call.reply.holds_job(),
        ":result": call.result, ":args": json(&call.args)?, ":outputs": json(&call.outputs)?,
        ":memory": call.resources.memory_bytes, ":cores": call.resources.cores,
        ":parent": call.parent.map(|parent| parent.to_string()),
        ":accepted": call.accepted_ms, ":deadline": call.deadline_ms, ":keep": call.keep_until_ms,
    })?;
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::{
        super::reply::{HeldJob, Reply},
        *,
    };
    use zeebe2faas_contract::CallId;

    #[tokio::test]
    async fn what_this_replica_knows_to_be_unqueued_may_be_queued_by_another_that_had_the_job_since() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger")).unwrap();
        let call = NewCall::example(1);
        for (begun_by, expected) in [(BegunBy::Nobody, false), (BegunBy::Us, false), (BegunBy::Another, true)] {
            let accepted = ledger.accept(call.clone(), begun_by).await.unwrap();
            let as_expected = matches!(accepted, Acceptance::Submit { queued_before, .. } if queued_before == expected);
            assert!(as_expected, "{begun_by:?}: {accepted:?}");
            ledger.nothing_queued(call.id.clone()).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_job_that_an_outcome_of_long_ago_has_set_back_goes_on_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger")).unwrap();
        let attempt = |attempt| {
            let held = HeldJob { key: 1, terms: None };
            NewCall { id: CallId::new("test", 1, attempt), attempt, reply: Reply::Job(held), ..NewCall::example(1) }
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
}
