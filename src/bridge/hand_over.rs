//! Callbacks of calls that another replica owns: handed on to it, or settled here and told to it when it is back.

use super::{
    Bridge, NotTaken, Parts, context,
    handed_on::Arrived,
    log_failure,
    outcome::{Outcome, Status},
    replicas::NotHanded,
    token::Claims,
};
use crate::{
    clock::now_ms,
    ledger::{Kept, LedgerError, Pending, Reply},
    zeebe::Retry,
};
use futures_util::{StreamExt, stream};
use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tracing::{Instrument, instrument::Instrumented};
use zeebe2faas_contract::CallId;

/// Kept callbacks that are worked at the same time, and so in memory.
const BATCH: usize = 16;
/// How long one of them waits for Zeebe before the next has its turn.
const DELIVERY_PATIENCE: Duration = Duration::from_secs(10);

impl Bridge {
    /// A genuine callback at first hand, of a call of this replica or of another one.
    pub(super) async fn take_first_hand(&self, claims: Claims, token: &str, arrived: Arrived) -> Result<(), NotTaken> {
        let Some(url) = self.0.replicas.other(claims.owner()) else {
            return self.receive(claims.into_pending(), &arrived.callback()).await;
        };
        if self.knows(claims.call_id()).await {
            return self.take_as_own(claims, token, arrived).await;
        }
        match self.0.replicas.hand_on(&url, token, &arrived, false).await {
            Ok(()) => {
                self.0.metrics.hand_over("handed_on", 1);
                tracing::info!(owner = claims.owner(), "its callback is handed on");
                Ok(())
            }
            Err(error) => {
                tracing::warn!(owner = claims.owner(), %error, "its owner takes no callback");
                self.stand_in(claims, token, arrived).await
            }
        }
    }

    /// A genuine callback from another replica, of a call that this one owns. `delivered`: it only tells of the end.
    pub(super) async fn take_handed_on(
        &self,
        claims: Claims,
        arrived: &Arrived,
        delivered: bool,
    ) -> Result<(), NotTaken> {
        self.0.metrics.hand_over("received", 1);
        let call = claims.into_pending();
        if !delivered {
            return self.receive(call, &arrived.callback()).await;
        }
        match self.0.judge.decide(&call, &arrived.callback(), true).await {
            Ok(outcome) => self.ended_elsewhere(call, &outcome).await,
            Err(why) => self.doubt(call, why).await,
        }
    }

    /// The job was handed to this replica, which goes on with the call: its former owner only hears how it ended.
    async fn take_as_own(&self, claims: Claims, token: &str, arrived: Arrived) -> Result<(), NotTaken> {
        let call = claims.clone().into_pending();
        match self.0.judge.decide(&call, &arrived.callback(), false).await {
            Ok(outcome) => {
                self.conclude(call, &outcome).await?;
                if !self.keep(&claims, token, arrived, None, true).await {
                    tracing::warn!(owner = claims.owner(), "its former owner is not told");
                }
                Ok(())
            }
            Err(why) => self.doubt(call, why).await,
        }
    }

    /// The owner is away: what can be settled without it is, and the callback is kept for it.
    async fn stand_in(&self, claims: Claims, token: &str, arrived: Arrived) -> Result<(), NotTaken> {
        let call = claims.clone().into_pending();
        let outcome = match self.0.judge.decide(&call, &arrived.callback(), false).await {
            Ok(outcome) => outcome,
            Err(why) => {
                self.keep(&claims, token, arrived, None, false).await;
                return self.doubt(call, why).await;
            }
        };
        if !is_deliverable(&call, &outcome) {
            self.keep(&claims, token, arrived.clone(), None, false).await;
            // Its job may have come to this replica meanwhile.
            return match self.knows(&call.id).await {
                true => self.take_as_own(claims, token, arrived).await,
                false => Err(NotTaken),
            };
        }
        let Ok(json) = serde_json::to_string(&outcome) else { return Err(NotTaken) };
        if self.keep(&claims, token, arrived, Some(json.clone()), false).await {
            self.0.kept.notify_one();
            return Ok(());
        }
        self.deliver_now(&call, &json).await
    }

    /// Goes on with what a callback told of this call before its job came here.
    pub(super) async fn take_up_kept(&self, call: Pending) {
        let kept = match self.0.ledger.kept_for_its_holder(call.id.clone()).await {
            Ok(Some(kept)) => kept,
            Ok(None) => return,
            Err(error) => return tracing::error!(%error, "the ledger does not tell what came before"),
        };
        let Some(arrived) = Arrived::from_kept(&kept.head, kept.body.into(), kept.cut) else { return };
        if let Ok(outcome) = self.0.judge.decide(&call, &arrived.callback(), false).await
            && self.conclude(call, &outcome).await.is_ok()
        {
            log_failure(self.0.ledger.kept_is_delivered(kept.number).await);
        }
    }

    /// Whether the ledger has a row of this call. One that cannot tell has none.
    async fn knows(&self, id: &CallId) -> bool {
        self.0.ledger.knows(id.clone()).await.unwrap_or_else(|error| {
            tracing::error!(%error, "the ledger does not tell whether it knows a call");
            false
        })
    }

