//! What happened in a run, in order: its hash tells two runs apart, its lines tell a person what went wrong.

use std::{
    fmt,
    hash::{DefaultHasher, Hasher},
    sync::{Mutex, PoisonError},
};
use tokio::time::Instant;

pub struct Trace {
    begun: Instant,
    hash: Mutex<DefaultHasher>,
    aloud: bool,
}

impl Trace {
    /// `aloud`: each line goes to stderr too.
    pub fn new(aloud: bool) -> Self {
        Self { begun: Instant::now(), hash: Mutex::new(DefaultHasher::new()), aloud }
    }

    pub fn line(&self, what: fmt::Arguments<'_>) {
        let line = format!("{:>12.3} {what}", self.begun.elapsed().as_secs_f64());
        if self.aloud {
            eprintln!("{line}");
        }
        self.hash.lock().unwrap_or_else(PoisonError::into_inner).write(line.as_bytes());
    }

    pub fn hash(&self) -> u64 {
        self.hash.lock().unwrap_or_else(PoisonError::into_inner).finish()
    }
}
