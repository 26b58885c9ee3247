//! Asks a function's runner what became of a call, where a callback did not tell.

use crate::{
    bridge::outcome::{Outcome, Status},
    clock::{millis, now_ms},
    ledger::{Ledger, LedgerError, Pending, State},
    openfaas::{AskError, Gateway},
    reload::Reloaded,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Semaphore;
use zeebe2faas_contract::{self as contract, CallId, CallState, KeyRing};

/// Questions to runners at the same time.
const MAX_QUESTIONS: usize = 16;
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// How far a question goes; a later one goes further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Insistence {
    /// Until the runner answers: a callback may still come, and the call may still wait in a queue.
    UntilAnswered,
    /// Until the call has ended: no other callback is to be expected, and a call that no runner knows is forbidden.
    UntilEnded,
}

/// Asks runners; cheap to clone.
#[derive(Clone)]
pub struct Questions {
    gateway: Gateway,
    ledger: Ledger,
    secret: Reloaded<KeyRing>,
    interval: Duration,
    grace: Duration,
    room: Arc<Semaphore>,
    asked: Arc<Mutex<HashMap<CallId, Insistence>>>,
}

impl Questions {
    /// Asks at most every `interval` about a call, until `grace` past its deadline.
    pub fn new(
        gateway: Gateway,
        ledger: Ledger,
        secret: Reloaded<KeyRing>,
        interval: Duration,
        grace: Duration,
    ) -> Self {
        let room = Arc::new(Semaphore::new(MAX_QUESTIONS));
        Self { gateway, ledger, secret, interval, grace, room, asked: Arc::default() }
    }

