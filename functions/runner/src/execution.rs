//! One call from its claim to its result.

use crate::{
    blocking::blocking,
    cgroup::Cgroups,
    clock::now_ms,
    guard::{Claim, Guard, Owner},
    heartbeat::{Heartbeat, SharedClaim},
    plan::Plan,
    program_log::{ProgramLog, Texts},
    publishing::{Unpublished, clear_scratch, discard, prepare, publish},
    resources::Machine,
    run::{Cause, Ended, Halt, Halter, Program, Terms, run},
    s3::{
        calls::{S3, Unmoved, gdal_environment},
        scratch::Watch,
    },
    settings::{Arguments, Settings},
    stage::Stage,
    telling::Teller,
    usage::Meter,
    verdict,
};
use std::{env, fs, io, path::Path, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};
use zeebe2faas_contract::{Outcome, Report, TRACEPARENT_VARIABLE};

const CGROUP_ROOT: &str = "/sys/fs/cgroup";

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
    /// Moves objects, where buckets are allowed.
    pub s3: Option<S3>,
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
        let guard = Guard::open(&given.state_dir, &given.function).map_err(|error| {
            let why = format!("RUNNER_STATE_DIR: `{}` cannot be used: {error}", given.state_dir.display());
            io::Error::new(error.kind(), why)
        })?;
        Ok(Self {
            guard,
            s3: S3::open(&settings.s3)?,
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
    clear_scratch(means, &plan).await;
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
        Ending::Halted(Halt::Stopping | Halt::Cancelled | Halt::ScratchFull) => {
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
    if let Err(error) = prepare(means, plan).await {
        return Ending::Refuse(not_run(Outcome::Refused, format!("was not started: {error}")));
    }
    let _watch = match fetch(means, plan, halter, not_run).await {
        Ok(watch) => watch,
        Err(ending) => {
            discard(plan, claim).await;
            return *ending;
        }
    };
    match run_program(means, plan, halter).await {
        Ok(ended) => conclude_run(means, plan, claim, halter, &ended).await,
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

/// Brings inputs from S3.
async fn fetch(
    means: &Means,
    plan: &Plan,
    halter: &Halter,
    not_run: impl Fn(Outcome, String) -> Report,
) -> Result<Option<Watch>, Box<Ending>> {
    let Some(s3) = &means.s3 else { return Ok(None) };
    s3.before(&plan.transfers, plan.deadline(), halter).await.map_err(|error| {
        Box::new(match error {
            Unmoved::Failed(error) => Ending::Refuse(not_run(Outcome::Refused, format!("was not started: {error}"))),
            Unmoved::Late => {
                let why = "was not started: the call's deadline passed while its inputs were fetched";
                Ending::Store(not_run(Outcome::TimedOut, why.to_owned()))
            }
            Unmoved::Halted(Halt::Cancelled) => {
                Ending::Store(not_run(Outcome::Cancelled, "was cancelled while its inputs were fetched".to_owned()))
            }
            Unmoved::Halted(halt) => Ending::Halted(halt),
        })
    })
}

async fn run_program(means: &Means, plan: &Plan, halter: &Halter) -> io::Result<Ended> {
    let (given, invocation) = (&means.settings.given, &plan.invocation);
    if let Some(stage) = &means.stage {
        return stage.play(invocation, halter).await;
    }
    let call_id = invocation.call_id.clone();
    let is_set = |name: &str| env::var_os(name).is_some();
    let mut environment = means.machine.environment(invocation.resources, is_set);
    if plan.transfers.any_direct() {
        environment.extend(gdal_environment(is_set).map_err(io::Error::other)?);
    }
    environment.extend(invocation.traceparent.map(|parent| (TRACEPARENT_VARIABLE, parent.to_string())));
    let program = Program { environment, ..plan.program.clone() };
    tracing::info!(call = %call_id, ?program, "started");
    let meter = Meter::new(&means.cgroups, &format!("zeebe2faas-{call_id}")).await;
    let texts = Texts { failure: given.failure_text.clone(), out_of_memory: given.out_of_memory_text.clone() };
    let log = ProgramLog::new(call_id, given.log_tail_bytes, texts);
    let terms = Terms { deadline: plan.deadline(), grace: given.grace, halter };
    let (standing, _telling) = means.teller.tell(invocation);
    run(&program, terms, log, meter, standing).await
}

async fn conclude_run(means: &Means, plan: &Plan, claim: &SharedClaim, halter: &Halter, ended: &Ended) -> Ending {
    if let Some(Cause::Halt(halt @ (Halt::Stopping | Halt::TakenOver | Halt::Unsure))) = ended.cause {
        return Ending::Halted(halt);
    }
    let mut report = verdict::of_run(&plan.invocation, ended);
    if report.outcome == Outcome::Succeeded {
        // Only the owner may touch the outputs, and only while nobody has said otherwise.
        match patiently(&means.settings.given, || claim.with(Claim::beat)).await {
            Ok(true) => {}
            Ok(false) => return Ending::Halted(Halt::TakenOver),
            Err(_) => return Ending::Halted(Halt::Unsure),
        }
        match publish(means, plan, halter).await {
            Ok(names) => report.outputs = shorten(names),
            Err(Unpublished::Halted(halt)) => return Ending::Halted(halt),
            Err(Unpublished::Failed(outcome, why)) => {
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

/// A report must stay below the limit for callback bodies: a cut one cannot be verified.
fn shorten(mut names: Vec<String>) -> Vec<String> {
    const MAX_NAMES: usize = 200;
    if names.len() > MAX_NAMES {
        tracing::warn!(files = names.len(), "the report names only the first {MAX_NAMES} files");
        names.truncate(MAX_NAMES);
    }
    names
}
