//! What a program prints: its last bytes for the report, single lines for the message, all of it for the log.

use std::{collections::VecDeque, mem};
use zeebe2faas_contract::CallId;

/// A longer line is taken as several.
const MAX_LINE_BYTES: usize = 8 * 1024;

/// Standard output and standard error of one program, in the order in which they were written.
#[derive(Debug)]
pub struct ProgramLog {
    call_id: CallId,
    tail_bytes: usize,
    failure_texts: Vec<String>,
    tail: VecDeque<u8>,
    line: Vec<u8>,
    found: Found,
}

/// What was noticed in a program's output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The last line that is not empty.
    pub last_line: Option<String>,
    /// The last line that says FATAL or ERROR, in OTB's and GDAL's way.
    pub last_error: Option<String>,
    /// The first line with a text that means failure in spite of exit code 0.
    pub failure: Option<String>,
}

impl ProgramLog {
    /// Keeps the last `tail_bytes`, and notices lines that contain one of `failure_texts`.
    pub fn new(call_id: CallId, tail_bytes: usize, failure_texts: Vec<String>) -> Self {
        let (tail, line, found) = Default::default();
        Self { call_id, tail_bytes, failure_texts, tail, line, found }
    }

    /// Takes what the program printed.
    pub fn push(&mut self, bytes: &[u8]) {
        self.tail.extend(bytes);
        self.tail.drain(..self.tail.len().saturating_sub(self.tail_bytes));
        for piece in bytes.split_inclusive(|&b| b == b'\n') {
            for part in piece.chunks(MAX_LINE_BYTES) {
                self.line.extend_from_slice(part);
                if part.ends_with(b"\n") || self.line.len() >= MAX_LINE_BYTES {
                    self.end_line();
                }
            }
        }
    }

    /// The last bytes as text (a character cut in two at the start is left out), and what was noticed.
    pub fn finish(&mut self) -> (String, Found) {
        self.end_line();
        let cut = self.tail.iter().take(3).take_while(|&&b| b & 0xc0 == 0x80).count();
        self.tail.drain(..cut);
        (String::from_utf8_lossy(self.tail.make_contiguous()).into_owned(), self.found.clone())
    }

    fn end_line(&mut self) {
        let line = mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let line = line.trim();
        if line.is_empty() {
            return;
        }
        tracing::info!(target: "program", call = %self.call_id, "{line}");
        if self.found.failure.is_none() && self.failure_texts.iter().any(|text| line.contains(text)) {
            self.found.failure = Some(line.to_owned());
        }
        if line.contains("FATAL") || line.contains("ERROR") {
            self.found.last_error = Some(line.to_owned());
        }
        self.found.last_line = Some(line.to_owned());
    }
}
