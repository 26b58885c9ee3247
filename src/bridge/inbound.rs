//! The way back: what callbacks, runners and deadlines tell becomes an outcome, is kept, and goes to Zeebe.

use super::{
    Bridge, NotTaken, Parts, ask::Insistence, classify::Callback, context, deadline, deliver::Slot, events::Change,
    log_failure, outcome::Outcome,
};
use crate::{
    clock::{millis, now_ms},
    ledger::{Closing, LedgerError, Pending},
    zeebe::Retry,
};
use std::{sync::Arc, time::Duration};
use tracing::Instrument;

/// Pause before an outcome that Zeebe refused for good is offered again: a person may have mended the cause.
const REFUSED_PAUSE: Duration = Duration::from_secs(60);
/// Pause after a failure of the ledger.
const LEDGER_PAUSE: Duration = Duration::from_secs(1);
/// Outcomes that wait in memory for the ledger to take them, Zeebe having them.
pub(super) const MAX_UNWRITTEN: usize = 1024;
/// How often in the heartbeat's time-out silence is looked for, and calls asked about at once.
const LOOKS_IN_TIMEOUT: u32 = 4;
const SILENT_BATCH: usize = 256;
/// Rows forgotten at once.
const FORGET_BATCH: usize = 1000;

impl Bridge {
    /// A genuine callback: decides what it means and keeps it. The answer may be sent when this returns.
    pub async fn receive(&self, call: Pending, callback: &Callback<'_>) -> Result<(), NotTaken> {
        match self.0.judge.decide(&call, callback, false).await {
            Ok(outcome) => self.conclude(call, &outcome).await,
            Err(why) => self.doubt(call, why).await,
        }
    }

    /// Nothing is certain: a guarded call is asked about until it is; any other waits for its deadline.
    pub(super) async fn doubt(&self, call: Pending, why: &str) -> Result<(), NotTaken> {
        tracing::info!(function = call.function, why, "a callback that settles nothing");
        // How a Job ended its cluster tells.
        if call.run_once && !call.as_job {
            log_failure(self.0.ledger.asking(call.id.clone()).await);
            self.ask(call, Insistence::UntilEnded);
        }
        Ok(())
    }

    pub(super) fn ask(&self, call: Pending, insistence: Insistence) {
        let Some(questions) = self.0.questions.clone() else { return };
        let bridge = self.clone();
        // Not counted among the steps that a stop waits for: the next start asks again.
        self.beside(context::of(&call), async move {
            if let Some(outcome) = questions.ask(&call, insistence).await
                && bridge.conclude(call, &outcome).await.is_err()
            {
                tracing::error!("an outcome could be kept nowhere; the runner is asked again at the deadline");
            }
        });
    }

    /// Keeps the outcome of a call and sees to its delivery.
    pub(super) async fn conclude(&self, call: Pending, outcome: &Outcome) -> Result<(), NotTaken> {
        let Ok(json) = serde_json::to_string(outcome) else { return Err(NotTaken) };
        let ended_ms = now_ms();
        match self.0.ledger.end(call.id.clone(), json.clone(), ended_ms).await {
            Ok(Closing::First(call)) => {
                self.ended(&call, outcome, ended_ms);
                if let Some(slot) = self.0.deliveries.try_begin(&call.id) {
                    self.deliver(slot, *call, json);
                }
                Ok(())
            }
            Ok(Closing::Late) => Ok(()),
            Ok(Closing::NoRow) => self.deliver_now(&call, &json).await,
            Err(error) => {
                tracing::error!(%error, "the ledger cannot take the outcome; delivering it first");
                // Its row, if that can be read, knows more than the callback's token.
                let known = self.0.ledger.open_call(call.id.clone()).await.ok().flatten();
                self.deliver_now(known.as_ref().unwrap_or(&call), &json).await?;
                self.write_down_later(call, json);
                Ok(())
            }
        }
    }

    /// The ledger has the end of a call.
    fn ended(&self, call: &Pending, outcome: &Outcome, ended_ms: u64) {
        self.0.holds.release(&call.id);
        self.job_concluded(call, outcome.status);
        self.0.metrics.outcome(&call.function, outcome, ended_ms);
        self.0.in_flight.end(&call.id);
        self.0.events.tell(&call.id, &call.function, || Change::ended(outcome.status, ended_ms));
        tracing::info!(function = call.function, status = outcome.status.as_str(), reason = outcome.message, "ended");
    }

