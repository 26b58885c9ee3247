//! Memory and CPU time of a process group, from `/proc`.
//!
//! Memory: the sum of the members' peak resident sizes (`VmHWM`) at each sample, and the largest of these sums. CPU:
//! the sum of the members' own times and those of the children that they waited for; the last sample is taken while
//! the main process is a zombie, whose times are final, so it is exact unless a process leaves its parent.

use std::{fs, path::Path};

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
        self.peak_memory_bytes = self.peak_memory_bytes.max(memory_bytes);
        #[expect(clippy::cast_precision_loss, reason = "2^52 ticks are a million years")]
        let cpu_seconds = cpu_ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
        self.cpu_seconds = self.cpu_seconds.max(cpu_seconds);
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
