//! What the ledger knows of a delivered call's way, for its trace.

use super::{
    Ledger, LedgerError,
    row::{call_id, parent},
};
use rusqlite::{OptionalExtension, Row};
use zeebe2faas_contract::{CallId, TraceParent};

/// A delivered call's way. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq)]
pub struct Journey {
    /// The call.
    pub call_id: CallId,
    /// Its function.
    pub function: String,
    /// The job's key.
    pub job_key: i64,
    /// Which try of the job.
    pub attempt: u32,
    /// The process.
    pub bpmn_process_id: String,
    /// The process instance.
    pub process_instance_key: i64,
    /// The service task.
    pub element_id: String,
    /// The span that its process hangs the call below.
    pub parent: Option<TraceParent>,
    /// When it was accepted.
    pub accepted_ms: u64,
    /// When OpenFaaS took it, as far as that is known.
    pub submitted_ms: Option<u64>,
    /// When its program was started, by its runner's clock.
    pub started_at_ms: Option<u64>,
    /// How long that ran, in seconds.
    pub duration_seconds: Option<f64>,
    /// When its outcome was known.
    pub ended_ms: u64,
    /// When Zeebe had it.
    pub delivered_ms: u64,
    /// How it ended: `succeeded`, `failed`, …
    pub status: String,
    /// What went wrong.
    pub message: String,
}

impl Journey {
    /// Whether its process wants it recorded.
    pub fn is_sampled(&self) -> bool {
        self.parent.is_none_or(|parent| parent.sampled)
    }
}

impl Ledger {
    /// The ways of those of these calls that are delivered.
    pub async fn journeys(&self, ids: Vec<CallId>) -> Result<Vec<Journey>, LedgerError> {
        let query = "SELECT call_id, function, job_key, try, bpmn_process_id, process_instance_key, element_id, parent,
                     accepted_ms, submitted_ms, json_extract(outcome, '$.startedAtMs'),
                     json_extract(outcome, '$.durationSeconds'), ended_ms, delivered_ms,
                     coalesce(json_extract(outcome, '$.status'), ''), coalesce(json_extract(outcome, '$.message'), '')
                     FROM calls WHERE call_id = ?1 AND state = 2 AND delivered = 1";
        self.writer
            .apply(move |connection| {
                let mut statement = connection.prepare_cached(query)?;
                let mut find = |id: &CallId| statement.query_row([id.as_str()], journey).optional().transpose();
                ids.iter().filter_map(&mut find).collect()
            })
            .await
    }
}

fn journey(row: &Row<'_>) -> rusqlite::Result<Journey> {
    Ok(Journey {
        call_id: call_id(row, 0)?,
        function: row.get(1)?,
        job_key: row.get(2)?,
        attempt: row.get(3)?,
        bpmn_process_id: row.get(4)?,
        process_instance_key: row.get(5)?,
        element_id: row.get(6)?,
        parent: parent(row, 7)?,
        accepted_ms: row.get(8)?,
        submitted_ms: row.get(9)?,
        started_at_ms: row.get(10)?,
        duration_seconds: row.get(11)?,
        ended_ms: row.get(12)?,
        delivered_ms: row.get(13)?,
        status: row.get(14)?,
        message: row.get(15)?,
    })
}
