//! Columns of the table `calls`, read and written.

use super::call::Pending;
use rusqlite::Row;
use serde::{Serialize, de::DeserializeOwned};
use zeebe2faas_contract::{CallId, Resources, TraceParent};

/// What [`pending`] reads.
pub(super) const PENDING: &str =
    "call_id, function, run_once, reply, result, tenant, deadline_ms, process_instance_key, element_id, as_job";

pub(super) fn pending(row: &Row<'_>) -> rusqlite::Result<Pending> {
    Ok(Pending {
        id: call_id(row, 0)?,
        function: row.get(1)?,
        run_once: row.get(2)?,
        reply: parsed(row, 3)?,
        result: row.get(4)?,
        tenant: row.get(5)?,
        deadline_ms: row.get(6)?,
        process_instance_key: row.get(7)?,
        element_id: row.get(8)?,
        as_job: row.get(9)?,
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

/// A column that holds a `traceparent`, or nothing.
pub(super) fn parent(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<TraceParent>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| text.parse().map_err(|error| wrong(column, error))).transpose()
}

/// A value for such a column.
pub(super) fn json(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

fn wrong(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
}
