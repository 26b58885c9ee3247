//! What an invocation asks for, checked against what is allowed.

use crate::{
    clock::Deadline,
    outputs::Outputs,
    run::Program,
    s3::plan::{Rewritten, Transfers},
    settings::Settings,
};
use zeebe2faas_contract::Invocation;

/// What may be run for an invocation: checked, nothing done yet.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What was asked for.
    pub invocation: Invocation,
    /// With files in place of objects.
    pub program: Program,
    /// In mounted folders.
    pub outputs: Outputs,
    /// In scratch, to be uploaded.
    pub remote: Outputs,
    /// What comes from S3 and goes there.
    pub transfers: Transfers,
    /// The command without what is in S3, where something may be.
    without_remote: Option<Invocation>,
}

impl Plan {
    /// Checks the invocation against what is allowed.
    ///
    /// # Errors
    /// One sentence that says what is not acceptable and what to do.
    pub fn new(invocation: &Invocation, settings: &Settings) -> Result<Self, String> {
        let given = &settings.given;
        let first = invocation.args.first().ok_or("the command is empty: its first word names what to run")?;
        let anything = given.program.is_some() && given.allow.is_empty();
        if !anything && !given.allow.contains(first) {
            let allowed = given.allow.join(", ");
            return Err(format!("`{first}` is not allowed here; the function's RUNNER_ALLOW has: {allowed}"));
        }
        if settings.s3.allow_buckets.is_empty() {
            let (outputs, args) = Outputs::plan(invocation)?;
            return Ok(Self::with(invocation, settings, args, outputs));
        }
        let (transfers, Rewritten { remote, local_outputs, to_check }) = Transfers::plan(invocation, &settings.s3)?;
        let (remote, args) = Outputs::plan(&remote)?;
        let (outputs, args) = Outputs::plan(&Invocation { args, outputs: local_outputs, ..invocation.clone() })?;
        let remote = remote.on_scratch();
        let without_remote = Some(to_check);
        Ok(Self { transfers, remote, without_remote, ..Self::with(invocation, settings, args, outputs) })
    }

    fn with(invocation: &Invocation, settings: &Settings, mut args: Vec<String>, outputs: Outputs) -> Self {
        let path = settings.given.program.clone().unwrap_or_else(|| args.remove(0).into());
        let program = Program { path, args, environment: Vec::new() };
        let (remote, transfers) = (Outputs::default(), Transfers::default());
        Self { invocation: invocation.clone(), program, outputs, remote, transfers, without_remote: None }
    }

    /// The command whose paths are to be checked.
    pub fn to_check(&self) -> &Invocation {
        self.without_remote.as_ref().unwrap_or(&self.invocation)
    }

    /// The call's deadline.
    pub fn deadline(&self) -> Deadline {
        Deadline { at_ms: self.invocation.deadline_ms }
    }
}
