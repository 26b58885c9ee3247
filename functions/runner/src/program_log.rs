//! What a program prints: its last lines for the report, single lines for the message, all of it for the log, and its
//! progress. Of what it overwrites with a carriage return only the last state counts.

use crate::progress::{self, Reading};
use std::{collections::VecDeque, mem};
use zeebe2faas_contract::{CallId, Progress};

const MAX_STEP_CHARACTERS: usize = Progress::MAX_STEP_CHARACTERS;
/// A longer line is taken as several.
const MAX_LINE_BYTES: usize = 8 * 1024;

/// Texts in a program's output that mean something.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    /// Failure in spite of exit code 0.
    pub failure: Vec<String>,
    /// Lack of memory, where the program fails.
    pub out_of_memory: Vec<String>,
}

/// Standard output and standard error of one program, in the order in which they were written.
#[derive(Debug)]
pub struct ProgramLog {
    call_id: CallId,
    tail_bytes: usize,
    texts: Texts,
    tail: VecDeque<u8>,
    line: Vec<u8>,
    /// A carriage return came: what is written next replaces the line.
    returned: bool,
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
    /// The first line with a text that means lack of memory.
    pub out_of_memory: Option<String>,
}

impl ProgramLog {
    /// Keeps the last `tail_bytes`, and notices lines that contain one of the texts.
    pub fn new(call_id: CallId, tail_bytes: usize, texts: Texts) -> Self {
        let (tail, line, found) = Default::default();
        Self { call_id, tail_bytes, texts, tail, line, returned: false, found }
    }

    /// Takes what the program printed; the last progress in it.
    pub fn push(&mut self, bytes: &[u8]) -> Option<Reading> {
        let mut progress = None;
        for piece in bytes.split_inclusive(|b| matches!(b, b'\n' | b'\r')) {
            let (text, end) = match piece.split_last() {
                Some((end @ (b'\n' | b'\r'), text)) => (text, Some(end)),
                _ => (piece, None),
            };
            if self.returned && !text.is_empty() {
                self.line.clear();
                self.returned = false;
            }
            for part in text.chunks(MAX_LINE_BYTES) {
                self.line.extend_from_slice(part);
                if self.line.len() >= MAX_LINE_BYTES {
                    self.end_line(b"");
                }
            }
            progress = self.progress().or(progress);
            match end {
                Some(b'\n') => self.end_line(b"\n"),
                Some(_) => self.returned = true,
                None => {}
            }
        }
        progress
    }

    /// The last bytes as text (a character cut in two at the start is left out), and what was noticed.
    pub fn finish(&mut self) -> (String, Found) {
        self.end_line(b"");
        let cut = self.tail.iter().take(3).take_while(|&&b| b & 0xc0 == 0x80).count();
        self.tail.drain(..cut);
        (String::from_utf8_lossy(self.tail.make_contiguous()).into_owned(), self.found.clone())
    }

    fn progress(&self) -> Option<Reading> {
        let line = String::from_utf8_lossy(&self.line);
        let (mut reading, _) = progress::split(&line)?;
        let temporary = format!(".zeebe2faas-{}/", self.call_id);
        reading.step =
            reading.step.map(|step| step.replace(&temporary, "").chars().take(MAX_STEP_CHARACTERS).collect());
        Some(reading)
    }

    fn end_line(&mut self, end: &[u8]) {
        let bytes = mem::take(&mut self.line);
        self.returned = false;
        let line = String::from_utf8_lossy(&bytes);
        if progress::is_own_form(&line) {
            return;
        }
        self.tail.extend(bytes.iter().chain(end));
        self.tail.drain(..self.tail.len().saturating_sub(self.tail_bytes));
        let line = behind_progress(&line).trim();
        if !line.is_empty() {
            tracing::info!(target: "program", call = %self.call_id, "{line}");
            self.notice(line);
        }
    }

