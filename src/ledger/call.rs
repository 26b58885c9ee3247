//! What the ledger knows of a call.

use super::Reply;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeebe2faas_contract::{CallId, Resources, TraceParent};

/// A call as it is accepted, before its request leaves.
#[derive(Debug, Clone)]
pub struct NewCall {
    /// Its id.
    pub id: CallId,
    /// The job's key.
    pub job_key: i64,
    /// Which try of the job, from 1.
    pub attempt: u32,
    /// The job's type, whose limit it counts against.
    pub job_type: String,
    /// The process instance.
    pub process_instance_key: i64,
    /// The process.
    pub bpmn_process_id: String,
    /// The service task.
    pub element_id: String,
    /// The tenant, to which the message goes too.
    pub tenant: String,
    /// The function.
    pub function: String,
    /// Whether a runner guards it.
    pub run_once: bool,
    /// Whether it runs as a Kubernetes Job.
    pub as_job: bool,
    /// What its outcome does in Zeebe.
    pub reply: Reply,
    /// Name of the variable that gets the outcome.
    pub result: String,
    /// The argument vector.
    pub args: Vec<String>,
    /// Parameters that name output files.
    pub outputs: Vec<String>,
    /// What the program is meant to get by with.
    pub resources: Resources,
    /// The span that its process hangs the call below.
    pub parent: Option<TraceParent>,
    /// When it is accepted, in milliseconds since 1970.
    pub accepted_ms: u64,
    /// When it must have ended.
    pub deadline_ms: u64,
    /// Until when its row is kept whatever happens.
    pub keep_until_ms: u64,
}

impl NewCall {
    /// What its first submission fixes.
    pub fn fixed(&self) -> Fixed {
        Fixed {
            args: self.args.clone(),
            outputs: self.outputs.clone(),
            resources: self.resources,
            parent: self.parent,
            deadline_ms: self.deadline_ms,
            as_job: self.as_job,
        }
    }

    /// What its delivery needs; the deadline is the one that its first submission fixed.
    pub fn pending(&self, deadline_ms: u64) -> Pending {
        Pending {
            id: self.id.clone(),
            function: self.function.clone(),
            run_once: self.run_once,
            as_job: self.as_job,
            reply: self.reply.clone(),
            result: self.result.clone(),
            tenant: self.tenant.clone(),
            deadline_ms,
            process_instance_key: self.process_instance_key,
            element_id: self.element_id.clone(),
        }
    }
}

#[cfg(test)]
impl NewCall {
    /// The first call of this job.
    pub(super) fn example(job_key: i64) -> Self {
        Self {
            id: CallId::new("test", job_key, 1),
            job_key,
            attempt: 1,
            job_type: "openfaas".into(),
            process_instance_key: 1,
            bpmn_process_id: "process".into(),
            element_id: "task".into(),
            tenant: String::new(),
            function: "otbcli".into(),
            run_once: true,
            as_job: false,
            reply: Reply::Message("faas-done".into()),
            result: "call".into(),
            args: Vec::new(),
            outputs: Vec::new(),
            resources: Resources::default(),
            parent: None,
            accepted_ms: 1,
            deadline_ms: 2,
            keep_until_ms: 3,
        }
    }
}

/// Who has begun a call before, as far as Zeebe says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BegunBy {
    /// Nobody.
    Nobody,
    /// This replica, which may have lost its row.
    Us,
    /// Another replica, which may have submitted it.
    Another,
}

/// What became of a job that was brought to the ledger.
#[derive(Debug, Clone)]
pub enum Acceptance {
    /// Submit it. `queued_before` says that an earlier submission may have been queued already.
    Submit {
        /// Argument vector, outputs, resources and deadline, as fixed by the first submission.
        command: Fixed,
        /// Whether OpenFaaS may hold it already.
        queued_before: bool,
    },
    /// It was submitted, or has ended; only the job is still open.
    UnderWay {
        /// Whether Zeebe has its outcome already.
        delivered: bool,
    },
    /// The outcome of an earlier try is on its way to Zeebe, and what becomes of the job is not settled.
    Unsettled,
    /// It comes with an earlier try than the ledger knows of: another replica, away for long, has set it back by telling
    /// Zeebe of a try that was over.
    SetBack {
        /// The try that it is to come with.
        attempt: u32,
    },
    /// The ledger knows this job's key from another process instance or task, or as closed: another Zeebe.
    Foreign,
}