    /// Keeps a callback for its owner; says whether it is in the ledger.
    async fn keep(
        &self,
        claims: &Claims,
        token: &str,
        arrived: Arrived,
        outcome: Option<String>,
        delivered: bool,
    ) -> bool {
        let Ok(head) = arrived.head() else { return false };
        let kept = Kept {
            number: 0,
            call_id: claims.call_id().clone(),
            owner: claims.owner().to_owned(),
            token: token.to_owned(),
            head,
            body: arrived.body.into(),
            cut: arrived.cut,
            outcome,
            delivered,
            expires_ms: claims.expires_ms(),
        };
        match self.0.ledger.keep(kept, self.0.settings.replicas.max_kept).await {
            Ok(true) => {
                self.0.metrics.hand_over("kept", 1);
                true
            }
            Ok(false) => {
                tracing::warn!("replicas.max_kept callbacks wait for their owners; no more is kept");
                false
            }
            Err(error) => {
                tracing::error!(%error, "the ledger cannot keep a callback for its owner");
                false
            }
        }
    }

    /// Delivers the outcomes of kept callbacks, until stopped.
    pub async fn deliver_kept(self) {
        let Parts { ledger, kept: wake, settings, .. } = &*self.0;
        loop {
            let mut after = 0;
            loop {
                match ledger.kept_undelivered(after, BATCH).await {
                    Ok(batch) => {
                        let Some(last) = batch.last() else { break };
                        after = last.number;
                        let deliveries = stream::iter(batch);
                        deliveries.for_each_concurrent(BATCH, |kept| within(kept, |k| self.deliver_one_kept(k))).await;
                    }
                    Err(LedgerError::Stopped) => return,
                    Err(error) => {
                        tracing::error!(%error, "the ledger does not tell what was kept");
                        break;
                    }
                }
            }
            // A time-out is the pause before what Zeebe did not take is offered again.
            drop(tokio::time::timeout(settings.replicas.retry, wake.notified()).await);
        }
    }

    async fn deliver_one_kept(&self, kept: Kept) {
        let Kept { number, owner, token, outcome, .. } = kept;
        let (Some(claims), Some(outcome)) = (Claims::of_kept(&token), outcome) else {
            return tracing::error!("a kept callback is not readable");
        };
        match self.0.messenger.deliver(&claims.into_pending(), &outcome, Retry::within(DELIVERY_PATIENCE)).await {
            Ok(()) => {
                tracing::info!(owner, "delivered in its owner's place");
                log_failure(self.0.ledger.kept_is_delivered(number).await);
            }
            Err(error) => tracing::warn!(%error, "a kept outcome is not delivered; trying on"),
        }
    }

    /// Tells owners that are back what came for them, until stopped.
    pub async fn tell_owners(self) {
        let Parts { ledger, metrics, settings, .. } = &*self.0;
        loop {
            tokio::time::sleep(settings.replicas.retry).await;
            let (mut after, away) = (0, Mutex::default());
            loop {
                match ledger.kept_for_owners(after, BATCH).await {
                    Ok(batch) => {
                        let Some(last) = batch.last() else { break };
                        after = last.number;
                        let told = stream::iter(batch);
                        told.for_each_concurrent(BATCH, |kept| within(kept, |k| self.tell_owner(k, &away))).await;
                    }
                    Err(LedgerError::Stopped) => return,
                    Err(error) => {
                        tracing::error!(%error, "the ledger does not tell what was kept");
                        break;
                    }
                }
            }
            match ledger.forget_kept(now_ms()).await {
                Ok(0) => {}
                Ok(count) => {
                    metrics.hand_over("given_up", count as u64);
                    tracing::warn!(count, "callbacks whose owner did not come back in time are forgotten");
                }
                Err(error) => tracing::error!(%error, "callbacks that are too old cannot be removed"),
            }
        }
    }

    /// Asks nobody twice in one round who does not answer.
    async fn tell_owner(&self, kept: Kept, away: &Mutex<HashSet<String>>) {
        let lock = || away.lock().unwrap_or_else(PoisonError::into_inner);
        let Kept { number, owner, token, head, body, cut, delivered, .. } = kept;
        let (Some(url), false) = (self.0.replicas.other(&owner), lock().contains(&owner)) else { return };
        let Some(arrived) = Arrived::from_kept(&head, body.into(), cut) else {
            return tracing::error!("a kept callback is not readable");
        };
        match self.0.replicas.hand_on(&url, &token, &arrived, delivered).await {
            Ok(()) => {
                self.0.metrics.hand_over("told", 1);
                tracing::info!(owner, delivered, "its owner was told");
                log_failure(self.0.ledger.owner_knows(number).await);
            }
            Err(NotHanded::Away(reason)) => {
                if lock().insert(owner.clone()) {
                    tracing::debug!(owner, reason, "still away");
                }
            }
            Err(error) => tracing::warn!(owner, %error, "its owner does not listen; trying on"),
        }
    }
}

/// The work on a kept callback, in whose lines of the log its call is named.
fn within<F: Future<Output = ()>>(kept: Kept, work: impl FnOnce(Kept) -> F) -> Instrumented<F> {
    let span = Claims::of_kept(&kept.token).map_or_else(|| context::of_action(&kept.call_id), |claims| claims.span());
    work(kept).instrument(span)
}

/// What follows the failure of an open job only its holder knows.
fn is_deliverable(call: &Pending, outcome: &Outcome) -> bool {
    matches!(call.reply, Reply::Message(_)) || outcome.status == Status::Succeeded
}
