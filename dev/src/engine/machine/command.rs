//! What the machine is asked, what it answers, and what it tells unasked.

use serde_json::{Map, Value};
use tonic::Code;
use zeebe2faas::zeebe::proto;

/// A request to the machine: one for each RPC, and two for job streams.
#[derive(Debug, Clone)]
pub enum Command {
    /// Stores processes, all of a request or none.
    Deploy(proto::DeployResourceRequest),
    /// Starts an instance at its none start event.
    CreateInstance(proto::CreateProcessInstanceRequest),
    /// Ends an instance and all that runs in it.
    Cancel(proto::CancelProcessInstanceRequest),
    /// Locks jobs that wait; `requestTimeout` is the caller's to keep.
    ActivateJobs(proto::ActivateJobsRequest),
    /// A stream takes one job that has become activatable; answered with [`Reply::Jobs`], empty when it is gone.
    PushJob {
        /// The job's.
        key: i64,
        /// Who works on it.
        worker: String,
        /// How long the job is locked, in milliseconds.
        timeout: i64,
        /// Names of the variables to send along; none means all.
        fetch_variables: Vec<String>,
        /// Those that the stream may see; none means the default one.
        tenants: Vec<String>,
    },
    /// A pushed job that no stream took is activatable again.
    YieldJob {
        /// The job's.
        key: i64,
    },
    /// Ends a job well.
    CompleteJob(proto::CompleteJobRequest),
    /// Gives a job back.
    FailJob(proto::FailJobRequest),
    /// Ends a job with a BPMN error.
    ThrowError(proto::ThrowErrorRequest),
    /// Moves the end of a job's lock to now + timeout.
    UpdateJobTimeout(proto::UpdateJobTimeoutRequest),
    /// Sets how often a job may still fail.
    UpdateJobRetries(proto::UpdateJobRetriesRequest),
    /// Writes variables into a scope.
    SetVariables(proto::SetVariablesRequest),
    /// Gives a message to whoever waits for it, now or until it expires.
    PublishMessage(proto::PublishMessageRequest),
    /// Declares that an incident's cause is gone.
    ResolveIncident(proto::ResolveIncidentRequest),
}

/// The answer to a [`Command`] that was carried out.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// To [`Command::Deploy`].
    Deployed(proto::DeployResourceResponse),
    /// To [`Command::CreateInstance`].
    Created(proto::CreateProcessInstanceResponse),
    /// To [`Command::ActivateJobs`] and [`Command::PushJob`].
    Jobs(Vec<proto::ActivatedJob>),
    /// To [`Command::SetVariables`].
    VariablesSet(proto::SetVariablesResponse),
    /// To [`Command::PublishMessage`].
    Published(proto::PublishMessageResponse),
    /// To all others, whose answers are empty.
    Done,
}

/// Why a [`Command`] changed nothing: code and text as the broker's.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{code:?}: {message}")]
pub struct Rejection {
    /// The status code.
    pub code: Code,
    /// The status' text.
    pub message: String,
}

impl Rejection {
    pub(super) fn rejected(code: Code, command: &str, kind: &str, reason: &str) -> Self {
        Self { code, message: format!("Command '{command}' rejected with code '{kind}': {reason}") }
    }

    pub(super) fn not_found(command: &str, reason: impl AsRef<str>) -> Self {
        Self::rejected(Code::NotFound, command, "NOT_FOUND", reason.as_ref())
    }

    pub(super) fn invalid_state(command: &str, reason: impl AsRef<str>) -> Self {
        Self::rejected(Code::FailedPrecondition, command, "INVALID_STATE", reason.as_ref())
    }

    pub(super) fn already_exists(command: &str, reason: impl AsRef<str>) -> Self {
        Self::rejected(Code::AlreadyExists, command, "ALREADY_EXISTS", reason.as_ref())
    }

    /// What the gateway refuses by itself.
    pub(super) fn invalid_argument(message: String) -> Self {
        Self { code: Code::InvalidArgument, message }
    }

    /// Only the default tenant is there, named or not.
    pub(super) fn check_tenant(rpc: &str, tenant: &str) -> Result<(), Self> {
        if tenant.trim().is_empty() || tenant == super::DEFAULT_TENANT {
            return Ok(());
        }
        Err(Self::invalid_argument(format!(
            "Expected to handle gRPC request {rpc} with tenant identifier '{tenant}', but multi-tenancy is disabled"
        )))
    }
}

/// What happened, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A job waits for a worker: new, backed off, its lock over, given back, or its incident resolved.
    JobActivatable {
        /// The job's.
        key: i64,
        /// Its type.
        job_type: String,
        /// Its tenant.
        tenant: String,
    },
    /// A process instance is over, a called one too.
    InstanceEnded {
        /// The instance's.
        key: i64,
        /// Of its process definition.
        process_definition_key: i64,
        /// Of its process.
        bpmn_process_id: String,
        /// Of its process definition.
        version: i32,
        /// Its tenant.
        tenant: String,
        /// False: cancelled or ended from outside.
        completed: bool,
        /// Of the instance's own scope.
        variables: Map<String, Value>,
    },
    /// Something needs an operator.
    IncidentCreated {
        /// The incident's.
        key: i64,
        /// -1: it is no job's.
        job_key: i64,
        /// The process instance.
        instance: i64,
        /// Id of the BPMN element.
        element: String,
        /// As Zeebe's `ErrorType`.
        error_type: &'static str,
        /// What is wrong.
        message: String,
    },
    /// An incident is gone, by command or with its element.
    IncidentResolved {
        /// The incident's.
        key: i64,
    },
    /// An element's instance began.
    ElementEntered {
        /// The element instance's.
        key: i64,
        /// The process instance.
        instance: i64,
        /// Id of the BPMN element; the process id for an instance itself.
        element: String,
    },
    /// A sequence flow was taken.
    FlowTaken {
        /// The process instance.
        instance: i64,
        /// Id of the BPMN sequence flow.
        flow: String,
    },
    /// An element's instance is over.
    ElementLeft {
        /// The element instance's.
        key: i64,
        /// The process instance.
        instance: i64,
        /// Id of the BPMN element.
        element: String,
        /// False: terminated.
        completed: bool,
    },
}
