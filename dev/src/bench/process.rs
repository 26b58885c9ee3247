//! One process of the real binary: what the kernel and its own admin listener say of it.

use super::{BenchError, io_error, no_figure};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tempfile::TempDir;

/// How long a start, and a stop, may take.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL_EVERY: Duration = Duration::from_millis(20);
const LOG_TAIL_LINES: usize = 20;

/// `zeebe2faas run`, with a folder of its own. Dropped, it ends too.
pub struct Bridge {
    child: Child,
    folder: TempDir,
    admin: String,
    http: reqwest::Client,
    /// Just before the process was made.
    pub spawned: Instant,
    /// The same by the wall clock, in milliseconds since 1970.
    pub spawned_ms: f64,
}

/// Resident memory, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// Now (VmRSS).
    pub resident: f64,
    /// The part of it that is no file's: heap and stacks (RssAnon).
    pub anonymous: f64,
    /// The most there ever was (VmHWM).
    pub peak: f64,
}

impl Bridge {
    /// Starts the binary with the configuration that lies in the folder.
    pub fn start(binary: &Path, folder: TempDir, admin: String) -> Result<Self, BenchError> {
        let log = folder.path().join("bridge.log");
        let log = File::create(&log).map_err(io_error(&log))?;
        let http = zeebe2faas::tls::plain_http().timeout(PATIENCE).build()?;
        let mut command = Command::new(binary);
        // Settings in our environment would stand above the file's.
        command
            .arg("run")
            .current_dir(folder.path())
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let spawned_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1e3;
        let spawned = Instant::now();
        let child = command.spawn().map_err(io_error(binary))?;
        Ok(Self { child, folder, admin, http, spawned, spawned_ms })
    }

    /// Waits until it is connected to Zeebe.
    pub async fn ready(&mut self) -> Result<(), BenchError> {
        let url = format!("{}/readyz", self.admin);
        while self.spawned.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().map_err(io_error(Path::new("zeebe2faas run")))? {
                return Err(self.error(format!("the bridge ended at its start ({status})")));
            }
            // Refused or 503 means: not yet.
            if self.http.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            tokio::time::sleep(POLL_EVERY).await;
        }
        Err(self.error(format!("the bridge was not ready within {} s", PATIENCE.as_secs())))
    }

    /// What it occupies.
    pub fn memory(&self) -> Result<Memory, BenchError> {
        let path = self.proc("status");
        let status = std::fs::read_to_string(&path).map_err(io_error(&path))?;
        let figure = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
            kib.map(|kib| kib * 1024.0).ok_or_else(|| no_figure(&path, name))
        };
        Ok(Memory { resident: figure("VmRSS")?, anonymous: figure("RssAnon")?, peak: figure("VmHWM")? })
    }

    /// CPU time since its start, user and system, in seconds.
    pub fn cpu_seconds(&self) -> Result<f64, BenchError> {
        let path = self.proc("stat");
        let stat = std::fs::read_to_string(&path).map_err(io_error(&path))?;
        // proc(5): utime and stime are fields 14 and 15; the name before them, in brackets, may hold blanks.
        let ticks = stat.rsplit_once(')').and_then(|(_, fields)| {
            let fields: Vec<&str> = fields.split_whitespace().collect();
            Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
        });
        let ticks = ticks.ok_or_else(|| no_figure(&path, "utime and stime"))?;
        Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
    }

    /// The sum of a metric over its labels; 0 where nothing was counted yet.
    pub async fn metric(&self, name: &str) -> Result<f64, BenchError> {
        let text = self.http.get(format!("{}/metrics", self.admin)).send().await?.error_for_status()?.text().await?;
        let of_name = |line: &str| {
            let rest = line.strip_prefix(name)?;
            rest.starts_with([' ', '{']).then(|| line.rsplit_once(' ')?.1.parse::<f64>().ok()).flatten()
        };
        Ok(text.lines().filter_map(of_name).sum())
    }

    /// Waits until a metric has reached the given value.
    pub async fn metric_reaches(&self, name: &str, value: f64) -> Result<(), BenchError> {
        let asked = Instant::now();
        while self.metric(name).await? < value {
            if asked.elapsed() > PATIENCE {
                let found = self.metric(name).await?;
                return Err(self.error(format!("{name} is {found} after {} s, not {value}", PATIENCE.as_secs())));
            }
            tokio::time::sleep(POLL_EVERY).await;
        }
        Ok(())
    }

    /// When the last call was accepted, by the ledger: in milliseconds since 1970.
    pub async fn accepted_ms(&self) -> Result<f64, BenchError> {
        let url = format!("{}/api/calls?limit=1", self.admin);
        let calls: serde_json::Value = self.http.get(&url).send().await?.error_for_status()?.json().await?;
        calls[0]["acceptedMs"].as_f64().ok_or_else(|| no_figure(Path::new(&url), "acceptedMs"))
    }

    /// Stops it in an orderly way.
    pub async fn stop(mut self) -> Result<(), BenchError> {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM).map_err(|errno| io_error(&self.proc(""))(errno.into()))?;
        }
        let asked = Instant::now();
        while asked.elapsed() < PATIENCE {
            match self.child.try_wait().map_err(io_error(Path::new("zeebe2faas run")))? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(self.error(format!("the bridge did not stop in good order ({status})"))),
                None => tokio::time::sleep(POLL_EVERY).await,
            }
        }
        Err(self.error(format!("the bridge did not stop within {} s", PATIENCE.as_secs())))
    }

    /// An error with the end of the log.
    pub fn error(&self, what: String) -> BenchError {
        let path = self.folder.path().join("bridge.log");
        let log = std::fs::read_to_string(&path).unwrap_or_else(|error| format!("(it cannot be read: {error})"));
        let lines: Vec<&str> = log.lines().collect();
        BenchError::Bridge { what, log: lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n") }
    }

    fn proc(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.child.id()))
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        // It has ended already where it was stopped.
        if !matches!(self.child.try_wait(), Ok(Some(_)))
            && let Err(error) = self.child.kill().and_then(|()| self.child.wait())
        {
            tracing::warn!(%error, "the bridge cannot be ended");
        }
    }
}
