//! The ledger's disk: local, with room, and quick to write through.

use super::Finding;
use crate::ledger::Ledger;
use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
    time::{Duration, Instant},
};

/// Below this the disk is as good as full, and below that it will be soon; in bytes.
const LEAST_FREE: u64 = 20 << 20;
const GOOD_FREE: u64 = 500 << 20;
/// Each outcome waits for one write-through.
const SLOW_SYNC: Duration = Duration::from_millis(50);
/// Write-throughs that are measured; their median counts.
const SYNCS: usize = 9;
/// What each of them writes, in bytes: a page of the ledger.
const PAGE: [u8; 4096] = [0; 4096];

pub(super) fn check(path: &Path) -> Vec<Finding> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut findings = vec![file(path)];
    if !folder.exists() {
        let why = format!("{} is not there; the bridge makes it at its start", folder.display());
        findings.push(Finding::skipped("ledger's disk", why));
        return findings;
    }
    findings.push(room(folder));
    findings.push(match sync_time(folder) {
        Ok(time) => speed(time),
        Err(error) => {
            let advice = "the bridge must be able to write there (ledger.path)";
            Finding::failed("ledger's fsync", format!("{}: {error}", folder.display()), advice)
        }
    });
    findings
}

fn file(path: &Path) -> Finding {
    if !path.exists() {
        return Finding::ok("ledger", format!("{} is made at the first start", path.display()));
    }
    match Ledger::examine(path) {
        Ok(()) => Finding::ok("ledger", format!("{} is whole", path.display())),
        Err(error) => Finding::failed("ledger", error.to_string(), "the bridge would not start"),
    }
}

fn room(folder: &Path) -> Finding {
    let (name, place) = ("ledger's disk", folder.display());
    match Ledger::network_file_system(folder) {
        Ok(None) => {}
        Ok(Some(kind)) => {
            let words = format!("{place} lies on {kind}, where a commit is not safe");
            return Finding::failed(name, words, "use a local volume (ledger.path)");
        }
        Err(error) => return Finding::failed(name, error.to_string(), "check ledger.path"),
    }
    let Ok(status) = rustix::fs::statvfs(folder) else {
        return Finding::skipped(name, format!("{place} does not tell its free space"));
    };
    let free = status.f_bavail.saturating_mul(status.f_frsize);
    let words = format!("{place} is local, {} MB free", free / 1_000_000);
    match free {
        free if free < LEAST_FREE => Finding::failed(name, words, "make room: the ledger takes no new calls"),
        free if free < GOOD_FREE => Finding::warning(name, words, "make room"),
        _ => Finding::ok(name, words),
    }
}

fn speed(time: Duration) -> Finding {
    let words = format!("{:.1} ms", time.as_secs_f64() * 1000.0);
    if time > SLOW_SYNC {
        let advice = "put ledger.path on a faster disk: each batch of calls and callbacks waits for one";
        return Finding::warning("ledger's fsync", words, advice);
    }
    Finding::ok("ledger's fsync", words)
}

/// The median time of a write-through of one page, in a file that is removed again.
fn sync_time(folder: &Path) -> io::Result<Duration> {
    let path = folder.join(format!(".zeebe2faas-doctor-{}", std::process::id()));
    let mut file = File::options().write(true).create_new(true).open(&path)?;
    let measured: io::Result<Vec<Duration>> = (0..SYNCS)
        .map(|_| {
            let begun = Instant::now();
            file.write_all(&PAGE)?;
            file.sync_data()?;
            Ok(begun.elapsed())
        })
        .collect();
    fs::remove_file(&path)?;
    let mut times = measured?;
    times.sort();
    Ok(times[SYNCS / 2])
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::{super::State, *};

    #[test]
    fn the_measurement_leaves_nothing_behind_and_a_slow_disk_is_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        assert!(sync_time(folder.path()).unwrap() > Duration::ZERO);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert_eq!(speed(Duration::from_millis(51)).state, State::Warning);
        assert_eq!(speed(Duration::from_millis(49)).state, State::Ok);
    }

    #[test]
    fn a_ledger_that_the_bridge_would_refuse_is_found_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        fs::write(&path, "text".repeat(1000)).unwrap();
        assert_eq!(check(&path)[0].state, State::Failed);
        assert_eq!(fs::read_to_string(&path).unwrap(), "text".repeat(1000));
        assert_eq!(check(&folder.path().join("other"))[0].state, State::Ok);
    }
}
