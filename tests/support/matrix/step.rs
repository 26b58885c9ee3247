//! The steps of a call's path, and how calls are held at each.

use super::{Fault, Mode, stage::Stage};
use crate::crash::{Hold, Point};
use rusqlite::Connection;
use std::{sync::Mutex, time::Duration};

/// How often a condition of another process is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Where the calls of a cell are when its fault happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each says what it is when asked")]
pub enum Step {
    Activate,
    Accept,
    SubmitRequest,
    SubmitAnswer,
    Complete,
    FunctionRuns,
    CallbackArrives,
    CallbackAnswered,
    DeliverRequest,
    DeliverAnswer,
}

/// The other end of the connection on which a step is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    Zeebe,
    Gateway,
    Queue,
}

/// What holds the calls at their step.
pub(super) enum Stopped {
    /// A connection.
    At(Peer, Hold),
    /// A transaction on the ledger, so that the bridge waits with its own.
    Ledger(Mutex<Connection>),
    /// The functions themselves, which the stage holds.
    Functions,
}

impl Step {
    /// In their order.
    pub const ALL: [Self; 10] = [
        Self::Activate,
        Self::Accept,
        Self::SubmitRequest,
        Self::SubmitAnswer,
        Self::Complete,
        Self::FunctionRuns,
        Self::CallbackArrives,
        Self::CallbackAnswered,
        Self::DeliverRequest,
        Self::DeliverAnswer,
    ];

    /// Part of a cell's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Activate => "activate",
            Self::Accept => "accept",
            Self::SubmitRequest => "submit-request",
            Self::SubmitAnswer => "submit-answer",
            Self::Complete => "complete",
            Self::FunctionRuns => "function-runs",
            Self::CallbackArrives => "callback-arrives",
            Self::CallbackAnswered => "callback-answered",
            Self::DeliverRequest => "deliver-request",
            Self::DeliverAnswer => "deliver-answer",
        }
    }

    /// For the report: where exactly the calls are.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Activate => "Zeebe has handed the jobs out, its answer is on its way to the bridge",
            Self::Accept => "the bridge writes the calls into the ledger",
            Self::SubmitRequest => "the request is on its way to the gateway",
            Self::SubmitAnswer => "OpenFaaS has the call, its 202 is on its way to the bridge",
            Self::Complete => {
                "the job is completed (reply `job`: its lock is renewed), Zeebe's answer is on its way; the function runs"
            }
            Self::FunctionRuns => "the function runs",
            Self::CallbackArrives => "the callback is on its way to the bridge",
            Self::CallbackAnswered => "the bridge has the outcome, its answer is on its way to OpenFaaS",
            Self::DeliverRequest => "the outcome is on its way to Zeebe",
            Self::DeliverAnswer => "Zeebe has the outcome, its answer is on its way to the bridge",
        }
    }

    /// Starts the bridge and the calls, and holds these at the step.
    pub(super) async fn reach(self, stage: &mut Stage) -> Stopped {
        if self == Self::Activate {
            // There before anybody takes them, so that one answer has them all.
            stage.begin_calls().await;
            stage.site.records.jobs(stage.calls).await;
            let hold = stage.site.zeebe.hold("/ActivateJobs", Point::Answer);
            stage.start_bridge().await;
            hold.reached().await;
            return Stopped::At(Peer::Zeebe, hold);
        }
        if stage.cell.fault == Fault::ReplicaKilled {
            stage.start_replica().await;
        }
        stage.start_bridge().await;
        stage.bridge().readiness_says("ready\n").await;
        stage.cell.fault.prepare(stage).await;
        if self == Self::FunctionRuns || (self == Self::Complete && !stage.cell.fault.needs_callbacks()) {
            stage.hold_functions();
        }
        let stopped = self.hold(stage);
        stage.begin_calls().await;
        stopped.reached(stage).await;
        stopped
    }

    fn hold(self, stage: &Stage) -> Stopped {
        let delivery = match stage.cell.mode {
            Mode::Message => "/PublishMessage",
            Mode::Job => "/CompleteJob",
        };
        let site = &stage.site;
        let (peer, proxy, path, point) = match self {
            Self::Activate => (Peer::Zeebe, &site.zeebe, "/ActivateJobs", Point::Answer),
            Self::Accept => return Stopped::Ledger(Mutex::new(in_a_transaction(stage))),
            Self::SubmitRequest => (Peer::Gateway, &site.gateway, "/async-function/", Point::Request),
            Self::SubmitAnswer => (Peer::Gateway, &site.gateway, "/async-function/", Point::Answer),
            Self::Complete => match stage.cell.mode {
                Mode::Message => (Peer::Zeebe, &site.zeebe, "/CompleteJob", Point::Answer),
                Mode::Job => (Peer::Zeebe, &site.zeebe, "/UpdateJobTimeout", Point::Answer),
            },
            Self::FunctionRuns => return Stopped::Functions,
            Self::CallbackArrives => (Peer::Queue, &site.callbacks, "/callback/", Point::Request),
            Self::CallbackAnswered => (Peer::Queue, &site.callbacks, "/callback/", Point::Answer),
            Self::DeliverRequest => (Peer::Zeebe, &site.zeebe, delivery, Point::Request),
            Self::DeliverAnswer => (Peer::Zeebe, &site.zeebe, delivery, Point::Answer),
        };
        Stopped::At(peer, proxy.hold(path, point))
    }
}

/// Nobody else writes to the ledger while this is open; the bridge waits for some seconds.
fn in_a_transaction(stage: &Stage) -> Connection {
    let ledger = Connection::open(stage.site.folder().join("zeebe2faas.ledger")).expect("the ledger is there");
    ledger.execute_batch("BEGIN IMMEDIATE").expect("the bridge is idle");
    ledger
}

impl Stopped {
    async fn reached(&self, stage: &Stage) {
        match self {
            Self::At(_, hold) => hold.stopped(stage.calls).await,
            Self::Ledger(_) => {
                crate::soon(async {
                    while activated(stage).await < stage.calls as f64 {
                        tokio::time::sleep(LOOK_EVERY).await;
                    }
                })
                .await;
            }
            Self::Functions => stage.site.ran(stage.calls).await,
        }
    }

    /// What is under way gets through.
    pub(super) fn pass(self) {
        match self {
            Self::At(_, hold) => hold.release(),
            Self::Ledger(ledger) => drop(ledger),
            Self::Functions => {}
        }
    }

    /// What is under way is lost.
    pub(super) fn lose(self) {
        match self {
            Self::At(_, hold) => hold.discard(),
            other => other.pass(),
        }
    }

    /// The connection to this peer breaks: what is under way on it is lost, anything else gets through.
    pub(super) fn lose_on(self, broken: Peer) {
        match self {
            Self::At(peer, hold) if peer == broken => hold.discard(),
            other => other.pass(),
        }
    }
}

/// Jobs that the bridges have taken, those of the stage's other call aside.
async fn activated(stage: &Stage) -> f64 {
    let mut sum = if stage.cell.fault == Fault::OtherToken { -1.0 } else { 0.0 };
    for bridge in &stage.bridges {
        sum += bridge.figure("zeebe2faas_jobs_activated_total").await;
    }
    sum
}
