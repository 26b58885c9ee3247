//! One call from its claim to its result.

use crate::{
    blocking::blocking,
    cgroup::Cgroups,
    clock::{Deadline, now_ms},
    guard::{Claim, Guard, Owner},
    heartbeat::{Heartbeat, SharedClaim},
    outputs::{OutputError, Outputs},
    program_log::{ProgramLog, Texts},
    resources::Machine,
    run::{Cause, Ended, Halt, Halter, Program, Terms, run},
    settings::{Arguments, Settings},
    stage::Stage,
    telling::Teller,
    usage::Meter,
    verdict,
};
use std::{env, fs, io, path::Path, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};
use zeebe2faas_contract::{Invocation, Outcome, Report};

const CGROUP_ROOT: &str = "/sys/fs/cgroup";

/// What may be run for an invocation: checked, nothing done yet.
#[derive(Debug, Clone)]
pub struct Plan {
    invocation: Invocation,
    program: Program,
    outputs: Outputs,
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
        let (outputs, mut args) = Outputs::plan(invocation)?;
        let path = given.program.clone().unwrap_or_else(|| args.remove(0).into());
        let program = Program { path, args, environment: Vec::new() };
        Ok(Self { invocation: invocation.clone(), program, outputs })
    }

    /// The call's deadline.
    pub fn deadline(&self) -> Deadline {
        Deadline { at_ms: self.invocation.deadline_ms }
    }
}

/// What every execution uses.
#[derive(Debug)]
pub struct Means {
    /// What is allowed.
    pub settings: Settings,
    /// Owners and results.
    pub guard: Guard,
    /// Where runs are measured.
    pub cgroups: Cgroups,
    /// What programs may use.
    pub machine: Machine,
    /// Tells how far they are.
    pub teller: Teller,
    /// Plays the programs, in a simulation.
    #[doc(hidden)]
    pub stage: Option<Stage>,
}

impl Means {
    /// Opens the state directory and looks at the container.
    pub fn open(settings: Settings, teller: Teller) -> io::Result<Self> {
        let given = &settings.given;
        let membership = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let cgroups = Cgroups::find(Path::new(CGROUP_ROOT), &membership, given.cgroup.clone());
        Ok(Self {
            guard: Guard::open(&given.state_dir, &given.function)?,
            machine: Machine::look(&cgroups, Path::new(CGROUP_ROOT), &membership, given.max_runs),
            teller,
            stage: None,
            cgroups,
            settings,
        })
    }
}

/// Whom the call is taken from.
#[derive(Debug, Clone)]
pub enum From {
    /// Nobody: it is new.
    Nobody,
    /// An owner that released it.
    Released,
    /// An owner that stood still for too long.
    Dead(Owner),
}

/// How an execution ended for those who wait for it.
#[derive(Debug, Clone)]
pub enum Conclusion {
    /// With a report, as JSON, and its HTTP status.
    Report(Arc<[u8]>, u16),
    /// Another runner has the call, or its result: look again.
    Elsewhere,
    /// The runner stops; the call may run again at once.
    Released,
    /// The state directory failed: nobody knows who runs the call now.
    Unsure(String),
}

/// Claims the call, runs its program and stores the result.
pub async fn execute(means: &Means, plan: Plan, from: From, halter: &Halter) -> Conclusion {
    let given = &means.settings.given;
    let claim = match claim(means.guard.clone(), &plan, from, given.keep).await {
        Ok(Some(claim)) => SharedClaim::new(claim),
        Ok(None) => return Conclusion::Elsewhere,
        Err(error) => return Conclusion::Unsure(format!("the state directory cannot be written to: {error}")),
    };
    let heartbeat = Heartbeat::start(claim.clone(), given.beat, given.give_up_after, halter.clone());
    let call = &plan.invocation.call_id;
    let ending = attempt(means, &plan, &claim, halter).await;
    match ending {
        Ending::Store(report) => {
            let conclusion = store(given, &claim, &report).await;
            drop(heartbeat);
            tracing::info!(%call, outcome = ?report.outcome, why = report.message, "the call has ended");
            conclusion
        }
        Ending::Refuse(report) => {
            drop(heartbeat);
            tracing::warn!(%call, why = report.message, "the call was refused");
            release(&claim).await;
            conclude(&report)
        }
        Ending::Halted(Halt::TakenOver) => Conclusion::Elsewhere,
        Ending::Halted(Halt::Unsure) => {
            Conclusion::Unsure("the state directory failed for too long, so the program was ended".into())
        }
        Ending::Halted(Halt::Stopping | Halt::Cancelled) => {
            drop(heartbeat);
            discard(&plan, &claim).await;
            release(&claim).await;
            Conclusion::Released
        }
    }
}

