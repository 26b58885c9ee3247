//! What a person may do with a call: end it, bring its outcome to Zeebe again, have its task tried again.

use super::{
    Bridge, context,
    outcome::{Outcome, Status},
    submit::Submitted,
};
use crate::{
    clock::{millis, now_ms},
    config::BodyFormat,
    ledger::{LedgerError, Pending, Reply, Standing, State},
    zeebe::Retry,
};
use std::time::Duration;
use tracing::Instrument;
use zeebe2faas_contract::{CallId, CallState};

/// How long a person waits for Zeebe.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why nothing was done, in words for whoever asked.
#[derive(Debug, thiserror::Error)]
pub enum Declined {
    /// The ledger of this replica has no such call.
    #[error("no such call on this replica; `zeebe2faas calls` lists them")]
    Unknown,
    /// The call does not stand so that it could be done.
    #[error("{0}")]
    NotSo(String),
    /// A runner or Zeebe did not do its part; it may be asked for again.
    #[error("{0}")]
    Failed(String),
    /// The ledger does not answer.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Bridge {
    /// Ends an open call: the program of a guarded function is ended by its runner, whose word is the outcome; any other
    /// function may run on. Says what was done.
    pub async fn cancel_call(&self, id: CallId) -> Result<String, Declined> {
        self.to_its_end(id, |bridge, id| async move { bridge.cancel_now(id).await }).await
    }

    async fn cancel_now(&self, id: CallId) -> Result<String, Declined> {
        let standing = self.standing(id).await?;
        must_be_open(&standing)?;
        let outcome = self.end_now(standing.call).await?;
        Ok(match outcome.status {
            Status::Cancelled => "cancelled; Zeebe gets this as its outcome".to_owned(),
            status => format!("it had ended meanwhile: {}; Zeebe gets that", status.as_str()),
        })
    }

    /// Brings a kept outcome to Zeebe now. One that Zeebe had already is published again: under the same message id,
    /// which Zeebe drops while it keeps the first, or with `again` under a new one.
    pub async fn deliver_call(&self, id: CallId, again: bool) -> Result<String, Declined> {
        self.to_its_end(id, move |bridge, id| async move { bridge.deliver_once_more(id, again).await }).await
    }

    async fn deliver_once_more(&self, id: CallId, again: bool) -> Result<String, Declined> {
        let Standing { call, delivered, outcome, .. } = self.standing(id).await?;
        let Some(outcome) = outcome else {
            return Err(Declined::NotSo("it has not ended, so there is nothing to deliver".to_owned()));
        };
        match &call.reply {
            _ if !delivered => self.deliver_at_once(call, outcome).await,
            Reply::Job(_) => Err(Declined::NotSo(
                "its job has been answered; where an incident stands, give the job retries and resolve it".to_owned(),
            )),
            Reply::Message(_) => {
                let message_id = if again { format!("{}-{}", call.id, now_ms()) } else { call.id.to_string() };
                let published = self.0.messenger.publish(&call, &message_id, &outcome, Retry::within(PATIENCE)).await;
                let new = published.map_err(|error| Declined::Failed(error.to_string()))?;
                tracing::info!(message_id, new, "an operator had its outcome published again");
                Ok(if new {
                    "published again".to_owned()
                } else {
                    "Zeebe still keeps the message for a receive task that is to come; one that has had it already gets \
                     it again with --again"
                        .to_owned()
                })
            }
        }
    }

    /// Has the task of an open job tried again, at once and at no cost of retries; a call that is still open is ended
    /// first. Where a receive task waits instead, an open call is submitted again.
    pub async fn retry_call(&self, id: CallId) -> Result<String, Declined> {
        self.to_its_end(id, |bridge, id| async move { bridge.retry_once(id).await }).await
    }

    async fn retry_once(&self, id: CallId) -> Result<String, Declined> {
        let Standing { call, state, maybe_queued, delivered, outcome } = self.standing(id.clone()).await?;
        let declined = |why: &str| Err(Declined::NotSo(why.to_owned()));
        if delivered {
            return declined(
                "Zeebe has its outcome; where an incident stands, give the job retries and resolve it: the function \
                 runs again under a new call id",
            );
        }
        if state == State::Accepted && !maybe_queued {
            return declined(NOTHING_QUEUED);
        }
        if !call.reply.holds_job() {
            return self.submit_again(id, call.run_once).await;
        }
        let Some(call) = self.0.ledger.retry_now(id).await? else {
            return declined("Zeebe has just had its outcome");
        };
        match outcome {
            Some(outcome) => self.deliver_at_once(call, outcome).await,
            None => {
                let outcome = self.end_now(call).await.map_err(|declined| match declined {
                    Declined::Failed(why) => Declined::Failed(format!("{why}; once it ends, its task is tried again")),
                    other => other,
                })?;
                Ok(match outcome.status {
                    Status::Succeeded => "it had succeeded meanwhile; Zeebe gets that".to_owned(),
                    status => format!("{}; its task is tried again under a new call id", status.as_str()),
                })
            }
        }
    }

