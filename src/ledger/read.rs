//! Questions of people: beside the bridge, on a connection of their own that cannot write.

use super::{
    LedgerError,
    call::{Call, State, Summary},
    row::{call_id, parsed, resources},
    schema,
};
use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::Value;
use std::path::Path;
use zeebe2faas_contract::CallId;

const SUMMARY: &str = "call_id, state, delivered, json_extract(outcome, '$.status'), function, bpmn_process_id,
    process_instance_key, element_id, accepted_ms, ended_ms, deadline_ms";

/// Which calls; by default all.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// In this state.
    pub state: Option<State>,
    /// With an outcome that Zeebe does not have.
    pub undelivered: bool,
    /// Of this function.
    pub function: Option<String>,
    /// Of this process instance.
    pub instance: Option<i64>,
    /// Accepted before this, in milliseconds since 1970.
    pub before_ms: Option<u64>,
}

/// What is worth watching of the calls that Zeebe has no outcome of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenCalls {
    /// When the oldest was accepted, in milliseconds since 1970.
    pub oldest_accepted_ms: Option<u64>,
    /// When the next of those that have not ended must have.
    pub next_deadline_ms: Option<u64>,
}

/// Reads a ledger, also while a bridge holds it.
pub struct LedgerReader {
    connection: Connection,
}

impl LedgerReader {
    /// Opens the file for reading.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        Ok(Self { connection: schema::open_read_only(path)? })
    }

    /// The newest calls of a selection.
    pub fn list(&self, selection: &Selection, limit: usize) -> Result<Vec<Summary>, LedgerError> {
        let Selection { state, undelivered, function, instance, before_ms } = selection;
        let query = format!(
            "SELECT {SUMMARY} FROM calls WHERE (?1 IS NULL OR state = ?1)
             AND (NOT ?2 OR (state = 2 AND delivered = 0)) AND (?3 IS NULL OR function = ?3)
             AND (?4 IS NULL OR process_instance_key = ?4) AND (?5 IS NULL OR accepted_ms < ?5)
             ORDER BY accepted_ms DESC, call_id LIMIT ?6"
        );
        let mut statement = self.connection.prepare(&query)?;
        let state = state.map(|state| state as i64);
        let rows = statement.query_map((state, undelivered, function, instance, before_ms, limit), summary)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What is worth watching of open calls. Reads these only, through their indices.
    pub fn open_calls(&self) -> Result<OpenCalls, LedgerError> {
        let query = "WITH open AS (SELECT min(accepted_ms) accepted_ms, min(deadline_ms) deadline_ms FROM calls
                                   WHERE state < 2 AND maybe_queued = 1),
                     undelivered AS (SELECT min(accepted_ms) accepted_ms FROM calls WHERE state = 2 AND delivered = 0)
                     SELECT min(coalesce(open.accepted_ms, undelivered.accepted_ms),
                                coalesce(undelivered.accepted_ms, open.accepted_ms)), open.deadline_ms
                     FROM open, undelivered";
        let read = |row: &Row<'_>| Ok(OpenCalls { oldest_accepted_ms: row.get(0)?, next_deadline_ms: row.get(1)? });
        Ok(self.connection.query_row(query, [], read)?)
    }

    /// Everything known of one call.
    pub fn show(&self, id: &CallId) -> Result<Option<Call>, LedgerError> {
        let query = format!(
            "SELECT {SUMMARY}, job_key, try, job_type, tenant, reply, result, run_once, args, maybe_queued, asking,
             job_closed, submitted_ms, delivered_ms, outcome, late, memory_bytes, cores FROM calls WHERE call_id = ?1"
        );
        Ok(self.connection.query_row(&query, [id.as_str()], call).optional()?)
    }
}

fn summary(row: &Row<'_>) -> rusqlite::Result<Summary> {
    Ok(Summary {
        call_id: call_id(row, 0)?,
        state: State::from_number(row.get(1)?),
        delivered: row.get(2)?,
        status: row.get(3)?,
        function: row.get(4)?,
        bpmn_process_id: row.get(5)?,
        process_instance_key: row.get(6)?,
        element_id: row.get(7)?,
        accepted_ms: row.get(8)?,
        ended_ms: row.get(9)?,
        deadline_ms: row.get(10)?,
    })
}

fn call(row: &Row<'_>) -> rusqlite::Result<Call> {
    let json = |column| -> rusqlite::Result<Option<Value>> {
        let text: Option<String> = row.get(column)?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    };
    Ok(Call {
        summary: summary(row)?,
        job_key: row.get(11)?,
        attempt: row.get(12)?,
        job_type: row.get(13)?,
        tenant: row.get(14)?,
        reply: parsed(row, 15)?,
        result: row.get(16)?,
        run_once: row.get(17)?,
        args: parsed(row, 18)?,
        resources: resources(row, 26)?,
        maybe_queued: row.get(19)?,
        asking: row.get(20)?,
        job_closed: row.get(21)?,
        submitted_ms: row.get(22)?,
        delivered_ms: row.get(23)?,
        outcome: json(24)?,
        late: json(25)?,
    })
}
