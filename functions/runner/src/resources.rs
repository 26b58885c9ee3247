//! What the environment tells a program of the memory and cores that it may use.

use crate::cgroup::{Cgroups, v1_memory_limit_bytes};
use std::{num::NonZeroUsize, path::Path, thread::available_parallelism};
use zeebe2faas_contract::Resources;

/// OTB exceeds its hint by its inputs, its threads and some 200 MiB of its own.
const OTB_PART: u64 = 3;
const GDAL_CACHE_PART: u64 = 16;
/// GDAL takes a larger number for bytes.
const MAX_GDAL_CACHE_MIB: u64 = 99_999;

/// What the container has.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    /// Its memory limit, in bytes.
    pub memory_bytes: Option<u64>,
    /// Its cores, with regard to its CPU limit.
    pub cores: u32,
    /// Runs that may share it.
    pub runs: NonZeroUsize,
}

impl Machine {
    /// Looks at the limits below `/sys/fs/cgroup`.
    pub fn look(cgroups: &Cgroups, root: &Path, membership: &str, runs: NonZeroUsize) -> Self {
        let memory_bytes = cgroups.memory_limit_bytes().or_else(|| v1_memory_limit_bytes(root, membership));
        let cores = available_parallelism().map_or(1, NonZeroUsize::get);
        Self { memory_bytes, cores: u32::try_from(cores).unwrap_or(u32::MAX), runs }
    }

    /// Variables for the program. What the template says wins over what the runner's own environment sets
    /// (`is_set`), which wins over what follows from the container's limits.
    pub fn environment(&self, said: Resources, is_set: impl Fn(&str) -> bool) -> Vec<(&'static str, String)> {
        let mut variables = Vec::new();
        let mut add = |name, value: u64, said: bool| {
            if said || !is_set(name) {
                variables.push((name, value.to_string()));
            }
        };
        let limit = self.memory_bytes.unwrap_or(u64::MAX);
        let share = self.memory_bytes.map(|bytes| bytes / self.runs.get() as u64);
        if let Some(bytes) = said.memory_bytes.map(|bytes| bytes.min(limit)).or(share) {
            let (mib, said) = (bytes >> 20, said.memory_bytes.is_some());
            add("OTB_MAX_RAM_HINT", (mib / OTB_PART).max(1), said);
            add("GDAL_CACHEMAX", (mib / GDAL_CACHE_PART).clamp(1, MAX_GDAL_CACHE_MIB), said);
        }
        let cores = said.cores.map_or(self.cores, |cores| cores.clamp(1, self.cores)).into();
        add("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", cores, said.cores.is_some());
        if said.cores.is_some() {
            add("GDAL_NUM_THREADS", cores, true);
        }
        variables
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn environment(memory_bytes: Option<u64>, said: (Option<u64>, Option<u32>), set: &[&str]) -> String {
        let machine = Machine { memory_bytes, cores: 4, runs: NonZeroUsize::new(2).unwrap() };
        let said = Resources { memory_bytes: said.0, cores: said.1 };
        let names = [("OTB_MAX_RAM_HINT", "otb"), ("GDAL_CACHEMAX", "cache"), ("GDAL_NUM_THREADS", "gdal")];
        let variables = machine.environment(said, |name| set.contains(&name));
        let short = |(name, value): &(&str, String)| {
            let name = names.iter().find(|(long, _)| long == name).map_or("itk", |(_, short)| short);
            format!("{name}={value}")
        };
        variables.iter().map(short).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_the_template_says_counts_up_to_the_containers_limits() {
        assert_eq!(environment(None, (Some(12 * GIB), Some(3)), &[]), "otb=4096 cache=768 itk=3 gdal=3");
        assert_eq!(environment(Some(6 * GIB), (Some(12 * GIB), Some(64)), &[]), "otb=2048 cache=384 itk=4 gdal=4");
        assert_eq!(environment(None, (Some(5), Some(0)), &[]), "otb=1 cache=1 itk=1 gdal=1");
        assert_eq!(environment(None, (Some(u64::MAX), None), &[]).split(' ').nth(1), Some("cache=99999"));
    }

    #[test]
    fn without_a_word_runs_share_the_containers_limit() {
        assert_eq!(environment(Some(12 * GIB), (None, None), &[]), "otb=2048 cache=384 itk=4");
        assert_eq!(environment(None, (None, None), &[]), "itk=4");
    }

    #[test]
    fn the_template_wins_over_the_runners_environment_which_wins_over_the_limits() {
        let set = ["OTB_MAX_RAM_HINT", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"];
        assert_eq!(environment(Some(12 * GIB), (None, None), &set), "cache=384");
        assert_eq!(environment(Some(12 * GIB), (Some(3 * GIB), Some(2)), &set), "otb=1024 cache=192 itk=2 gdal=2");
    }
}
