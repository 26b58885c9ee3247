//! Processes that have processes of their own: killed, they would leave these behind.

use rustix::process::{Pid, Signal, kill_process};
use std::{
    process::ExitStatus,
    time::{Duration, Instant},
};
use tokio::process::Child;

/// How long one may take to end when dropped.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Dropped, it is asked to end, and waited for.
pub struct Gentle(Child);

impl Gentle {
    /// Of a process that ends in good order at SIGTERM.
    pub const fn new(child: Child) -> Self {
        Self(child)
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.0.try_wait().expect("it can be asked").is_some()
    }

    /// Asks it to end, and waits for that.
    pub async fn end(mut self) -> ExitStatus {
        self.ask();
        crate::soon(self.0.wait()).await.expect("it ends")
    }

    /// Waits until it has ended.
    pub async fn wait(&mut self) -> ExitStatus {
        self.0.wait().await.expect("its end can be waited for")
    }

    /// Asks it to end.
    pub fn ask(&self) {
        if let Some(pid) = self.0.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) {
            // One that has ended meanwhile is what we want.
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

impl Drop for Gentle {
    fn drop(&mut self) {
        self.ask();
        let begun = Instant::now();
        while matches!(self.0.try_wait(), Ok(None)) && begun.elapsed() < PATIENCE {
            std::thread::sleep(LOOK_EVERY);
        }
    }
}
