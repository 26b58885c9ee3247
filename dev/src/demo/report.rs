//! The table on stdout and the same as JSON.

use super::{CoupleResult, DemoError, Ended, StepResult, quicklook_of};
use serde_json::json;
use std::{path::Path, time::Duration};
use zeebe2faas::bridge::outcome::Status;

/// How far a known target may be off: 1 m and 0.5 %.
const OFFSET_LIMIT_M: f64 = 1.0;
const ERROR_LIMIT: f64 = 0.005;

/// The table: a line for each call, then each couple, then each product.
pub fn table(results: &[CoupleResult], elapsed: Duration, output: &Path) -> String {
    let mut table = String::new();
    row(&mut table, &["COUPLE", "CALL", "FUNCTION", "SECONDS", "MEMORY", "OUTCOME"]);
    for result in results {
        for step in &result.steps {
            call(&mut table, &result.name(), step);
        }
    }
    table.push('\n');
    for result in results {
        table.push_str(&format!("{}: {}\n", result.name(), verdict(result)));
    }
    table.push('\n');
    for couples in results.chunk_by(|a, b| a.product == b.product) {
        let (name, good) = (&couples[0].product, couples.iter().filter(|couple| is_good(couple)).count());
        let quicklook = quicklook_of(output, name);
        let picture = if quicklook.exists() { format!(", {}", quicklook.display()) } else { String::new() };
        table.push_str(&format!("{name}: {good} of {} couples{picture}\n", couples.len()));
    }
    table.push_str(&format!("{} couples in {:.1} s\n", results.len(), elapsed.as_secs_f64()));
    table
}

fn call(table: &mut String, couple: &str, step: &StepResult) {
    let or_dash = |figure: Option<String>| figure.unwrap_or_else(|| "-".to_owned());
    let outcome = match step.status {
        Status::Succeeded => step.status.as_str().to_owned(),
        status => format!("{}: {}", status.as_str(), first_line(step.message.as_deref().unwrap_or_default())),
    };
    row(
        table,
        &[
            couple,
            step.call_id.as_deref().unwrap_or("-"),
            step.function.as_deref().unwrap_or("-"),
            &or_dash(step.duration_seconds.map(|seconds| format!("{seconds:.1}"))),
            &or_dash(step.peak_memory_bytes.map(|bytes| format!("{} MB", bytes / 1_000_000))),
            &outcome,
        ],
    );
}

/// Writes the same for programs.
pub fn write(path: &Path, ended: &Ended, elapsed: Duration) -> Result<(), DemoError> {
    let report = json!({
        "seconds": elapsed.as_secs_f64(),
        "processInstanceKey": ended.process_instance_key,
        "couples": ended.couples,
    });
    std::fs::write(path, format!("{report:#}\n")).map_err(|source| DemoError::Io { path: path.to_owned(), source })
}

/// Whether a couple succeeded and, where the truth is known, is accurate.
pub fn is_good(result: &CoupleResult) -> bool {
    result.status == Status::Succeeded
        && result.finding.is_none()
        && result.worst_offset_m.is_none_or(|offset| offset <= OFFSET_LIMIT_M)
        && result.worst_relative_error.is_none_or(|error| error <= ERROR_LIMIT)
}

/// What came of a couple, in words.
pub fn verdict(result: &CoupleResult) -> String {
    let Some(file) = result.result() else {
        let step = result.step.as_deref().unwrap_or("the start");
        return format!("{} at {step}: {}", result.status.as_str(), result.message);
    };
    let file = file.display();
    match (result.worst_offset_m, result.worst_relative_error, &result.finding) {
        (.., Some(finding)) => format!("not as the truth says: {finding}"),
        (Some(offset), Some(error), _) => {
            format!("{file} (targets within {offset:.2} m and {:.2} % of the truth)", error * 100.0)
        }
        _ => file.to_string(),
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn row(table: &mut String, cells: &[&str; 6]) {
    let [couple, call, function, seconds, memory, outcome] = cells;
    table.push_str(&format!("{couple:14}  {call:26}  {function:18}  {seconds:>7}  {memory:>8}  {outcome}\n"));
}
