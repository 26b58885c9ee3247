//! What a runner may do, and how long it waits: from the command line or the environment.

use crate::{
    paths::AllowedPaths,
    s3::{S3Settings, location::AllowedBuckets},
};
use clap::Parser;
use std::{ffi::OsString, fmt, fs, io, net::SocketAddr, num::NonZeroUsize, path::PathBuf, time::Duration};
use zeebe2faas_contract::KeyRing;

/// Runs one allowed program for each call that a zeebe2faas bridge asks for, once, and answers with a signed report.
#[derive(Debug, Clone, Parser)]
#[command(version)]
pub struct Arguments {
    /// Address to listen on; port 0 takes a free one, which the first line on stdout names
    #[arg(long, env = "RUNNER_LISTEN", default_value = "127.0.0.1:8082")]
    pub listen: SocketAddr,
    /// Folder with one call (`invocation.json`, `callback-url`): it is run and told, then the runner ends. For Jobs
    #[arg(long, env = "RUNNER_CALL_DIR")]
    pub call_dir: Option<PathBuf>,
    /// How long a bridge that does not answer is told the end of that call
    #[arg(long, env = "RUNNER_TELL_FOR", value_parser = parse_duration, default_value = "10m")]
    pub tell_for: Duration,
    /// Name of the OpenFaaS function that this runner answers for
    #[arg(long, env = "RUNNER_FUNCTION")]
    pub function: String,
    /// File with the function's keys, a line `ID KEY` each; `zeebe2faas key` prints it
    #[arg(long, env = "RUNNER_KEY_FILE", default_value = "/var/openfaas/secrets/zeebe2faas-key")]
    pub key_file: PathBuf,
    /// Accept requests without a signature and sign nothing: anybody who reaches the port can run the programs
    #[arg(long, env = "RUNNER_INSECURE", num_args = 0..=1, default_value_t = false, default_missing_value = "true")]
    pub insecure: bool,
    /// Folder for owners and results of calls, shared by all pods of the function
    #[arg(long, env = "RUNNER_STATE_DIR")]
    pub state_dir: PathBuf,
    /// Program that every call runs, with the call's arguments; without it the first argument names the program
    #[arg(long, env = "RUNNER_PROGRAM")]
    pub program: Option<OsString>,
    /// Comma-separated first arguments that are allowed: programs or, with a fixed program, its applications
    #[arg(long, env = "RUNNER_ALLOW", value_delimiter = ',')]
    pub allow: Vec<String>,
    /// Folders, separated by `:` or `,`, below which every path in a command must lie; `/vsi…` and `scheme://…` name
    /// what is not in a folder, `..` allows that; empty: paths are not limited
    #[arg(long, env = "RUNNER_ALLOW_DIRS", default_value_t)]
    pub allow_dirs: AllowedPaths,
    /// Comma-separated names of parameters whose next argument is no path although it may hold a `/`, such as a formula
    #[arg(long, env = "RUNNER_NO_PATHS", value_delimiter = ',')]
    pub no_paths: Vec<String>,
    /// Comma-separated buckets, or folders in them as `bucket/folder`, that a command may name as `s3://bucket/key`
    #[arg(long, env = "RUNNER_ALLOW_BUCKETS", default_value_t)]
    pub allow_buckets: AllowedBuckets,
    /// Comma-separated names of parameters whose object the program reads itself, as `/vsis3/bucket/key`; `*`: all
    #[arg(long, env = "RUNNER_S3_DIRECT", value_delimiter = ',')]
    pub s3_direct: Vec<String>,
    /// Comma-separated names of parameters whose object is fetched alone, without what belongs to it
    #[arg(long, env = "RUNNER_S3_ALONE", value_delimiter = ',')]
    pub s3_alone: Vec<String>,
    /// Folder on local disk for files from S3 and to it
    #[arg(long, env = "RUNNER_SCRATCH")]
    pub scratch: Option<PathBuf>,
    /// Largest use of that folder, in bytes
    #[arg(long, env = "RUNNER_SCRATCH_LIMIT_BYTES", default_value_t = 100_000_000_000)]
    pub scratch_limit_bytes: u64,
    /// Calls that run at the same time; one more is answered with 429
    #[arg(long, env = "RUNNER_MAX_RUNS", default_value = "1")]
    pub max_runs: NonZeroUsize,
    /// Requests that wait for a run which another request started; one more is answered with 409
    #[arg(long, env = "RUNNER_MAX_WAITERS", default_value_t = 16)]
    pub max_waiters: usize,
    /// Largest request body, in bytes
    #[arg(long, env = "RUNNER_BODY_LIMIT_BYTES", default_value_t = 1 << 20)]
    pub body_limit_bytes: usize,
    /// The last bytes of a program's output that the report holds
    #[arg(long, env = "RUNNER_LOG_TAIL_BYTES", default_value_t = 4096)]
    pub log_tail_bytes: usize,
    /// Comma-separated texts in a program's output that mean failure in spite of exit code 0
    #[arg(
        long,
        env = "RUNNER_FAILURE_TEXT",
        value_delimiter = ',',
        default_value = "is not a valid DEM directory,Cannot open geoid file"
    )]
    pub failure_text: Vec<String>,
    /// Comma-separated texts in the output of a program that failed which mean that it ran out of memory
    #[arg(
        long,
        env = "RUNNER_OUT_OF_MEMORY_TEXT",
        value_delimiter = ',',
        default_value = "std::bad_alloc,Failed to allocate memory for image,ERROR 2:,Out of memory,out of memory,\
                         Cannot allocate memory,MemoryError,memory allocation of"
    )]
    pub out_of_memory_text: Vec<String>,
    /// How often the bridge is told how far a program is, at most, where it asks for that
    #[arg(long, env = "RUNNER_PROGRESS_EVERY", value_parser = parse_duration, default_value = "1s")]
    pub progress_every: Duration,
    /// Folder of cgroup v2 in which each run gets a group of its own; by default the runner's own group
    #[arg(long, env = "RUNNER_CGROUP")]
    pub cgroup: Option<PathBuf>,
    /// Time between SIGTERM and SIGKILL when a program is ended
    #[arg(long, env = "RUNNER_GRACE", value_parser = parse_duration, default_value = "10s")]
    pub grace: Duration,
    /// How long a result is kept after its call's deadline: at least until the callback's token has expired
    #[arg(long, env = "RUNNER_KEEP", value_parser = parse_duration, default_value = "24h")]
    pub keep: Duration,
    /// How long the mark of a call that was cancelled before it came is kept
    #[arg(long, env = "RUNNER_KEEP_TOMBSTONES", value_parser = parse_duration, default_value = "8d")]
    pub keep_tombstones: Duration,
    /// How often the owner of a running call shows that it is alive
    #[arg(long, env = "RUNNER_BEAT", value_parser = parse_duration, default_value = "15s")]
    pub beat: Duration,
    /// An owner that showed no sign of life for so long is dead, and its call may be run again
    #[arg(long, env = "RUNNER_DEAD_AFTER", value_parser = parse_duration, default_value = "2m")]
    pub dead_after: Duration,
    /// An owner that could not show that it is alive for so long ends its program
    #[arg(long, env = "RUNNER_GIVE_UP_AFTER", value_parser = parse_duration, default_value = "1m")]
    pub give_up_after: Duration,
    /// How often a waiting request looks at the state directory
    #[arg(long, env = "RUNNER_POLL", value_parser = parse_duration, default_value = "1s")]
    pub poll: Duration,
}

