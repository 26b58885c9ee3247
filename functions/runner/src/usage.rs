//! Memory and CPU time of a run: from its cgroup where it has one, else of its process group from `/proc`.
//!
//! Memory from `/proc`: the sum of the members' peak resident sizes (`VmHWM`) at each sample, and the largest of these sums. CPU:
//! the sum of the members' own times and those of the children that they waited for. At the end the kernel's account
//! of the main process (wait4) comes in: exact CPU time of it and of all that it waited for, the exact peak of the
//! largest of them. So a peak of several processes together is missed only between two samples.

use crate::cgroup::{Cgroups, RunGroup};
use std::{fs, time::Duration};
use wait4::ResourceUsage;

/// What a run used so far.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// Resident memory when it was last looked at, in bytes.
    pub memory_bytes: u64,
    /// Largest sum of resident memory, in bytes.
    pub peak_memory_bytes: u64,
    /// CPU time, in seconds.
    pub cpu_seconds: f64,
}

impl Usage {
    /// Looks at all processes whose group is `group`. A process that vanishes meanwhile is left out.
    fn sample(&mut self, group: i32) {
        let Ok(entries) = fs::read_dir("/proc") else { return };
        let (mut peak_bytes, mut cpu_ticks) = (0, 0);
        self.memory_bytes = 0;
        for entry in entries.flatten() {
            let path = entry.path();
            let Some(ticks) = fs::read_to_string(path.join("stat")).ok().and_then(|stat| ticks(&stat, group)) else {
                continue;
            };
            cpu_ticks += ticks;
            let status = fs::read_to_string(path.join("status")).unwrap_or_default();
            self.memory_bytes += bytes_of(&status, "VmRSS:");
            peak_bytes += bytes_of(&status, "VmHWM:");
        }
        let cpu_ms = cpu_ticks * 1000 / rustix::param::clock_ticks_per_second();
        self.raise(peak_bytes, Duration::from_millis(cpu_ms));
    }

    /// Takes what another source says, where it is more.
    fn raise(&mut self, peak_bytes: u64, cpu: Duration) {
        self.peak_memory_bytes = self.peak_memory_bytes.max(peak_bytes);
        self.cpu_seconds = self.cpu_seconds.max(cpu.as_secs_f64());
    }
}

/// Measures one run.
#[derive(Debug)]
pub struct Meter {
    usage: Usage,
    group: Option<RunGroup>,
    cgroups: Cgroups,
    /// Of the runner's own group, before the run.
    oom_kills_before: u64,
}

impl Meter {
    /// Makes the run's cgroup, where that is possible.
    pub async fn new(cgroups: &Cgroups, name: &str) -> Self {
        let group = cgroups.for_run(name).await;
        Self { usage: Usage::default(), group, cgroups: cgroups.clone(), oom_kills_before: cgroups.oom_kills() }
    }

    /// The run's cgroup.
    pub fn group(&self) -> Option<&RunGroup> {
        self.group.as_ref()
    }

    /// Looks at the run, whose process group is `process_group`.
    pub fn sample(&mut self, process_group: i32) -> Usage {
        let of_group = self.group.as_ref().map(|group| (group.memory_bytes(), group.cpu()));
        if let Some((_, Some(cpu))) = of_group {
            self.usage.raise(0, cpu);
        }
        match of_group {
            Some((Some(bytes), _)) => {
                self.usage.memory_bytes = bytes;
                self.usage.raise(bytes, Duration::ZERO);
            }
            _ => self.usage.sample(process_group),
        }
        self.usage
    }

    /// The run is not in its cgroup: it did not start, or could not join.
    pub async fn leave_group(&mut self) {
        if let Some(group) = self.group.take() {
            group.kill();
            group.remove().await;
        }
    }

    /// Takes in the kernel's account of the main process, ends what is left of the run, and says what it used and how
    /// many processes were killed for lack of memory: of the run, else of all that the container runs.
    pub async fn finish(mut self, account: &ResourceUsage) -> (Usage, u64) {
        self.usage.raise(account.maxrss, account.utime + account.stime);
        self.usage.memory_bytes = 0;
        let Some(group) = self.group else {
            return (self.usage, self.cgroups.oom_kills().saturating_sub(self.oom_kills_before));
        };
        group.kill();
        self.usage.raise(0, group.cpu().unwrap_or_default());
        let oom_kills =
            group.oom_kills().unwrap_or_else(|| self.cgroups.oom_kills().saturating_sub(self.oom_kills_before));
        group.remove().await;
        (self.usage, oom_kills)
    }
}

/// utime + stime + cutime + cstime of proc(5), if the process is in the group.
fn ticks(stat: &str, group: i32) -> Option<u64> {
    // The command's name stands in parentheses and may hold anything, blanks and parentheses too.
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    if fields.get(2)?.parse() != Ok(group) {
        return None;
    }
    fields.get(11..15)?.iter().map(|ticks| ticks.parse::<u64>().ok()).sum()
}

/// A line of `/proc/PID/status` in kB; a zombie has none.
fn bytes_of(status: &str, name: &str) -> u64 {
    let kib = status.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix("kB")?.trim().parse().ok());
    kib.unwrap_or(0u64).saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_name_with_blanks_and_parentheses_does_not_shift_the_fields() {
        let stat = "42 (a) b) (c) S 1 77 77 0 -1 4194560 1 2 3 4 10 20 300 4000 20 0 1 0 99 1 1";
        assert_eq!(ticks(stat, 77), Some(4330));
        assert_eq!(ticks(stat, 42), None);
    }
}
