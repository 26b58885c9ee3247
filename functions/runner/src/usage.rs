//! Memory and CPU time of a process group, from `/proc`.
//!
//! Memory: the sum of the members' peak resident sizes (`VmHWM`) at each sample, and the largest of these sums. CPU:
//! the sum of the members' own times and those of the children that they waited for. At the end the kernel's account
//! of the main process (wait4) comes in: exact CPU time of it and of all that it waited for, the exact peak of the
//! largest of them. So a peak of several processes together is missed only between two samples.

use std::{fs, path::Path, time::Duration};

/// What a process group used so far.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// Largest sum of resident memory, in bytes.
    pub peak_memory_bytes: u64,
    /// CPU time, in seconds.
    pub cpu_seconds: f64,
}

impl Usage {
    /// Looks at all processes whose group is `group`. A process that vanishes meanwhile is left out.
    pub fn sample(&mut self, group: i32) {
        let Ok(entries) = fs::read_dir("/proc") else { return };
        let (mut memory_bytes, mut cpu_ticks) = (0, 0);
        for entry in entries.flatten() {
            let path = entry.path();
            let Some(ticks) = fs::read_to_string(path.join("stat")).ok().and_then(|stat| ticks(&stat, group)) else {
                continue;
            };
            cpu_ticks += ticks;
            memory_bytes += peak_memory_bytes(&path);
        }
        let cpu_ms = cpu_ticks * 1000 / rustix::param::clock_ticks_per_second();
        self.raise(memory_bytes, Duration::from_millis(cpu_ms));
    }

    /// Takes what another source says, where it is more.
    pub fn raise(&mut self, memory_bytes: u64, cpu: Duration) {
        self.peak_memory_bytes = self.peak_memory_bytes.max(memory_bytes);
        self.cpu_seconds = self.cpu_seconds.max(cpu.as_secs_f64());
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

/// `VmHWM`; a zombie has none.
fn peak_memory_bytes(process: &Path) -> u64 {
    let status = fs::read_to_string(process.join("status")).unwrap_or_default();
    let kib =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse().ok());
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
