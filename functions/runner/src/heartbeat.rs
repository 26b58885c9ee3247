//! Advances a call's counter while its program runs, and says when the run must end.

use crate::{
    blocking::blocking,
    guard::Claim,
    run::{Halt, Halter},
};
use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout_at},
};

/// A claim that the heartbeat and the run share.
#[derive(Debug, Clone)]
pub struct SharedClaim(Arc<Mutex<Claim>>);

impl SharedClaim {
    /// Shares a claim.
    pub fn new(claim: Claim) -> Self {
        Self(Arc::new(Mutex::new(claim)))
    }

    /// Does something with it, on a thread that may block.
    pub async fn with<T: Send + 'static>(
        &self,
        action: impl FnOnce(&mut Claim) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let claim = Arc::clone(&self.0);
        let work = move || action(&mut claim.lock().unwrap_or_else(PoisonError::into_inner));
        blocking(work).await?
    }
}

/// Beats until it is dropped.
#[derive(Debug)]
pub struct Heartbeat(JoinHandle<()>);

impl Heartbeat {
    /// Advances the counter every `every`; halts the run when it is cancelled, taken over, or when the counter could
    /// not be advanced for `give_up_after`.
    pub fn start(claim: SharedClaim, every: Duration, give_up_after: Duration, halter: Halter) -> Self {
        Self(tokio::spawn(async move {
            let mut advanced_at = Instant::now();
            loop {
                sleep(every).await;
                let asked_at = Instant::now();
                let beat = claim.with(|claim| Ok((claim.beat()?, claim.cancel_asked()?)));
                // A file server that hangs must not keep us from giving up in time.
                let beat = timeout_at(advanced_at + give_up_after, beat).await;
                match beat {
                    Ok(Ok((true, cancelled))) => {
                        advanced_at = asked_at;
                        if cancelled {
                            halter.halt(Halt::Cancelled);
                        }
                    }
                    Ok(Ok((false, _))) => return halter.halt(Halt::TakenOver),
                    Ok(Err(error)) if advanced_at.elapsed() < give_up_after => {
                        tracing::warn!(%error, "the call's counter in the state directory did not advance");
                    }
                    Ok(Err(_)) | Err(_) => {
                        tracing::error!("the state directory fails for too long: ending the program");
                        return halter.halt(Halt::Unsure);
                    }
                }
            }
        }))
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.0.abort();
    }
}
