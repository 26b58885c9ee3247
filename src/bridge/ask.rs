//! Asks a function's runner what became of a call, where a callback did not tell.

use crate::{
    bridge::outcome::{Outcome, Status},
    clock::{millis, now_ms},
    ledger::{Ledger, LedgerError, Pending},
    openfaas::{AskError, Gateway},
};
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::Semaphore;
use zeebe2faas_contract::{CallId, CallState, KeyRing};

/// Questions to runners at the same time.
const MAX_QUESTIONS: usize = 16;
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// How far a question goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Insistence {
    /// Once: a callback may still come, and the call may still wait in a queue.
    Once,
    /// Until the call has ended: no other callback is to be expected, and a call that no runner knows is forbidden.
    UntilEnded,
}

/// Asks runners; cheap to clone.
#[derive(Clone)]
pub struct Questions {
    gateway: Gateway,
    ledger: Ledger,
    secret: KeyRing,
    interval: Duration,
    grace: Duration,
    room: Arc<Semaphore>,
    asked: Arc<Mutex<HashSet<CallId>>>,
}

impl Questions {
    /// Asks at most every `interval` about a call, until `grace` past its deadline.
    pub fn new(gateway: Gateway, ledger: Ledger, secret: KeyRing, interval: Duration, grace: Duration) -> Self {
        let room = Arc::new(Semaphore::new(MAX_QUESTIONS));
        Self { gateway, ledger, secret, interval, grace, room, asked: Arc::default() }
    }

    /// The outcome, where the runner knows one. Nothing while somebody asks about this call already.
    pub async fn ask(&self, call: &Pending, insistence: Insistence) -> Option<Outcome> {
        let first = self.asked.lock().unwrap_or_else(PoisonError::into_inner).insert(call.id.clone());
        if !first {
            return None;
        }
        let outcome = match insistence {
            Insistence::Once => self.once(call).await,
            Insistence::UntilEnded => self.until_ended(call).await,
        };
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).remove(&call.id);
        outcome
    }

    async fn once(&self, call: &Pending) -> Option<Outcome> {
        match self.state(call).await {
            Ok(CallState::Ended { report }) => Some(Outcome::reported(*report)),
            Ok(CallState::Running | CallState::Unknown) => None,
            Err(error) => {
                tracing::info!(call = %call.id, %error, "asked in vain");
                None
            }
        }
    }

    async fn until_ended(&self, call: &Pending) -> Option<Outcome> {
        let mut pause = FIRST_PAUSE.min(self.interval);
        let mut told = false;
        while self.is_open(call).await && now_ms() < call.deadline_ms + millis(self.grace) {
            match self.settle(call).await {
                Ok(Some(outcome)) => return Some(outcome),
                Ok(None) => {}
                Err(error) if told => tracing::debug!(call = %call.id, %error, "asked in vain"),
                Err(error) => {
                    tracing::warn!(call = %call.id, %error, "asked in vain; asking on");
                    told = true;
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(self.interval);
        }
        None
    }

    /// One question, after which a call that no runner knows can never start.
    async fn settle(&self, call: &Pending) -> Result<Option<Outcome>, AskError> {
        match self.state(call).await? {
            CallState::Ended { report } => Ok(Some(Outcome::reported(*report))),
            CallState::Running => Ok(None),
            CallState::Unknown => {
                let ring = self.secret.for_function(&call.function);
                let after = self.gateway.forbid(&call.function, &call.id, &ring).await?;
                Ok(matches!(after, CallState::Ended { .. }).then(|| never_started(call)))
            }
        }
    }

    async fn state(&self, call: &Pending) -> Result<CallState, AskError> {
        // Closed never: the semaphore lives as long as this handle.
        let _room = self.room.acquire().await;
        self.gateway.ask(&call.function, &call.id, &self.secret.for_function(&call.function)).await
    }

    /// A ledger that cannot answer is no reason to stop asking.
    async fn is_open(&self, call: &Pending) -> bool {
        match self.ledger.open_call(call.id.clone()).await {
            Ok(found) => found.is_some(),
            Err(LedgerError::Stopped) => false,
            Err(_) => true,
        }
    }
}

fn never_started(call: &Pending) -> Outcome {
    let message = format!(
        "`{}` never started this call: OpenFaaS lost or refused its invocation. It will not start any more; try again",
        call.function
    );
    Outcome::plain(call.id.clone(), call.function.clone(), Status::Refused, message, true)
}