/// Checked settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// As given.
    pub given: Arguments,
    /// The function's keys; `None`: everything is accepted and nothing is signed.
    pub keys: Option<KeyRing>,
    /// What `s3://` means.
    pub s3: S3Settings,
}

/// Everything that is wrong with the settings, a line each.
#[derive(Debug)]
pub struct SettingsError(Vec<String>);

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for SettingsError {}

impl Arguments {
    /// Checks all settings and reads the keys.
    pub fn check(mut self) -> Result<Settings, SettingsError> {
        self.allow.retain(|name| !name.is_empty());
        self.failure_text.retain(|text| !text.is_empty());
        self.out_of_memory_text.retain(|text| !text.is_empty());
        let mut mistakes = Vec::new();
        if !is_function_name(&self.function) {
            mistakes.push(format!(
                "RUNNER_FUNCTION: `{}` is not a function's name: a-z, 0-9, `-` and `_`, and `.namespace` where there is one",
                self.function
            ));
        }
        if self.program.is_none() && self.allow.is_empty() {
            mistakes.push("RUNNER_ALLOW: name the programs that calls may run, or set RUNNER_PROGRAM".to_owned());
        }
        let times =
            [("RUNNER_BEAT", self.beat), ("RUNNER_POLL", self.poll), ("RUNNER_PROGRESS_EVERY", self.progress_every)];
        for (name, value) in times {
            if value.is_zero() {
                mistakes.push(format!("{name}: must be longer than 0"));
            }
        }
        if !(self.beat < self.give_up_after && self.give_up_after < self.dead_after) {
            mistakes.push(format!(
                "RUNNER_BEAT ({:?}), RUNNER_GIVE_UP_AFTER ({:?}), RUNNER_DEAD_AFTER ({:?}): each must be shorter than \
                 the next, else a call could run twice at the same time",
                self.beat, self.give_up_after, self.dead_after
            ));
        }
        if self.scratch.is_none() && !self.allow_buckets.is_empty() {
            mistakes
                .push("RUNNER_SCRATCH: name a folder on local disk for the files of RUNNER_ALLOW_BUCKETS".to_owned());
        }
        let keys = if self.insecure { Ok(None) } else { self.read_keys().map(Some) };
        match keys {
            Ok(keys) if mistakes.is_empty() => Ok(Settings { s3: self.s3(), given: self, keys }),
            Ok(_) => Err(SettingsError(mistakes)),
            Err(mistake) => {
                mistakes.push(mistake);
                Err(SettingsError(mistakes))
            }
        }
    }