    /// Whoever asked may go away meanwhile: what was begun is finished all the same.
    async fn to_its_end<F>(&self, id: CallId, order: impl FnOnce(Self, CallId) -> F) -> Result<String, Declined>
    where
        F: Future<Output = Result<String, Declined>> + Send + 'static,
    {
        let span = context::of_action(&id);
        let ended = self.0.tasks.spawn(order(self.clone(), id).instrument(span)).await;
        ended.unwrap_or_else(|error| Err(Declined::Failed(format!("it broke off: {error}"))))
    }

    /// A receive task waits for this very call id, so what was lost is submitted under it again: the runner's guard sees
    /// to it that it still runs once.
    async fn submit_again(&self, id: CallId, run_once: bool) -> Result<String, Declined> {
        if !run_once {
            return Err(Declined::NotSo(
                "its function is not `run_once`: another submission could be another run. `calls cancel` ends the call, \
                 and the process says what follows (bpmn/faas-call.bpmn calls again)"
                    .to_owned(),
            ));
        }
        let Some(call) = self.0.ledger.open_invocation(id).await? else {
            return Err(Declined::NotSo(
                "it has ended, and its receive task is about to hear of it; the process says what follows".to_owned(),
            ));
        };
        if call.as_job {
            return Err(Declined::NotSo(
                "it runs as a Kubernetes Job, which is there; `calls cancel` ends it".to_owned(),
            ));
        }
        let ready = self.ready(&call, &call.fixed(), BodyFormat::Json).map_err(Declined::NotSo)?;
        match ready.send(&self.0.gateway, true, false, now_ms() + millis(PATIENCE)).await {
            Submitted::Queued => {
                tracing::info!("an operator had it submitted again");
                Ok("submitted again under its call id; a run that is under way, or has ended, is the one that counts"
                    .to_owned())
            }
            Submitted::Unsure(why) | Submitted::NotNow(why) | Submitted::Never(why) => Err(Declined::Failed(why)),
        }
    }

    async fn standing(&self, id: CallId) -> Result<Standing, Declined> {
        let standing = self.0.ledger.standing(id).await?.ok_or(Declined::Unknown)?;
        context::found(&standing.call);
        Ok(standing)
    }

    /// The outcome of an open call, now, and kept.
    async fn end_now(&self, call: Pending) -> Result<Outcome, Declined> {
        self.cancel_queued(&call).await;
        let outcome = match &self.0.questions {
            _ if call.as_job => {
                let told = self.cancel_job(&call).await.map_err(|error| Declined::Failed(error.to_string()))?;
                told.unwrap_or_else(|| cancelled(&call, "its Job is deleted"))
            }
            Some(questions) if call.run_once => match questions.cancel_once(&call).await {
                Ok(CallState::Ended { report }) => Outcome::reported(*report),
                Ok(CallState::Running | CallState::Unknown) => {
                    let why = "the runner has been told, and has not ended it yet; its callback brings the end";
                    return Err(Declined::Failed(why.to_owned()));
                }
                Err(error) => return Err(Declined::Failed(format!("{error}; nothing is certain, ask again"))),
            },
            _ => cancelled(&call, &format!("`{}` may run on to its end", call.function)),
        };
        tracing::info!(status = outcome.status.as_str(), "ended by an operator");
        let kept = self.conclude(call, &outcome).await;
        kept.map_err(|_| Declined::Failed("its end can be kept nowhere: neither ledger nor Zeebe take it".to_owned()))?;
        Ok(outcome)
    }

    /// Takes the outcome over from whoever delivers it; handed back where Zeebe does not take it now.
    async fn deliver_at_once(&self, call: Pending, outcome: String) -> Result<String, Declined> {
        let slot = self.0.deliveries.take_over(&call.id);
        match self.0.messenger.deliver(&call, &outcome, Retry::within(PATIENCE)).await {
            Ok(()) => {
                let bridge = self.clone();
                self.beside(context::of(&call), async move { bridge.delivered(slot, &call).await });
                Ok("delivered: Zeebe has its outcome".to_owned())
            }
            Err(error) => {
                let why = format!("Zeebe does not take it now: {error}; the bridge goes on trying");
                self.deliver(slot, call, outcome);
                Err(Declined::Failed(why))
            }
        }
    }
}

fn cancelled(call: &Pending, and: &str) -> Outcome {
    let message = format!("cancelled by an operator; {and}");
    Outcome::plain(call.id.clone(), call.function.clone(), Status::Cancelled, message, false)
}

const NOTHING_QUEUED: &str = "nothing of it is queued: Zeebe hands its job out again, or an incident stands; resolve that, or \
                              cancel the process instance";

fn must_be_open(Standing { state, maybe_queued, delivered, .. }: &Standing) -> Result<(), Declined> {
    let why = match state {
        State::Ended if *delivered => "it has ended already, and Zeebe has its outcome",
        State::Ended => "it has ended already; `calls deliver` brings its outcome to Zeebe now",
        State::Accepted if !maybe_queued => NOTHING_QUEUED,
        State::Accepted | State::Submitted => return Ok(()),
    };
    Err(Declined::NotSo(why.to_owned()))
}
