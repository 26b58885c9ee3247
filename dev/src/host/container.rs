//! Stands for the container that a cluster would give a function: when it ends, every process in it ends.
//!
//! A runner puts its programs into process groups of their own, so a group is not enough to find them: each container
//! marks its processes with an environment variable, which children inherit.

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, kill_process_group, pidfd_open, pidfd_send_signal};
use std::{
    collections::BTreeMap,
    fs,
    io::{self, ErrorKind},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader},
    process::{Child, Command},
};

const MARK: &str = "ZEEBE2FAAS_DEV_CONTAINER";
/// A longer line of a function's log is cut into pieces.
const LOG_LINE_BYTES: u64 = 16 * 1024;

/// All containers of a host, so that nothing outlives it.
#[derive(Clone, Default)]
pub(super) struct Containers(Arc<Mutex<Registry>>);

#[derive(Default)]
struct Registry {
    closed: bool,
    /// The mark of each, by its leader's process id.
    running: BTreeMap<i32, String>,
}

/// One running container. Dropping it kills what is left in it.
pub(super) struct Container {
    all: Containers,
    leader: i32,
}

impl Containers {
    /// Starts a process, leader of its own group, with the given environment on top of the host's; all pipes open.
    pub(super) fn start(
        &self,
        process: &[String],
        environment: &[(std::ffi::OsString, std::ffi::OsString)],
    ) -> io::Result<(Container, Child)> {
        let mark = format!("{:016x}", rand::random::<u64>());
        let (program, args) = process.split_first().ok_or(ErrorKind::InvalidInput)?;
        let mut command = Command::new(program);
        command.args(args).envs(environment.iter().map(|(key, value)| (key, value))).env(MARK, &mark);
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Locked meanwhile, so that nothing starts behind the back of `kill_all`.
        let mut registry = self.lock();
        if registry.closed {
            return Err(io::Error::other("the host is shutting down"));
        }
        let child = command.spawn()?;
        let leader = child.id().ok_or(ErrorKind::NotFound)?.cast_signed();
        registry.running.insert(leader, mark);
        drop(registry);
        Ok((Container { all: self.clone(), leader }, child))
    }

    /// Asks each leader to end, as a cluster does first.
    pub(super) fn terminate_leaders(&self) {
        for leader in self.lock().running.keys().copied().filter_map(Pid::from_raw) {
            // One that has ended already is what we want.
            let _ = kill_process(leader, Signal::TERM);
        }
    }

    /// Kills every process of every container; none can be started any more.
    pub(super) fn kill_all(&self) {
        let mut registry = self.lock();
        registry.closed = true;
        while let Some((leader, mark)) = registry.running.pop_first() {
            kill(leader, &mark);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Registry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        if let Some(mark) = all.running.remove(&self.leader) {
            kill(self.leader, &mark);
        }
    }
}

fn kill(leader: i32, mark: &str) {
    if let Some(group) = Pid::from_raw(leader) {
        // An empty group is what we want.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let wanted = format!("{MARK}={mark}");
    // Again until nothing is found: a process may have forked in between. A dead one shows no environment.
    for _ in 0..8 {
        let marked: Vec<_> = processes().filter(|pid| carries(*pid, &wanted)).collect();
        if marked.is_empty() {
            return;
        }
        for pid in marked {
            // A handle opened before the second look cannot mean another process that got the same number.
            if let Ok(handle) = pidfd_open(pid, PidfdFlags::empty())
                && carries(pid, &wanted)
            {
                let _ = pidfd_send_signal(handle, Signal::KILL);
            }
        }
    }
}

fn processes() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw))
}

fn carries(pid: Pid, wanted: &str) -> bool {
    let environment = fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero()));
    environment.is_ok_and(|bytes| bytes.split(|b| *b == 0).any(|entry| entry == wanted.as_bytes()))
}

/// Writes each line that a function prints to our log.
pub(super) async fn log_lines(function: Arc<str>, output: impl AsyncRead + Unpin) {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    while let Ok(1..) = (&mut output).take(LOG_LINE_BYTES).read_until(b'\n', &mut line).await {
        tracing::info!(target: "function", %function, "{}", String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
}