    fn notice(&mut self, line: &str) {
        let Found { last_line, last_error, failure, out_of_memory } = &mut self.found;
        for (found, texts) in [(failure, &self.texts.failure), (out_of_memory, &self.texts.out_of_memory)] {
            if found.is_none() && texts.iter().any(|text| line.contains(text)) {
                *found = Some(line.to_owned());
            }
        }
        if line.contains("FATAL") || line.contains("ERROR") {
            *last_error = Some(line.to_owned());
        }
        *last_line = Some(line.to_owned());
    }
}

/// An error that stands behind an unfinished progress bar; a bar that ended well is a line like others.
fn behind_progress(line: &str) -> &str {
    match progress::split(line) {
        Some((_, rest)) if !rest.trim().is_empty() && !rest.starts_with(" (") && !rest.starts_with(" - done") => rest,
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> ProgramLog {
        let texts =
            Texts { failure: vec!["bad dem".into()], out_of_memory: vec!["bad_alloc".into(), "ERROR 2:".into()] };
        ProgramLog::new(CallId::new("c", 1, 1), 200, texts)
    }

    #[test]
    fn what_is_overwritten_fills_neither_tail_nor_lines() {
        let mut log = log();
        log.push(b"start\r\n");
        for percent in 0..100 {
            let bar = format!("\rWriting o.tif...: {percent}% [***   ]");
            assert_eq!(log.push(bar.as_bytes()).map(|reading| reading.percent), Some(f64::from(percent)));
        }
        log.push(b"\rWriting o.tif...: 100% [******] (2s)\r\nend\n");
        let (tail, found) = log.finish();
        assert_eq!(tail, "start\nWriting o.tif...: 100% [******] (2s)\nend\n");
        assert_eq!(found, Found { last_line: Some("end".into()), ..Found::default() });
    }

    #[test]
    fn a_step_does_not_show_the_folder_of_unfinished_outputs() {
        let mut log = log();
        let bar = format!("Writing /d/.zeebe2faas-{}/o.tif...: 4% [* ]", log.call_id);
        let step = log.push(bar.as_bytes()).and_then(|reading| reading.step);
        assert_eq!(step.as_deref(), Some("Writing /d/o.tif..."));
    }

    #[test]
    fn pieces_may_be_cut_anywhere() {
        let text = "a\rbb\rcc\r\r\nprogress: 5% x\nd\r\nlast \u{e9}\re";
        let cut = |size: usize| {
            let mut log = log();
            let readings: Vec<_> = text.as_bytes().chunks(size).filter_map(|chunk| log.push(chunk)).collect();
            (log.finish(), readings.last().cloned())
        };
        let whole = cut(1000);
        assert_eq!(whole.0.0, "cc\nd\ne");
        for size in 1..text.len() {
            assert_eq!(cut(size), whole, "{size}");
        }
    }

    #[test]
    fn an_error_behind_a_progress_bar_is_quoted_without_it() {
        let mut log = log();
        log.push(b"\rWriting o.tif...: 74% [****   ]2026-11-24 (FATAL) BandMathX: std::bad_alloc\n");
        let (_, found) = log.finish();
        let line = Some("2026-11-24 (FATAL) BandMathX: std::bad_alloc".to_owned());
        assert_eq!((&found.last_error, &found.out_of_memory), (&line, &line));
        let mut gdal = self::log();
        gdal.push(b"Input file size is 6, 6\n0...10..");
        gdal.push(b"ERROR 2: cannot allocate 3180000 bytes\n");
        assert_eq!(gdal.finish().1.out_of_memory.as_deref(), Some("ERROR 2: cannot allocate 3180000 bytes"));
    }

    #[test]
    fn a_line_without_an_end_is_taken_as_several() {
        let mut log = log();
        log.push(&[b'x'; 3 * MAX_LINE_BYTES]);
        assert!(log.line.len() < MAX_LINE_BYTES);
        assert_eq!(log.finish().0.len(), 200);
    }
}
