//! One program in a process group of its own: started, watched, ended.

use crate::{
    clock::{Deadline, now_ms},
    program_log::{Found, ProgramLog},
    usage::Usage,
};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::{
    ffi::OsString,
    io,
    os::{fd::OwnedFd, unix::process::CommandExt, unix::process::ExitStatusExt},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};
use tokio::{
    io::AsyncReadExt,
    net::unix::pipe,
    sync::{oneshot, watch},
    time::{Instant, sleep_until, timeout},
};
use wait4::Wait4;

/// Between two looks at memory and CPU; the first ones come sooner, for short runs.
const SAMPLE_EVERY: Duration = Duration::from_millis(200);
const FIRST_SAMPLE: Duration = Duration::from_millis(5);
/// How long the output is read on after the group has ended: a process that left the group may hold the pipe open.
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

    async fn halted(&self) -> Halt {
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

/// Runs the program to its end: until it exits, until the deadline, or until it is halted. Its process group gets
/// SIGTERM and, `grace` later, SIGKILL; what the main process leaves behind in the group is killed.
///
/// # Errors
/// When the program cannot be started.
pub async fn run(
    program: &Program,
    deadline: Deadline,
    grace: Duration,
    halter: &Halter,
    log: ProgramLog,
) -> io::Result<Ended> {
    let (output, output_end) = io::pipe()?;
    let output = pipe::Receiver::from_owned_fd(OwnedFd::from(output))?;
    let (started_at_ms, started) = (now_ms(), Instant::now());
    let child = spawn(program, output_end)?;
    let group = Pid::from_child(&child);
    let log = Arc::new(Mutex::new(log));
    let reader = tokio::spawn(read(output, Arc::clone(&log)));

    let mut usage = Usage::default();
    let cause = watch_over(group, deadline, grace, halter, &mut usage).await;
    // The main process is a zombie now: its number, and so the group's, cannot be anybody else's yet.
    usage.sample(group.as_raw_nonzero().get());
    signal(group, Signal::KILL);
    let last = child.wait4()?;
    usage.raise(last.rusage.maxrss, last.rusage.utime + last.rusage.stime);
    let duration = started.elapsed();
    let abort = reader.abort_handle();
    if timeout(LAST_OUTPUT, reader).await.is_err() {
        abort.abort();
    }
    let (log_tail, found) = log.lock().unwrap_or_else(PoisonError::into_inner).finish();
    Ok(Ended { status: last.status, cause, started_at_ms, duration, usage, log_tail, found })
}

/// An argument vector, no shell, no standard input; the pipe's writing end is closed here once the program has it.
fn spawn(program: &Program, output: io::PipeWriter) -> io::Result<Child> {
    Command::new(&program.path)
        .args(&program.args)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
}

/// Returns when the main process has ended (it stays a zombie), and says why we ended it, if we did.
async fn watch_over(
    group: Pid,
    deadline: Deadline,
    grace: Duration,
    halter: &Halter,
    usage: &mut Usage,
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
            () = sleep_until(look_again) => usage.sample(group.as_raw_nonzero().get()),
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

async fn read(mut output: pipe::Receiver, log: Arc<Mutex<ProgramLog>>) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match output.read(&mut buffer).await {
            Ok(0) => return,
            Ok(n) => log.lock().unwrap_or_else(PoisonError::into_inner).push(&buffer[..n]),
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
