//! cgroup v2: a group for each run where one can be made, and what the runner's own group says.
//!
//! Of a run's memory the page cache is left out: the kernel gives it back when memory gets scarce, and a program that
//! reads large files fills any limit with it, so `memory.peak` says little.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// How long the kernel may take to end what is left of a run.
const LAST_PROCESSES: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What this runner may use of the groups.
#[derive(Debug, Clone, Default)]
pub struct Cgroups {
    root: PathBuf,
    /// The runner's own group, where the root is that of cgroup v2.
    own: Option<PathBuf>,
    /// Where runs get their groups.
    runs: Option<PathBuf>,
}

impl Cgroups {
    /// Below `root` (`/sys/fs/cgroup`), for a process whose `/proc/self/cgroup` is `membership`; runs get their groups
    /// in `runs`, else in the process's own.
    pub fn find(root: &Path, membership: &str, runs: Option<PathBuf>) -> Self {
        let path = membership.lines().find_map(|line| line.strip_prefix("0::"));
        let is_v2 = root.join("cgroup.controllers").exists();
        let own = path.filter(|_| is_v2).map(|path| below(root, path));
        Self { root: root.to_owned(), runs: runs.or_else(|| own.clone()), own }
    }

    /// The least limit of the own group and those above it, in bytes.
    pub fn memory_limit_bytes(&self) -> Option<u64> {
        let groups = self.own.as_deref()?.ancestors().take_while(|group| group.starts_with(&self.root));
        groups.filter_map(|group| number(&group.join("memory.max"))).min()
    }

    /// How many processes the kernel has killed in the own group for lack of memory.
    pub fn oom_kills(&self) -> u64 {
        self.own.as_deref().and_then(oom_kills).unwrap_or(0)
    }

    /// Makes a group for a run; `None` where that is not possible, as in most containers. What a dead runner has left
    /// in a group of that name is ended.
    pub async fn for_run(&self, name: &str) -> Option<RunGroup> {
        let group = RunGroup { folder: self.runs.as_ref()?.join(name) };
        let made = match fs::create_dir(&group.folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                group.kill();
                group.remove().await;
                fs::create_dir(&group.folder)
            }
            made => made,
        };
        made.inspect_err(|error| tracing::debug!(%error, ?group, "no cgroup for this run: using /proc")).ok()?;
        Some(group)
    }
}

/// One run's group.
#[derive(Debug)]
pub struct RunGroup {
    folder: PathBuf,
}

impl RunGroup {
    /// The group.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// CPU time of all that ever ran in it.
    pub fn cpu(&self) -> Option<Duration> {
        entry(&self.folder.join("cpu.stat"), "usage_usec").map(Duration::from_micros)
    }

    /// Its memory now without page cache, in bytes; `None` without the memory controller.
    pub fn memory_bytes(&self) -> Option<u64> {
        let current = number(&self.folder.join("memory.current"))?;
        let stat = self.folder.join("memory.stat");
        // Shared memory counts as file pages, but cannot be given back.
        let cache = entry(&stat, "file")?.saturating_sub(entry(&stat, "shmem").unwrap_or(0));
        Some(current.saturating_sub(cache))
    }

    /// How many of its processes the kernel has killed for lack of memory; `None` without the memory controller.
    pub fn oom_kills(&self) -> Option<u64> {
        oom_kills(&self.folder)
    }

    /// Ends what is left in it, sessions of their own too.
    pub fn kill(&self) {
        if let Err(error) = fs::write(self.folder.join("cgroup.kill"), "1") {
            tracing::warn!(%error, group = ?self.folder, "what is left of the run could not be ended");
        }
    }