    /// Another replica sees to the delivery of this outcome, or has.
    pub(super) async fn ended_elsewhere(&self, call: Pending, outcome: &Outcome) -> Result<(), NotTaken> {
        let Ok(json) = serde_json::to_string(outcome) else { return Err(NotTaken) };
        let ended_ms = now_ms();
        // Taken over before, so that nobody here delivers it any more.
        let slot = self.0.deliveries.take_over(&call.id);
        match self.0.ledger.end(call.id.clone(), json, ended_ms).await {
            Ok(Closing::First(call)) => {
                self.ended(&call, outcome, ended_ms);
                self.delivered_elsewhere(&call).await;
            }
            // This replica has found out by itself, and need not deliver any more.
            Ok(Closing::Late) => self.delivered_elsewhere(&call).await,
            Ok(Closing::NoRow) => {}
            Err(error) => {
                tracing::error!(%error, "the ledger cannot take the end of a call; it is told again");
                drop(slot);
                // It may have found out by itself meanwhile, and relied on whoever held the slot.
                self.0.deliveries.look_again();
                return Err(NotTaken);
            }
        }
        drop(slot);
        self.0.deliveries.look_again();
        Ok(())
    }

    /// Without the ledger an outcome is safe only once Zeebe has it.
    pub(super) async fn deliver_now(&self, call: &Pending, json: &str) -> Result<(), NotTaken> {
        let patience = self.0.settings.callback.patience;
        self.0.messenger.deliver(call, json, Retry::within(patience)).await.map_err(|error| {
            tracing::error!(%error, "an outcome could not be delivered");
            NotTaken
        })?;
        self.0.in_flight.release(&call.id);
        Ok(())
    }

    /// What Zeebe has goes into the ledger when it takes it again, so that no deadline speaks of it once more. One that
    /// finds no room, or a stop, is told by the runner or the deadline; Zeebe knows its message id already.
    fn write_down_later(&self, call: Pending, json: String) {
        let Ok(room) = Arc::clone(&self.0.unwritten).try_acquire_owned() else { return };
        let bridge = self.clone();
        self.beside(context::of(&call), async move {
            let _room = room;
            loop {
                tokio::time::sleep(LEDGER_PAUSE).await;
                match bridge.0.ledger.end(call.id.clone(), json.clone(), now_ms()).await {
                    Ok(Closing::First(_)) => break,
                    Ok(Closing::Late | Closing::NoRow) | Err(LedgerError::Stopped) => return,
                    Err(error) => tracing::debug!(%error, "the ledger still takes nothing"),
                }
            }
            while bridge.write_down_delivery(&call).await.is_err() {
                tokio::time::sleep(LEDGER_PAUSE).await;
            }
            bridge.0.holds.release(&call.id);
            bridge.0.in_flight.release(&call.id);
            tracing::info!("the ledger took an outcome that had been delivered without it");
        });
    }

    pub(super) fn deliver(&self, slot: Slot, call: Pending, json: String) {
        let bridge = self.clone();
        self.beside(context::of(&call), async move {
            let delivery = tokio::select! {
                biased;
                delivery = bridge.0.messenger.deliver(&call, &json, Retry::Forever) => delivery,
                () = slot.taken_over() => return,
            };
            match delivery {
                Ok(()) => bridge.delivered(slot, &call).await,
                Err(error) => {
                    bridge.0.metrics.delivery_refused();
                    tracing::error!(%error, again_in = ?REFUSED_PAUSE, "Zeebe refuses the outcome");
                    slot.rest(REFUSED_PAUSE).await;
                }
            }
        });
    }

    /// Zeebe has the outcome. Should a stop come before that is written, it is delivered again at the next start, to no
    /// effect.
    pub(super) async fn delivered(&self, mut slot: Slot, call: &Pending) {
        self.let_go(call);
        while let Err(error) = self.write_down_delivery(call).await {
            tracing::debug!(%error, "the ledger does not take a delivery yet");
            slot.make_room();
            tokio::time::sleep(LEDGER_PAUSE).await;
        }
        // Its job may have come again before the ledger knew.
        self.0.in_flight.release(&call.id);
    }