enum Ending {
    /// For good.
    Store(Report),
    /// Nothing was run; a later request may fare better.
    Refuse(Report),
    /// Without a result.
    Halted(Halt),
}

async fn attempt(means: &Means, plan: &Plan, claim: &SharedClaim, halter: &Halter) -> Ending {
    let not_run = |outcome, message: String| {
        verdict::not_run(&plan.invocation, outcome, format!("{} {message}", verdict::who(&plan.invocation)))
    };
    match claim.with(|claim| claim.cancel_asked()).await {
        Ok(false) => {}
        Ok(true) => return Ending::Store(not_run(Outcome::Cancelled, "was cancelled before it was started".into())),
        Err(_) => return Ending::Halted(Halt::Unsure),
    }
    if plan.deadline().passed() {
        let why = "was not started: the call's deadline had passed; give the task a longer `timeout`, or the function \
                   more replicas";
        return Ending::Store(not_run(Outcome::TimedOut, why.into()));
    }
    if let Err(error) = with_outputs(plan, Outputs::prepare).await {
        return Ending::Refuse(not_run(Outcome::Refused, format!("was not started: {error}")));
    }
    match run_program(means, plan, halter).await {
        Ok(ended) => conclude_run(&means.settings.given, plan, claim, halter, &ended).await,
        Err(error) => {
            discard(plan, claim).await;
            let program = plan.program.path.display();
            let why = match error.kind() {
                io::ErrorKind::NotFound => format!("`{program}` is not in this image; install it, or correct its name"),
                io::ErrorKind::PermissionDenied => format!("`{program}` may not be executed by the runner's user"),
                _ => format!("`{program}` cannot be started: {error}"),
            };
            Ending::Refuse(not_run(Outcome::Refused, format!("was not started: {why}")))
        }
    }
}

async fn run_program(means: &Means, plan: &Plan, halter: &Halter) -> io::Result<Ended> {
    let (given, invocation) = (&means.settings.given, &plan.invocation);
    if let Some(stage) = &means.stage {
        return stage.play(invocation, halter).await;
    }
    let call_id = invocation.call_id.clone();
    let environment = means.machine.environment(invocation.resources, |name| env::var_os(name).is_some());
    let program = Program { environment, ..plan.program.clone() };
    tracing::info!(call = %call_id, ?program, "started");
    let meter = Meter::new(&means.cgroups, &format!("zeebe2faas-{call_id}")).await;
    let texts = Texts { failure: given.failure_text.clone(), out_of_memory: given.out_of_memory_text.clone() };
    let log = ProgramLog::new(call_id, given.log_tail_bytes, texts);
    let terms = Terms { deadline: plan.deadline(), grace: given.grace, halter };
    let (standing, _telling) = means.teller.tell(invocation);
    run(&program, terms, log, meter, standing).await
}

async fn conclude_run(given: &Arguments, plan: &Plan, claim: &SharedClaim, halter: &Halter, ended: &Ended) -> Ending {
    if let Some(Cause::Halt(halt @ (Halt::Stopping | Halt::TakenOver | Halt::Unsure))) = ended.cause {
        return Ending::Halted(halt);
    }
    let mut report = verdict::of_run(&plan.invocation, ended);
    if report.outcome == Outcome::Succeeded {
        // Only the owner may touch the outputs, and only while nobody has said otherwise.
        match patiently(given, || claim.with(Claim::beat)).await {
            Ok(true) => {}
            Ok(false) => return Ending::Halted(Halt::TakenOver),
            Err(_) => return Ending::Halted(Halt::Unsure),
        }
        let deadline = plan.deadline();
        let published = match halter.reason() {
            Some(Halt::Cancelled) => Err((Outcome::Cancelled, "was cancelled when it had just ended".to_owned())),
            _ => with_outputs(plan, move |outputs| outputs.publish(deadline)).await.map_err(|error| {
                let outcome = if matches!(error, OutputError::Late) { Outcome::TimedOut } else { Outcome::Failed };
                (outcome, format!("failed: {error}"))
            }),
        };
        match published {
            Ok(names) => report.outputs = shorten(names),
            Err((outcome, why)) => {
                report.outcome = outcome;
                report.message = format!("{} {why}", verdict::who(&plan.invocation));
            }
        }
    }
    if report.outcome != Outcome::Succeeded {
        discard(plan, claim).await;
    }
    Ending::Store(report)
}

