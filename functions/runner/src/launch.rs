//! Starts a program, inside its cgroup from its first instruction on where there is one.
//!
//! To get there the runner starts itself again, joins the group, and becomes the program. What goes wrong on the way is
//! told through a pipe that the program never sees.

use crate::{cgroup::RunGroup, run::Program};
use rustix::{io::fcntl_dupfd_cloexec, stdio};
use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    io::{self, Read, Write},
    os::{fd::OwnedFd, unix::process::CommandExt},
    path::Path,
    process::{self, Child, Command, ExitCode, Stdio},
};

/// The runner's first argument when it is to join a group and become a program.
const JOIN: &str = "--join-cgroup-and-exec";
/// In place of an error number: the group could not be joined.
const NOT_JOINED: &str = "not joined: ";

/// An argument vector, no shell, no standard input, a process group of its own; `output` is closed here once the
/// program has it. Whether it has joined the group comes along.
pub fn launch(program: &Program, output: OwnedFd, group: Option<&RunGroup>) -> io::Result<(Child, bool)> {
    if let Some(group) = group {
        match launch_inside(program, output.try_clone()?, group.folder())? {
            Ok(child) => return Ok((child, true)),
            Err(why) => tracing::warn!(why, group = ?group.folder(), "the program runs outside the run's cgroup"),
        }
    }
    let mut command = Command::new(&program.path);
    let child = prepare(command.args(&program.args), program, output)?.stdin(Stdio::null()).spawn()?;
    Ok((child, false))
}

fn launch_inside(program: &Program, output: OwnedFd, group: &Path) -> io::Result<Result<Child, String>> {
    let (mut status, status_end) = io::pipe()?;
    let mut command = Command::new("/proc/self/exe");
    command.arg(JOIN).arg(group).arg(&program.path).args(&program.args);
    let mut child = prepare(&mut command, program, output)?.stdin(status_end).spawn()?;
    // It holds the pipe's writing end.
    drop(command);
    let mut trouble = String::new();
    status.read_to_string(&mut trouble)?;
    if trouble.is_empty() {
        return Ok(Ok(child));
    }
    child.wait()?;
    match trouble.parse() {
        Ok(number) => Err(io::Error::from_raw_os_error(number)),
        Err(_) => Ok(Err(trouble)),
    }
}

fn prepare<'a>(command: &'a mut Command, program: &Program, output: OwnedFd) -> io::Result<&'a mut Command> {
    let environment = program.environment.iter().map(|(name, value)| (*name, value.as_str()));
    let command = command.envs(environment).env("TERM", "dumb").process_group(0);
    Ok(command.stdout(output.try_clone()?).stderr(output))
}

/// Joins a group and becomes a program, if that is what this process was started for; else `None`.
pub fn join_and_exec() -> Option<ExitCode> {
    let mut words = env::args_os().skip(1);
    if words.next()? != JOIN {
        return None;
    }
    let (group, program) = (words.next()?, words.next()?);
    let failed = try_join_and_exec(Path::new(&group), &program, words);
    // Nobody reads it if the runner has gone.
    failed.unwrap_or_else(|error| tracing::error!(%error, "the program's standard input cannot be set up"));
    Some(ExitCode::FAILURE)
}

fn try_join_and_exec(group: &Path, program: &OsString, args: impl Iterator<Item = OsString>) -> io::Result<()> {
    // Closed by a successful exec, which is how the runner sees it.
    let mut status = File::from(fcntl_dupfd_cloexec(stdio::stdin(), 3)?);
    stdio::dup2_stdin(File::open("/dev/null")?)?;
    if let Err(error) = fs::write(group.join("cgroup.procs"), process::id().to_string()) {
        return write!(status, "{NOT_JOINED}{error}");
    }
    let error = Command::new(program).args(args).exec();
    write!(status, "{}", error.raw_os_error().unwrap_or_default())
}
