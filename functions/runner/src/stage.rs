//! Programs that are played: in simulations.

use crate::run::{Ended, Halter};
use std::{fmt, io, pin::Pin, sync::Arc};
use zeebe2faas_contract::Invocation;

type Playing = Pin<Box<dyn Future<Output = io::Result<Ended>> + Send>>;

/// Plays the program of an invocation to its end, or until it is halted.
#[derive(Clone)]
pub struct Stage(Arc<dyn Fn(Invocation, Halter) -> Playing + Send + Sync>);

impl Stage {
    /// What `play` does.
    pub fn new<F>(play: impl Fn(Invocation, Halter) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<Ended>> + Send + 'static,
    {
        Self(Arc::new(move |invocation, halter| Box::pin(play(invocation, halter))))
    }

    pub(crate) async fn play(&self, invocation: &Invocation, halter: &Halter) -> io::Result<Ended> {
        (self.0)(invocation.clone(), halter.clone()).await
    }
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stage")
    }
}