async fn claim(guard: Guard, plan: &Plan, from: From, keep: Duration) -> io::Result<Option<Claim>> {
    let id = plan.invocation.call_id.clone();
    let keep_ms = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
    let expires_ms = plan.invocation.deadline_ms.max(now_ms()).saturating_add(keep_ms);
    let claim = move || match from {
        From::Nobody => guard.begin(&id, expires_ms),
        From::Released => guard.take_over(&id, None),
        From::Dead(owner) => guard.take_over(&id, Some(&owner)),
    };
    blocking(claim).await?
}

/// Stores the result.
async fn store(given: &Arguments, claim: &SharedClaim, report: &Report) -> Conclusion {
    let conclusion = conclude(report);
    let Conclusion::Report(bytes, _) = &conclusion else { return conclusion };
    let end = || {
        let bytes = Arc::clone(bytes);
        claim.with(move |claim| claim.end(&bytes))
    };
    match patiently(given, end).await {
        Ok(true) => conclusion,
        Ok(false) => Conclusion::Elsewhere,
        Err(error) => {
            tracing::error!(%error, call = %report.call_id, "the result is not stored; only the answer holds it");
            conclusion
        }
    }
}

/// Tries again (a full disk, a file server that restarts) until an owner that cannot write has to give up.
async fn patiently<F: Future<Output = io::Result<bool>>>(
    given: &Arguments,
    action: impl Fn() -> F,
) -> io::Result<bool> {
    let give_up_at = Instant::now() + given.give_up_after;
    loop {
        match action().await {
            Err(error) if Instant::now() < give_up_at => {
                tracing::warn!(%error, "the state directory fails; trying again");
                sleep(given.poll).await;
            }
            result => return result,
        }
    }
}

fn conclude(report: &Report) -> Conclusion {
    match serde_json::to_vec(report) {
        Ok(bytes) => Conclusion::Report(bytes.into(), report.http_status()),
        Err(error) => Conclusion::Unsure(format!("the report is not JSON: {error}")),
    }
}

async fn release(claim: &SharedClaim) {
    if let Err(error) = claim.with(|claim| claim.release()).await {
        tracing::warn!(%error, "the call could not be released: another runner takes it over once it stood still");
    }
}

/// Removes temporary files, unless they are somebody else's by now.
async fn discard(plan: &Plan, claim: &SharedClaim) {
    if !matches!(claim.with(Claim::beat).await, Ok(true)) {
        return;
    }
    if let Err(error) = with_outputs(plan, Outputs::discard).await {
        tracing::warn!(call = %plan.invocation.call_id, %error, "temporary files stay behind");
    }
}

async fn with_outputs<T: Send + 'static>(
    plan: &Plan,
    action: impl FnOnce(&Outputs) -> Result<T, OutputError> + Send + 'static,
) -> Result<T, OutputError> {
    let outputs = plan.outputs.clone();
    let acted = blocking(move || action(&outputs)).await;
    acted.map_err(|error| OutputError::Files { what: "work on", path: "the outputs".into(), error })?
}

/// A report must stay below the limit for callback bodies: a cut one cannot be verified.
fn shorten(mut names: Vec<String>) -> Vec<String> {
    const MAX_NAMES: usize = 200;
    if names.len() > MAX_NAMES {
        tracing::warn!(files = names.len(), "the report names only the first {MAX_NAMES} files");
        names.truncate(MAX_NAMES);
    }
    names
}