    /// Asks on until `insistence` is satisfied; the outcome, where the runner knows one. Nothing while somebody asks
    /// about this call already: that one then goes as far as is wanted here.
    pub async fn ask(&self, call: &Pending, insistence: Insistence) -> Option<Outcome> {
        if self.somebody_asks(call, insistence) {
            return None;
        }
        let mut pause = FIRST_PAUSE.min(self.interval);
        let mut told = false;
        loop {
            let ends = self.asked().get(&call.id) == Some(&Insistence::UntilEnded);
            let answer = if ends { self.settle(call).await } else { self.look(call).await };
            match answer {
                Ok(None) if self.is_enough(call) => return None,
                Ok(None) => {}
                Ok(outcome) => {
                    self.asked().remove(&call.id);
                    return outcome;
                }
                Err(error) if told => tracing::debug!(%error, "asked in vain"),
                Err(error) => {
                    tracing::warn!(%error, "asked in vain; asking on");
                    told = true;
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(self.interval);
            if !self.is_open(call).await || now_ms() >= call.deadline_ms + millis(self.grace) {
                self.asked().remove(&call.id);
                return None;
            }
        }
    }

    /// Asks once, also beside others: the outcome, where the runner is there and knows one.
    pub async fn ask_once(&self, call: &Pending) -> Option<Outcome> {
        self.look(call).await.unwrap_or_else(|error| {
            tracing::info!(%error, "asked in vain");
            None
        })
    }

    /// Ends the call at its runner, wherever it is: the outcome, once the runner has said so. Gives up at the deadline,
    /// at which the runner ends it anyway.
    pub async fn cancel(&self, call: &Pending) -> Option<Outcome> {
        let mut pause = FIRST_PAUSE.min(self.interval);
        while now_ms() < call.deadline_ms {
            // Closed never: the semaphore lives as long as this handle.
            let room = self.room.acquire().await;
            let ring = self.secret.current().for_function(&call.function);
            match self.gateway.cancel(&call.function, &call.id, &ring).await {
                Ok(CallState::Ended { report }) => return Some(Outcome::reported(*report)),
                Ok(CallState::Running | CallState::Unknown) => {}
                Err(error) => tracing::warn!(%error, "could not be cancelled yet; trying on"),
            }
            drop(room);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(self.interval);
        }
        None
    }

    /// Has the runner end the call, once; says what holds afterwards.
    pub async fn cancel_once(&self, call: &Pending) -> Result<CallState, AskError> {
        // Closed never: the semaphore lives as long as this handle.
        let _room = self.room.acquire().await;
        let ring = self.secret.current().for_function(&call.function);
        self.gateway.cancel(&call.function, &call.id, &ring).await
    }

    fn somebody_asks(&self, call: &Pending, insistence: Insistence) -> bool {
        let mut asked = self.asked();
        let before = asked.get(&call.id).copied();
        asked.insert(call.id.clone(), before.map_or(insistence, |before| before.max(insistence)));
        before.is_some()
    }

    /// Whether any answer will do; if so the question ends, in one step, so that nobody who comes meanwhile relies on it.
    fn is_enough(&self, call: &Pending) -> bool {
        let mut asked = self.asked();
        let enough = asked.get(&call.id) != Some(&Insistence::UntilEnded);
        if enough {
            asked.remove(&call.id);
        }
        enough
    }

    fn asked(&self) -> MutexGuard<'_, HashMap<CallId, Insistence>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One question that changes nothing.
    async fn look(&self, call: &Pending) -> Result<Option<Outcome>, AskError> {
        match self.state(call).await? {
            CallState::Ended { report } => Ok(Some(Outcome::reported(*report))),
            CallState::Running | CallState::Unknown => Ok(None),
        }
    }

    /// One question, after which a call that no runner knows can never start.
    async fn settle(&self, call: &Pending) -> Result<Option<Outcome>, AskError> {
        match self.state(call).await? {
            CallState::Ended { report } => Ok(Some(Outcome::reported(*report))),
            CallState::Running => Ok(None),
            CallState::Unknown => {
                let ring = self.secret.current().for_function(&call.function);
                Ok(match self.gateway.forbid(&call.function, &call.id, &ring).await? {
                    CallState::Ended { report } if report.outcome == contract::Outcome::Cancelled => {
                        Some(never_started(call))
                    }
                    // It began after the first question, and has ended before the second.
                    CallState::Ended { report } => Some(Outcome::reported(*report)),
                    CallState::Running | CallState::Unknown => None,
                })
            }
        }
    }

    async fn state(&self, call: &Pending) -> Result<CallState, AskError> {
        // Closed never: the semaphore lives as long as this handle.
        let _room = self.room.acquire().await;
        self.gateway.ask(&call.function, &call.id, &self.secret.current().for_function(&call.function)).await
    }

    /// A ledger that cannot answer is no reason to stop asking.
    async fn is_open(&self, call: &Pending) -> bool {
        match self.ledger.standing(call.id.clone()).await {
            // Another replica's call is open as far as anybody here knows.
            Ok(standing) => standing.is_none_or(|standing| standing.state != State::Ended),
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::{
        config::{self, Environment},
        ledger::Reply,
    };
    use axum::{Router, extract::State, http::HeaderMap, routing::get};
    use zeebe2faas_contract::{Report, SIGNATURE_HEADER, random_key_line, signature::Answer};

    type Told = (KeyRing, CallId, contract::Outcome);

    /// A runner that knows nothing of the call, and when the call is forbidden says that it has ended.
    async fn runner(told: Told) -> String {
        async fn signed((ring, id, _): &Told, headers: &HeaderMap, state: &CallState) -> (HeaderMap, Vec<u8>) {
            let body = serde_json::to_vec(state).unwrap();
            let question = headers[SIGNATURE_HEADER].to_str().unwrap();
            let answer = Answer { function: "f", call_id: id, status: 200, question, body: &body };
            let signature = answer.sign(&ring.for_function("f")).parse().unwrap();
            (HeaderMap::from_iter([(SIGNATURE_HEADER.parse().unwrap(), signature)]), body)
        }
        let look =
            async |State(told): State<Told>, headers: HeaderMap| signed(&told, &headers, &CallState::Unknown).await;
        let forbid = async |State(told): State<Told>, headers: HeaderMap| {
            let report = serde_json::json!({ "callId": told.1, "function": "f", "outcome": told.2 });
            let report: Report = serde_json::from_value(report).unwrap();
            signed(&told, &headers, &CallState::Ended { report: Box::new(report) }).await
        };
        let routes = Router::new().route("/function/{*path}", get(look).delete(forbid)).with_state(told);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        url
    }

    async fn settled(said: contract::Outcome) -> Outcome {
        let folder = tempfile::tempdir().unwrap();
        let (secret, id) = (KeyRing::parse(&random_key_line("k1")).unwrap(), CallId::new("c", 1, 1));
        std::fs::write(folder.path().join("token.key"), random_key_line("k1")).unwrap();
        let text = format!(
            "cluster = 'c'\ncallback.url = 'http://h:1'\nkeys.token_file = 'token.key'\nopenfaas.gateway = '{}'\n",
            runner((secret.clone(), id.clone(), said)).await
        );
        let settings = config::parse(&folder.path().join("z.toml"), &text, &Environment::new()).unwrap();
        let (gateway, ledger) =
            (Gateway::new(&settings.openfaas).unwrap(), Ledger::open(&folder.path().join("l")).unwrap());
        let questions =
            Questions::new(gateway, ledger, Reloaded::fixed(secret), Duration::from_millis(10), Duration::ZERO);
        let call = Pending {
            id,
            function: "f".into(),
            run_once: true,
            as_job: false,
            reply: Reply::Message("faas-done".into()),
            result: "call".into(),
            tenant: String::new(),
            deadline_ms: u64::MAX,
            process_instance_key: 1,
            element_id: "task".into(),
        };
        questions.ask(&call, Insistence::UntilEnded).await.unwrap()
    }

    #[tokio::test]
    async fn a_call_that_runs_to_its_end_between_two_questions_ended_as_its_runner_says() {
        assert_eq!(settled(contract::Outcome::Succeeded).await.status, Status::Succeeded);
        assert_eq!(settled(contract::Outcome::Failed).await.status, Status::Failed);
    }

    #[tokio::test]
    async fn a_call_that_can_never_start_was_refused() {
        let outcome = settled(contract::Outcome::Cancelled).await;
        assert_eq!((outcome.status, outcome.retryable), (Status::Refused, true));
    }
}