    fn s3(&self) -> S3Settings {
        S3Settings {
            allow_buckets: self.allow_buckets.clone(),
            direct: self.s3_direct.clone(),
            alone: self.s3_alone.clone(),
            scratch: self.scratch.as_ref().map(|scratch| scratch.join(&self.function)),
            scratch_limit_bytes: self.scratch_limit_bytes,
        }
    }

    fn read_keys(&self) -> Result<KeyRing, String> {
        let text = fs::read_to_string(&self.key_file).map_err(|error| {
            let path = self.key_file.display();
            let hint = if error.kind() == io::ErrorKind::NotFound { "; mount the function's secret there" } else { "" };
            format!("RUNNER_KEY_FILE: `{path}` cannot be read: {error}{hint}")
        })?;
        KeyRing::parse(&text).map_err(|error| format!("RUNNER_KEY_FILE: `{}`: {error}", self.key_file.display()))
    }
}

/// `[a-z0-9_-]+`, and perhaps a dot and a namespace. It is a folder's name, too.
fn is_function_name(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    let label = |l: &str| !l.is_empty() && l.bytes().all(legal);
    name.split('.').count() <= 2 && name.split('.').all(label)
}

/// A number and `ms`, `s`, `m`, `h` or `d`.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let expected = || format!("`{text}` is not a time; write a whole number and ms, s, m, h or d, such as 10s");
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit_ms: u64 = match unit.trim() {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(expected()),
    };
    let number: u64 = number.parse().map_err(|_| expected())?;
    number.checked_mul(unit_ms).map(Duration::from_millis).ok_or_else(expected)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_told_at_once() {
        let words = ["runner", "--function", "../x", "--state-dir", "/s", "--beat", "3m", "--key-file", "/nowhere"];
        let told = Arguments::try_parse_from(words).unwrap().check().unwrap_err().to_string();
        for name in ["RUNNER_FUNCTION", "RUNNER_ALLOW", "RUNNER_DEAD_AFTER", "RUNNER_KEY_FILE"] {
            assert!(told.contains(name), "{name} in {told}");
        }
    }

    #[test]
    fn a_time_has_a_number_and_a_unit() {
        assert_eq!(parse_duration("8d"), Ok(Duration::from_secs(8 * 86_400)));
        assert_eq!(parse_duration("20ms"), Ok(Duration::from_millis(20)));
        for text in ["", "5", "s", "-1s", "1.5h", "99999999999999999d"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
