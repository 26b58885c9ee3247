//! A real Zeebe broker for the demo and for tests: fetched by Maven once, started on free ports of 127.0.0.1.

mod clock;
mod install;
mod java;
mod log;
mod ports;

pub use install::cache;
pub(crate) use ports::free as free_port;

use log::tail;
use ports::Ports;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::{
    fs::OpenOptions,
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The version that is fetched.
pub const VERSION: &str = "8.6.0";

const READY_WITHIN: Duration = Duration::from_secs(120);
const STOP_WITHIN: Duration = Duration::from_secs(30);
const POLL_EVERY: Duration = Duration::from_millis(50);
/// New ports are drawn that often when somebody else took one of them before the broker did.
const PORT_DRAWS: u32 = 3;

/// Becomes the JVM, and leaves a watcher behind that ends the process group when the pipe on its standard input closes:
/// however our own process ends, no broker outlives it.
const GUARDED: &str = r#"exec 3<&0; (cat <&3 >/dev/null; kill -KILL -$$) & exec "$@" </dev/null 3<&-"#;

/// Zeebe's own exporter for debugging, at a level that is logged.
const RECORDS_IN_THE_LOG: [(&str, &str); 2] = [
    ("ZEEBE_BROKER_EXPORTERS_RECORDS_CLASSNAME", "io.camunda.zeebe.broker.exporter.debug.DebugLogExporter"),
    ("ZEEBE_BROKER_EXPORTERS_RECORDS_ARGS_LOGLEVEL", "info"),
];

/// How to start a broker.
#[derive(Debug, Clone)]
pub struct BrokerOptions {
    /// Where its data and its log go; a temporary folder that ends with the broker when absent.
    pub data: Option<PathBuf>,
    /// Heap limit of the JVM, in MiB; it needs about 250 MiB more than that.
    pub heap_mib: u32,
    /// Whether everything that happens in it stands in its log, a JSON record a line: the only place that tells
    /// incidents, where no Operate runs.
    pub log_records: bool,
    /// Whether [`Broker::advance_clock`] moves its clock.
    pub controlled_clock: bool,
}

impl Default for BrokerOptions {
    fn default() -> Self {
        Self { data: None, heap_mib: 384, log_records: false, controlled_clock: false }
    }
}

/// Why there is no broker.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// Maven has to fetch the broker and is not there.
    #[error("fetching the Zeebe broker needs Maven, and `mvn` is not on PATH: run `make setup`")]
    NoMaven,
    /// Maven could not fetch the broker.
    #[error("`{command}` failed ({status}); is repo.maven.apache.org within reach? It said:\n{output}")]
    Maven {
        /// The command, to try by hand.
        command: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// What it printed.
        output: String,
    },
    /// The distribution could not be unpacked.
    #[error("`tar` could not unpack {archive} ({status}); delete it if it is damaged. It said:\n{output}")]
    Unpack {
        /// The archive.
        archive: PathBuf,
        /// How tar ended.
        status: std::process::ExitStatus,
        /// What it printed.
        output: String,
    },
    /// No Java of the right age is installed.
    #[error(
        "Zeebe {VERSION} needs Java {} or newer: set JAVA_HOME, or run `make setup`. Looked at: {looked_at}",
        java::OLDEST
    )]
    NoJava {
        /// The places, each with what is there.
        looked_at: String,
    },
    /// The JVM ended before the broker was ready.
    #[error("the Zeebe broker ended while it started ({status}). The end of {log}:\n{tail}")]
    Ended {
        /// How it ended.
        status: std::process::ExitStatus,
        /// Its log file.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// It runs, but is not ready.
    #[error("the Zeebe broker was not ready within {} s. The end of {log}:\n{tail}", READY_WITHIN.as_secs())]
    NotReady {
        /// Its log file.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// The system refused something.
    #[error("cannot {what} {path}: {source}")]
    Io {
        /// What was tried, as a verb.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Home folder unknown.
    #[error("neither XDG_CACHE_HOME nor HOME is set: there is no place for the broker")]
    NoHome,
    /// No free ports.
    #[error("no free ports on 127.0.0.1 for the broker: {0}")]
    NoPorts(io::Error),
    /// The client for the readiness check, or the order to its clock.
    #[error("cannot ask the broker at its management port: {0}")]
    Http(#[from] reqwest::Error),
}

/// A running Zeebe broker with one partition and no exporter, without TLS or authentication, on 127.0.0.1 only.
///
/// It ends with this value, and with this process however that ends.
#[derive(Debug)]
pub struct Broker {
    distribution: PathBuf,
    java_home: PathBuf,
    heap_mib: u32,
    log_records: bool,
    controlled_clock: bool,
    data: PathBuf,
    ports: Ports,
    child: Option<Child>,
    _temporary: Option<TempDir>,
}

impl Broker {
    /// Fetches what is missing, starts a broker and waits until it is ready: about 10 s, at most 120 s.
    ///
    /// The first time on a machine it downloads 300 MB into `~/.m2` and unpacks them into the user's cache folder.
    pub async fn start(options: BrokerOptions) -> Result<Self, BrokerError> {
        let (distribution, java_home) = tokio::try_join!(install::distribution(), java::home())?;
        let (data, temporary) = match options.data {
            Some(data) => (data, None),
            None => {
                let temporary = tempfile::Builder::new()
                    .prefix("zeebe-")
                    .tempdir()
                    .map_err(io_error("make a folder in", &std::env::temp_dir()))?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        std::fs::create_dir_all(&data).map_err(io_error("make the folder", &data))?;
        let data = data.canonicalize().map_err(io_error("find the folder", &data))?;
        let ports = Ports::draw().map_err(BrokerError::NoPorts)?;
        let BrokerOptions { heap_mib, log_records, controlled_clock, .. } = options;
        let mut broker = Self {
            distribution,
            java_home,
            heap_mib,
            log_records,
            controlled_clock,
            data,
            ports,
            child: None,
            _temporary: temporary,
        };
        for draw in 1.. {
            match broker.restart().await {
                // Without its gateway's port it neither ends nor gets ready.
                Err(BrokerError::Ended { tail, .. } | BrokerError::NotReady { tail, .. })
                    if draw < PORT_DRAWS && tail.contains("in use") =>
                {
                    broker.ports = Ports::draw().map_err(BrokerError::NoPorts)?;
                }
                started => {
                    started?;
                    break;
                }
            }
        }
        Ok(broker)
    }

    /// The gateway's gRPC address, `http://127.0.0.1:PORT`. It stays the same after a restart.
    pub fn grpc_address(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.grpc)
    }

    /// The log file: of every start since the folder was made.
    pub fn log(&self) -> PathBuf {
        self.data.join("broker.log")
    }

    /// The JVM's process id; none when it was stopped.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// CPU time of the JVM since its last start, in seconds; none when it was stopped.
    pub fn cpu_seconds(&self) -> Option<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid()?)).ok()?;
        // proc(5): utime and stime are fields 14 and 15; the name before them, in brackets, may hold blanks.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        Some(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
    }

    /// Ends the broker at once, as a power cut would (SIGKILL).
    pub fn kill(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        signal(|pid| kill_process_group(pid, Signal::KILL), &child);
        if let Err(error) = child.wait() {
            tracing::warn!(%error, "cannot wait for the broker's end");
        }
    }

    /// Ends the broker in an orderly way (SIGTERM); after 30 s by force.
    pub async fn stop(&mut self) {
        if let Some(child) = &mut self.child {
            signal(|pid| kill_process(pid, Signal::TERM), child);
            let asked = Instant::now();
            while matches!(child.try_wait(), Ok(None)) && asked.elapsed() < STOP_WITHIN {
                tokio::time::sleep(POLL_EVERY).await;
            }
        }
        self.kill();
    }

    /// Starts it again with the same data and ports, and waits until it is ready. Ends it first where it runs.
    pub async fn restart(&mut self) -> Result<(), BrokerError> {
        self.kill();
        let child = self.command()?.spawn().map_err(io_error("start", &self.distribution.join("bin/broker")))?;
        self.child = Some(child);
        let ready = self.wait_until_ready().await;
        if ready.is_err() {
            self.kill();
        }
        ready
    }

    fn command(&self) -> Result<Command, BrokerError> {
        let log = self.log();
        let output =
            OpenOptions::new().create(true).append(true).open(&log).map_err(io_error("write the log", &log))?;
        let errors = output.try_clone().map_err(io_error("write the log", &log))?;
        let mut command = Command::new("sh");
        command.args(["-c", GUARDED, "zeebe"]).arg(self.distribution.join("bin/broker"));
        command.current_dir(&self.data).process_group(0).stdin(Stdio::piped()).stdout(output).stderr(errors);
        // Settings of another broker in our environment would change this one.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["ZEEBE_", "CAMUNDA_", "SPRING_", "SERVER_", "MANAGEMENT_"].iter().any(|p| text.starts_with(p)) {
                command.env_remove(&name);
            }
        }
        command.env("JAVA_HOME", &self.java_home).env_remove("JAVACMD");
        // The quick compiler only: 40 % less CPU until it is ready, and other work shares the machine.
        command.env("JAVA_OPTS", format!("-Xmx{}m -XX:+UseSerialGC -XX:TieredStopAtLevel=1", self.heap_mib));
        command.env("ZEEBE_BROKER_DATA_DIRECTORY", self.data.join("zeebe")).envs(self.ports.environment());
        // Its defaults want 2 GB of free disk, 512 MB for RocksDB and log segments of 128 MB.
        command.envs([
            ("ZEEBE_BROKER_DATA_DISK_FREESPACE_PROCESSING", "256MB"),
            ("ZEEBE_BROKER_DATA_DISK_FREESPACE_REPLICATION", "128MB"),
            ("ZEEBE_BROKER_DATA_LOGSEGMENTSIZE", "16MB"),
            ("ZEEBE_BROKER_EXPERIMENTAL_ROCKSDB_MEMORYLIMIT", "64MB"),
        ]);
        if self.log_records {
            command.envs(RECORDS_IN_THE_LOG);
        }
        if self.controlled_clock {
            command.envs(clock::CONTROLLED);
        }
        Ok(command)
    }

    async fn wait_until_ready(&mut self) -> Result<(), BrokerError> {
        let client = zeebe2faas::tls::plain_http().timeout(Duration::from_secs(2)).build()?;
        let url = format!("http://127.0.0.1:{}/actuator/health/readiness", self.ports.management);
        let (log, started) = (self.log(), Instant::now());
        while started.elapsed() < READY_WITHIN {
            if let Some(child) = &mut self.child
                && let Some(status) = child.try_wait().map_err(io_error("wait for", Path::new("the broker")))?
            {
                return Err(BrokerError::Ended { status, tail: tail(&log), log });
            }
            // Refused or 503 means: not yet.
            if client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            tokio::time::sleep(POLL_EVERY).await;
        }
        Err(BrokerError::NotReady { tail: tail(&log), log })
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

fn signal(send: impl FnOnce(Pid) -> rustix::io::Result<()>, child: &Child) {
    let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return };
    match send(pid) {
        // It has ended by itself.
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(error) => tracing::warn!(%error, "cannot signal the broker"),
    }
}

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BrokerError {
    let path = path.to_owned();
    move |source| BrokerError::Io { what, path, source }
}
