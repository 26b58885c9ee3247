//! Work on the state directory and on outputs: on a thread that may block or, in a simulation, at once.

use std::{cell::Cell, io};
use tokio::task::spawn_blocking;

thread_local! {
    static AT_ONCE: Cell<bool> = const { Cell::new(false) };
}

/// Does work that blocks.
///
/// # Errors
/// When it broke off.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    if AT_ONCE.get() {
        return Ok(work());
    }
    spawn_blocking(work).await.map_err(io::Error::other)
}

/// This thread does it itself from now on: for simulations, since threads come in any order.
#[doc(hidden)]
pub fn at_once() {
    AT_ONCE.set(true);
}
