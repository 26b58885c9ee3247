//! The table on stdout and the same as JSON.

use super::{CoupleResult, DemoError};
use serde_json::json;
use std::{path::Path, time::Duration};
use zeebe2faas::bridge::outcome::Status;

/// How far a known target may be off: 1 m and 0.5 %.
const OFFSET_LIMIT_M: f64 = 1.0;
const ERROR_LIMIT: f64 = 0.005;

/// Prints the table; says whether all is well.
pub fn print(results: &[CoupleResult], elapsed: Duration) -> bool {
    let mut table = String::new();
    row(&mut table, &["COUPLE", "CALL", "FUNCTION", "SECONDS", "MEMORY", "OUTCOME"]);
    for result in results {
        for step in &result.steps {
            let outcome = &step.outcome;
            row(
                &mut table,
                &[
                    &format!("{}/{}", result.product, result.couple),
                    outcome.call_id.as_str(),
                    &outcome.function,
                    &outcome.duration_seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.1}")),
                    &outcome
                        .peak_memory_bytes
                        .map_or_else(|| "-".to_owned(), |bytes| format!("{} MB", bytes / 1_000_000)),
                    format!("{} {}", outcome.status.as_str(), outcome.message).trim(),
                ],
            );
        }
    }
    table.push('\n');
    for result in results {
        table.push_str(&format!("{}/{}: {}\n", result.product, result.couple, verdict(result)));
    }
    table.push_str(&format!("{} couples in {:.1} s\n", results.len(), elapsed.as_secs_f64()));
    print!("{table}");
    results.iter().all(is_good)
}

/// Writes the same for programs.
pub fn write(path: &Path, results: &[CoupleResult], elapsed: Duration) -> Result<(), DemoError> {
    let report = json!({ "seconds": elapsed.as_secs_f64(), "couples": results });
    std::fs::write(path, format!("{report:#}\n")).map_err(|source| DemoError::Io { path: path.to_owned(), source })?;
    println!("report: {}", path.display());
    Ok(())
}

fn is_good(result: &CoupleResult) -> bool {
    result.status == Status::Succeeded
        && result.finding.is_none()
        && result.worst_offset_m.is_none_or(|offset| offset <= OFFSET_LIMIT_M)
        && result.worst_relative_error.is_none_or(|error| error <= ERROR_LIMIT)
}

fn verdict(result: &CoupleResult) -> String {
    let Some(last) = result.steps.last() else { return format!("{}: no call was made", result.status.as_str()) };
    match (result.status, result.worst_offset_m, result.worst_relative_error, &result.finding) {
        (Status::Succeeded, Some(offset), Some(error), _) => {
            format!("{} (targets within {offset:.2} m and {:.2} % of the truth)", last.file.display(), error * 100.0)
        }
        (Status::Succeeded, _, _, Some(finding)) => format!("not as the truth says: {finding}"),
        (Status::Succeeded, ..) => last.file.display().to_string(),
        (status, ..) => format!("{} at {}: {}", status.as_str(), last.step, last.outcome.message),
    }
}

fn row(table: &mut String, cells: &[&str; 6]) {
    let [couple, call, function, seconds, memory, outcome] = cells;
    table.push_str(&format!("{couple:14}  {call:26}  {function:18}  {seconds:>7}  {memory:>8}  {outcome}\n"));
}
