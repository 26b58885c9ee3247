//! What a run left behind: outputs get their names, in S3 first and then in mounted folders, or nothing is left of them.

use crate::{
    blocking::blocking,
    clock::Deadline,
    execution::Means,
    guard::Claim,
    heartbeat::SharedClaim,
    outputs::{OutputError, Outputs},
    plan::Plan,
    run::{Halt, Halter},
    s3::{calls::Unmoved, plan::Transfers},
};
use zeebe2faas_contract::Outcome;

/// Why outputs do not have their names.
#[derive(Debug)]
pub enum Unpublished {
    /// For good.
    Failed(Outcome, String),
    /// The run has no result.
    Halted(Halt),
}

/// Makes empty temporary folders.
pub async fn prepare(means: &Means, plan: &Plan) -> Result<(), OutputError> {
    // Nothing of an earlier try is taken for something of this one.
    clear_scratch(means, plan).await;
    with(&plan.remote, Outputs::prepare).await?;
    with(&plan.outputs, Outputs::prepare).await
}

/// Gives all outputs their names and returns these.
pub async fn publish(means: &Means, plan: &Plan, halter: &Halter) -> Result<Vec<String>, Unpublished> {
    let deadline = plan.deadline();
    let mut names = Vec::new();
    if let Some(s3) = means.s3.as_ref().filter(|_| !plan.transfers.uploads.is_empty()) {
        give_names(&plan.remote, deadline, &plan.transfers).await?;
        names = s3.after(&plan.transfers, deadline, halter).await.map_err(|error| match error {
            Unmoved::Failed(error) => Unpublished::Failed(Outcome::Failed, format!("failed: {error}")),
            Unmoved::Late => late(),
            Unmoved::Halted(Halt::Cancelled) => cancelled("while its outputs were uploaded"),
            Unmoved::Halted(halt) => Unpublished::Halted(halt),
        })?;
    }
    if halter.reason() == Some(Halt::Cancelled) {
        return Err(cancelled("when it had just ended"));
    }
    names.extend(give_names(&plan.outputs, deadline, &Transfers::default()).await?);
    Ok(names)
}

/// Removes temporary files, unless they are somebody else's by now.
pub async fn discard(plan: &Plan, claim: &SharedClaim) {
    if !matches!(claim.with(Claim::beat).await, Ok(true)) {
        return;
    }
    if let Err(error) = with(&plan.outputs, Outputs::discard).await {
        tracing::warn!(call = %plan.invocation.call_id, %error, "temporary files stay behind");
    }
}

/// Removes what came from S3 and what went there; scratch is this runner's alone, whoever has the call now.
pub async fn clear_scratch(means: &Means, plan: &Plan) {
    let Some(s3) = means.s3.as_ref().filter(|_| !plan.transfers.is_empty()) else { return };
    if let Err(error) = s3.discard(&plan.transfers).await {
        tracing::warn!(call = %plan.invocation.call_id, %error, "files stay in scratch until the runner starts again");
    }
}

/// Files that are missing are told as the objects that they were to become.
async fn give_names(outputs: &Outputs, deadline: Deadline, transfers: &Transfers) -> Result<Vec<String>, Unpublished> {
    with(outputs, move |outputs| outputs.publish(deadline)).await.map_err(|error| match error {
        OutputError::Late => late(),
        OutputError::Missing { parameter, path, instead } => {
            let path = transfers.location_of(&path).unwrap_or(path);
            let error = OutputError::Missing { parameter, path, instead };
            Unpublished::Failed(Outcome::Failed, format!("failed: {error}"))
        }
        error @ OutputError::Files { .. } => Unpublished::Failed(Outcome::Failed, format!("failed: {error}")),
    })
}

fn late() -> Unpublished {
    Unpublished::Failed(Outcome::TimedOut, format!("failed: {}", OutputError::Late))
}

fn cancelled(when: &str) -> Unpublished {
    Unpublished::Failed(Outcome::Cancelled, format!("was cancelled {when}"))
}

async fn with<T: Send + 'static>(
    outputs: &Outputs,
    action: impl FnOnce(&Outputs) -> Result<T, OutputError> + Send + 'static,
) -> Result<T, OutputError> {
    let outputs = outputs.clone();
    let acted = blocking(move || action(&outputs)).await;
    acted.map_err(|error| OutputError::Files { what: "work on", path: "the outputs".into(), error })?
}