    /// Removes it once all that was killed in it has ended.
    pub async fn remove(&self) {
        let give_up_at = Instant::now() + LAST_PROCESSES;
        while let Err(error) = fs::remove_dir(&self.folder) {
            if error.kind() != io::ErrorKind::ResourceBusy || Instant::now() > give_up_at {
                return tracing::warn!(%error, group = ?self.folder, "the run's cgroup stays behind");
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

/// The memory limit of a cgroup v1, in bytes.
pub fn v1_memory_limit_bytes(root: &Path, membership: &str) -> Option<u64> {
    let path = membership.lines().find_map(|line| line.split_once(":memory:"))?.1;
    // Without a limit it is a number close to what fits, in whole pages.
    number(&below(&root.join("memory"), path).join("memory.limit_in_bytes")).filter(|limit| *limit < 1 << 60)
}

/// A container sees its own group as the root, but may be told its path on the host.
fn below(root: &Path, path: &str) -> PathBuf {
    let own = root.join(path.trim_start_matches('/'));
    if own.is_dir() { own } else { root.to_owned() }
}

fn oom_kills(group: &Path) -> Option<u64> {
    entry(&group.join("memory.events"), "oom_kill")
}

fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// A line `NAME NUMBER`.
fn entry(file: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn folder(files: &[(&str, &str)]) -> TempDir {
        let root = TempDir::new().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        root
    }

    #[tokio::test]
    async fn a_run_has_a_group_below_our_own() {
        let root = folder(&[("cgroup.controllers", ""), ("pod/a/cgroup.procs", "")]);
        let run = Cgroups::find(root.path(), "1:name=systemd:/x\n0::/pod/a\n", None).for_run("run").await.unwrap();
        assert_eq!(run.folder(), root.path().join("pod/a/run"));
        assert_eq!((run.memory_bytes(), run.cpu(), run.oom_kills()), (None, None, None));
        for (file, content) in [
            ("memory.current", "900\n"),
            ("memory.stat", "anon 300\nfile 500\nfile_mapped 7\nshmem 40\n"),
            ("cpu.stat", "usage_usec 1500000\nuser_usec 1\n"),
            ("memory.events", "low 0\noom 3\noom_kill 2\noom_group_kill 0\n"),
        ] {
            fs::write(run.folder().join(file), content).unwrap();
        }
        assert_eq!(run.memory_bytes(), Some(440));
        assert_eq!((run.cpu(), run.oom_kills()), (Some(Duration::from_millis(1500)), Some(2)));
        run.kill();
        assert_eq!(fs::read_to_string(run.folder().join("cgroup.kill")).unwrap(), "1");
    }

    #[test]
    fn the_least_limit_on_the_way_up_counts() {
        let files = [
            ("cgroup.controllers", ""),
            ("memory.max", "max\n"),
            ("pod/memory.max", "1000\n"),
            ("pod/a/memory.max", "2000\n"),
            ("pod/a/memory.events", "oom_kill 5\n"),
        ];
        let root = folder(&files);
        let own = Cgroups::find(root.path(), "0::/pod/a\n", None);
        assert_eq!((own.memory_limit_bytes(), own.oom_kills()), (Some(1000), 5));
        let elsewhere = Cgroups::find(root.path(), "0::/kubepods/x\n", None);
        assert_eq!((elsewhere.memory_limit_bytes(), elsewhere.oom_kills()), (None, 0));
    }

    #[tokio::test]
    async fn without_cgroup_v2_there_is_no_group_and_the_limit_of_v1_counts() {
        let root = folder(&[
            ("memory/pod/memory.limit_in_bytes", "5000\n"),
            ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ]);
        let none = Cgroups::find(root.path(), "4:memory:/pod\n0::/\n", None);
        assert_eq!((none.memory_limit_bytes(), none.oom_kills()), (None, 0));
        assert!(none.for_run("run").await.is_none());
        assert_eq!(v1_memory_limit_bytes(root.path(), "4:memory:/pod\n0::/\n"), Some(5000));
        assert_eq!(v1_memory_limit_bytes(root.path(), "4:memory:/other\n"), None);
    }
}