    /// The same where another replica has delivered it.
    async fn delivered_elsewhere(&self, call: &Pending) {
        self.let_go(call);
        log_failure(self.write_down_delivery(call).await);
    }

    fn let_go(&self, call: &Pending) {
        self.0.in_flight.release(&call.id);
        self.0.events.tell(&call.id, &call.function, || Change::Delivered { delivered: true });
    }

    async fn write_down_delivery(&self, call: &Pending) -> Result<(), LedgerError> {
        let now_ms = now_ms();
        let keep_until_ms = now_ms + millis(self.0.settings.calls.message_ttl);
        match self.0.ledger.delivered(call.id.clone(), now_ms, keep_until_ms).await {
            Ok(ended_ms) => {
                if let Some(ended_ms) = ended_ms {
                    self.0.metrics.delivered(Duration::from_millis(now_ms.saturating_sub(ended_ms)));
                    self.0.traces.delivered(&call.id);
                }
                self.job_delivered(&call.id);
                Ok(())
            }
            Err(LedgerError::Stopped) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Delivers what the ledger holds for Zeebe and nobody has begun to deliver, until stopped.
    pub async fn deliver_backlog(self) {
        let Parts { ledger, deliveries, settings, .. } = &*self.0;
        loop {
            match ledger.undelivered(settings.calls.max_deliveries + deliveries.under_way()).await {
                Ok(waiting) => {
                    for (call, json) in waiting {
                        if let Some(slot) = deliveries.try_begin(&call.id) {
                            self.deliver(slot, call, json);
                        }
                    }
                    deliveries.wanted().await;
                }
                Err(LedgerError::Stopped) => return,
                Err(error) => {
                    tracing::error!(%error, "the ledger does not tell what is to be delivered");
                    tokio::time::sleep(LEDGER_PAUSE).await;
                }
            }
        }
    }

    /// Asks about calls that have gone silent, until stopped: their callback may be lost, and need not cost the deadline.
    pub async fn watch_silence(self) {
        let timeout = self.0.settings.calls.heartbeat_timeout;
        let mut look = tokio::time::interval(timeout / LOOKS_IN_TIMEOUT);
        loop {
            look.tick().await;
            for id in self.0.in_flight.silent(now_ms(), timeout, SILENT_BATCH) {
                match self.0.ledger.open_call(id).await {
                    Ok(Some(call)) => self.ask(call, Insistence::UntilAnswered),
                    Ok(None) => {}
                    Err(LedgerError::Stopped) => return,
                    Err(error) => tracing::error!(%error, "the ledger does not tell of a silent call"),
                }
            }
        }
    }

    /// Ends calls whose time is up, until stopped.
    pub async fn watch_deadlines(self) {
        loop {
            let overdue = match self.0.deadlines.overdue(&self.0.ledger).await {
                Ok(overdue) => overdue,
                Err(LedgerError::Stopped) => return,
                Err(error) => {
                    tracing::error!(%error, "the ledger does not tell which calls are overdue");
                    tokio::time::sleep(LEDGER_PAUSE).await;
                    continue;
                }
            };
            let concluded = overdue.into_iter().map(|call| {
                let span = context::of(&call);
                self.time_out(call).instrument(span)
            });
            futures_util::future::join_all(concluded).await;
        }
    }

    /// The runner has the last word, if it can be had.
    async fn time_out(&self, call: Pending) {
        let reported = match &self.0.questions {
            _ if call.as_job => Some(self.end_of_late_job(&call).await),
            Some(questions) if call.run_once => questions.ask_once(&call).await,
            _ => None,
        };
        let outcome = reported.unwrap_or_else(|| deadline::timed_out(&call));
        if self.conclude(call, &outcome).await.is_err() {
            tokio::time::sleep(LEDGER_PAUSE).await;
        }
    }

    /// Removes rows that nothing can ask for any more, until stopped.
    pub async fn forget_old_calls(self) {
        loop {
            match self.0.ledger.forget(now_ms(), FORGET_BATCH).await {
                Ok(FORGET_BATCH) => continue,
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "old calls cannot be removed from the ledger"),
            }
            tokio::time::sleep(self.0.settings.calls.forget_interval).await;
        }
    }
}