/// What never changes once something may have been queued.
#[derive(Debug, Clone)]
pub struct Fixed {
    /// The argument vector.
    pub args: Vec<String>,
    /// Parameters that name output files.
    pub outputs: Vec<String>,
    /// What the program is meant to get by with.
    pub resources: Resources,
    /// The span that its process hangs the call below.
    pub parent: Option<TraceParent>,
    /// When the call must have ended.
    pub deadline_ms: u64,
    /// Whether it runs as a Kubernetes Job.
    pub as_job: bool,
}

/// Where a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Written down; its request may have left.
    Accepted,
    /// OpenFaaS has it, as far as anybody knows.
    Submitted,
    /// Its outcome is known.
    Ended,
}

impl State {
    /// The word that users see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Submitted => "submitted",
            Self::Ended => "ended",
        }
    }

    pub(super) const fn from_number(number: i64) -> Self {
        match number {
            0 => Self::Accepted,
            1 => Self::Submitted,
            _ => Self::Ended,
        }
    }
}

/// What is needed to deliver an outcome: from the row, or from the callback's token where there is no row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// The call.
    pub id: CallId,
    /// Its function.
    pub function: String,
    /// Whether a runner guards it.
    pub run_once: bool,
    /// Whether it runs as a Kubernetes Job.
    pub as_job: bool,
    /// What the outcome does in Zeebe.
    pub reply: Reply,
    /// Name of the variable.
    pub result: String,
    /// Tenant of the job.
    pub tenant: String,
    /// When it must have ended.
    pub deadline_ms: u64,
    /// The process instance; 0 where an old token does not tell.
    pub process_instance_key: i64,
    /// The service task; empty where an old token does not tell.
    pub element_id: String,
}

/// What an outcome's arrival did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closing {
    /// This is the outcome; it is to be delivered as the row says.
    First(Box<Pending>),
    /// The call had ended already; this one is kept as `late` where it differs, and not delivered.
    Late,
    /// The ledger has no such call.
    NoRow,
}

/// A line of `zeebe2faas calls`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The call.
    pub call_id: CallId,
    /// Where it stands.
    pub state: State,
    /// Whether Zeebe has its outcome.
    pub delivered: bool,
    /// `succeeded`, `failed`, …; empty until it has ended.
    pub status: Option<String>,
    /// Its function.
    pub function: String,
    /// The process.
    pub bpmn_process_id: String,
    /// The process instance.
    pub process_instance_key: i64,
    /// The service task.
    pub element_id: String,
    /// When it was accepted, in milliseconds since 1970.
    pub accepted_ms: u64,
    /// When its outcome was known.
    pub ended_ms: Option<u64>,
    /// When it must have ended.
    pub deadline_ms: u64,
}

/// Everything known of a call.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// The line of the list.
    #[serde(flatten)]
    pub summary: Summary,
    /// The job's key.
    pub job_key: i64,
    /// Which try of the job.
    pub attempt: u32,
    /// The job's type.
    pub job_type: String,
    /// The tenant.
    pub tenant: String,
    /// What the outcome does in Zeebe.
    pub reply: Reply,
    /// Name of the variable.
    pub result: String,
    /// Whether a runner guards the function.
    pub run_once: bool,
    /// The argument vector.
    pub args: Vec<String>,
    /// What the program is meant to get by with.
    pub resources: Resources,
    /// Whether OpenFaaS may hold it.
    pub maybe_queued: bool,
    /// Whether a provisional callback came and the runner is asked.
    pub asking: bool,
    /// Whether the job was completed.
    pub job_closed: bool,
    /// When OpenFaaS took it.
    pub submitted_ms: Option<u64>,
    /// When Zeebe had the outcome.
    pub delivered_ms: Option<u64>,
    /// The outcome, as delivered.
    pub outcome: Option<Value>,
    /// What came after the end.
    pub late: Option<Value>,
}
