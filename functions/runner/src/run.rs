//! One program in a process group of its own: started, watched, ended.

use crate::{
    clock::{Deadline, now_ms},
    launch::launch,
    program_log::{Found, ProgramLog},
    telling::Standing,
    terminal::{self, Output},
    usage::{Meter, Usage},
};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::{
    ffi::OsString,
    io, mem,
    os::unix::process::ExitStatusExt,
    process::ExitStatus,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};
use tokio::{
    sync::{oneshot, watch},
    time::{Instant, sleep_until, timeout},
};
use wait4::Wait4;

/// Between two looks at memory and CPU; the first ones come sooner, for short runs.
const SAMPLE_EVERY: Duration = Duration::from_millis(200);
const FIRST_SAMPLE: Duration = Duration::from_millis(5);
/// How long the output is read on after the group has ended: a process that left the group may hold the terminal open.
const LAST_OUTPUT: Duration = Duration::from_secs(2);

/// Why a run is ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halt {
    /// `DELETE /calls/ID`.
    Cancelled,
    /// The runner stops.
    Stopping,
    /// Another runner has taken the call over.
    TakenOver,
    /// The state directory could not be reached for so long that another runner may take over.
    Unsure,
    /// Its files fill the room for all.
    ScratchFull,
}

/// Ends a run; the first reason stays.
#[derive(Debug, Clone)]
pub struct Halter(Arc<watch::Sender<Option<Halt>>>);

impl Halter {
    /// Of a run that nobody has ended yet.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }

    /// Ends the run.
    pub fn halt(&self, why: Halt) {
        self.0.send_if_modified(|halt| {
            let first = halt.is_none();
            halt.get_or_insert(why);
            first
        });
    }

    /// Why the run shall end, if it shall.
    pub fn reason(&self) -> Option<Halt> {
        *self.0.borrow()
    }

