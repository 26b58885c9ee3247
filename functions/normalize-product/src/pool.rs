//! Buffers that are used again: the kernel fills each new one with zeros.

use std::sync::{Mutex, PoisonError};

/// Buffers that nobody uses now; as many as were ever in use at the same time.
#[derive(Debug)]
pub struct Pool<T>(Mutex<Vec<Vec<T>>>);

impl<T> Pool<T> {
    /// An empty one.
    pub const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// A buffer with whatever is in it, or an empty one.
    pub fn take(&self) -> Vec<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Keeps a buffer for the next one who takes.
    pub fn give(&self, buffer: Vec<T>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self::new()
    }
}
