use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

const LOG_TAIL_LINES: usize = 25;
const LOG_TAIL_BYTES: u64 = 16 * 1024;

/// The last lines of a log, or why they cannot be read.
pub fn tail(log: &Path) -> String {
    let read = || -> io::Result<String> {
        let mut file = File::open(log)?;
        let start = file.metadata()?.len().saturating_sub(LOG_TAIL_BYTES);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    match read() {
        Ok(text) => {
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
        }
        Err(error) => format!("(it cannot be read: {error})"),
    }
}