    /// Waits until the run shall end, and says why.
    pub async fn halted(&self) -> Halt {
        let mut changes = self.0.subscribe();
        loop {
            if let Some(halt) = *changes.borrow_and_update() {
                return halt;
            }
            // The sender lives in `self`, so there is always a next change to wait for.
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Default for Halter {
    fn default() -> Self {
        Self::new()
    }
}

/// What to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// A path, or a name that is looked up in `PATH`.
    pub path: OsString,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables that it gets besides the runner's own.
    pub environment: Vec<(&'static str, String)>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit code or signal of the main process.
    pub status: ExitStatus,
    /// What made us end it, if we did.
    pub cause: Option<Cause>,
    /// When it was started, in milliseconds since 1970.
    pub started_at_ms: u64,
    /// Wall-clock time.
    pub duration: Duration,
    /// Memory and CPU time.
    pub usage: Usage,
    /// How many processes the kernel has killed meanwhile for lack of memory, where that can be told.
    pub oom_kills: u64,
    /// The end of its output.
    pub log_tail: String,
    /// Telling lines of its output.
    pub found: Found,
}

/// Why we ended a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Its deadline passed.
    Deadline,
    /// Somebody asked.
    Halt(Halt),
}

/// What ends a run that does not end by itself.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// When it must have ended.
    pub deadline: Deadline,
    /// From SIGTERM to SIGKILL.
    pub grace: Duration,
    /// Somebody's wish.
    pub halter: &'a Halter,
}

/// Runs the program to its end: until it exits, until the deadline, or until it is halted. Its process group gets
/// SIGTERM and, `grace` later, SIGKILL; what the main process leaves behind in the group, or in the meter's cgroup, is
/// killed. How far it is goes into `standing`.
///
/// # Errors
/// When the program cannot be started.
pub async fn run(
    program: &Program,
    terms: Terms<'_>,
    log: ProgramLog,
    mut meter: Meter,
    standing: watch::Sender<Standing>,
) -> io::Result<Ended> {
    let (output, output_end) = terminal::open()?;
    let (started_at_ms, started) = (now_ms(), Instant::now());
    let launched = launch(program, output_end, meter.group());
    if !matches!(launched, Ok((_, true))) {
        meter.leave_group().await;
    }
    let (child, _) = launched?;
    standing.send_modify(|standing| standing.started_at_ms = Some(started_at_ms));
    let group = Pid::from_child(&child);
    let log = Arc::new(Mutex::new(log));
    let reader = tokio::spawn(read(output, Arc::clone(&log), standing.clone()));

    let cause = watch_over(group, terms, &mut meter, &standing).await;
    // The main process is a zombie now: its number, and so the group's, cannot be anybody else's yet.
    meter.sample(group.as_raw_nonzero().get());
    signal(group, Signal::KILL);
    let last = child.wait4()?;
    let duration = started.elapsed();
    let (usage, oom_kills) = meter.finish(&last.rusage).await;
    let abort = reader.abort_handle();
    if timeout(LAST_OUTPUT, reader).await.is_err() {
        abort.abort();
    }
    let (log_tail, found) = log.lock().unwrap_or_else(PoisonError::into_inner).finish();
    Ok(Ended { status: last.status, cause, started_at_ms, duration, usage, oom_kills, log_tail, found })
}

/// Returns when the main process has ended (it stays a zombie), and says why we ended it, if we did.
async fn watch_over(
    group: Pid,
    Terms { deadline, grace, halter }: Terms<'_>,
    meter: &mut Meter,
    standing: &watch::Sender<Standing>,
) -> Option<Cause> {
    let mut exited = exit_of(group);
    let mut cause = None;
    let mut kill_at = None;
    let mut pause = FIRST_SAMPLE;
    loop {
        let look_again = Instant::now() + pause.min(deadline.remaining().max(FIRST_SAMPLE));
        tokio::select! {
            _ = &mut exited => return cause,
            halt = halter.halted(), if cause.is_none() => cause = Some(Cause::Halt(halt)),
            () = sleep_until(look_again) => {
                let usage = meter.sample(group.as_raw_nonzero().get());
                standing.send_if_modified(|standing| mem::replace(&mut standing.usage, usage) != usage);
            }
        }
        pause = (pause * 2).min(SAMPLE_EVERY);
        if cause.is_none() && deadline.passed() {
            cause = Some(Cause::Deadline);
        }
        match (cause, kill_at) {
            (Some(_), None) => {
                signal(group, Signal::TERM);
                kill_at = Some(Instant::now() + grace);
            }
            (Some(_), Some(at)) if Instant::now() >= at => signal(group, Signal::KILL),
            _ => {}
        }
    }
}

/// Resolves when the process has ended, without reaping it.
fn exit_of(process: Pid) -> oneshot::Receiver<()> {
    let (tell, exited) = oneshot::channel();
    thread::spawn(move || {
        while waitid(WaitId::Pid(process), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
            .is_err_and(|error| error == rustix::io::Errno::INTR)
        {}
        // Nobody listens any more once the runner itself is being dropped.
        tell.send(()).ok();
    });
    exited
}

fn signal(group: Pid, signal: Signal) {
    // ESRCH: nothing is left in the group, which is what a signal is for.
    if let Err(error) = kill_process_group(group, signal)
        && error != rustix::io::Errno::SRCH
    {
        tracing::error!(%error, ?group, ?signal, "the process group could not be signalled");
    }
}

async fn read(output: Output, log: Arc<Mutex<ProgramLog>>, standing: watch::Sender<Standing>) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match output.read(&mut buffer).await {
            Ok(0) => return,
            Ok(n) => {
                let reading = log.lock().unwrap_or_else(PoisonError::into_inner).push(&buffer[..n]);
                if reading.is_some() {
                    standing.send_if_modified(|standing| {
                        let changed = standing.reading != reading;
                        standing.reading = reading;
                        changed
                    });
                }
            }
            Err(error) => return tracing::error!(%error, "the program's output cannot be read"),
        }
    }
}

/// The name of the signal that ended a process, such as `SIGKILL`.
pub fn signal_name(status: ExitStatus) -> Option<String> {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
        "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF",
        "WINCH", "IO", "PWR", "SYS",
    ];
    let number = status.signal()?;
    let name = usize::try_from(number - 1).ok().and_then(|index| NAMES.get(index));
    Some(name.map_or_else(|| format!("signal {number}"), |name| format!("SIG{name}")))
}
