//! The machine that numbers were taken on, and what they were taken of.

use std::{fs, process::Command};

const BUILD: &str = if cfg!(debug_assertions) { "debug" } else { "release" };

/// Name and value of each fact; a fact that cannot be found out is said to be unknown.
pub fn facts() -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("Date", jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string()),
        (
            "Project",
            known(
                output("git", &["describe", "--always", "--dirty"])
                    .map(|commit| format!("zeebe2faas {}, commit {commit}, {BUILD} build", env!("CARGO_PKG_VERSION"))),
            ),
        ),
        ("Zeebe", crate::broker::VERSION.to_owned()),
        ("Rust", known(output("rustc", &["--version"]))),
    ];
    facts.extend(hardware());
    facts.push(("Load before", known(load())));
    facts
}

/// Of the machine alone.
pub fn hardware() -> [(&'static str, String); 3] {
    [
        ("Processor", known(processor())),
        ("Memory", known(memory())),
        ("Kernel", known(fs::read_to_string("/proc/sys/kernel/osrelease").ok())),
    ]
}

fn known(fact: Option<String>) -> String {
    fact.map_or_else(|| "unknown".to_owned(), |fact| fact.trim().to_owned())
}

fn output(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
}

fn processor() -> Option<String> {
    let cores = std::thread::available_parallelism().ok()?;
    let info = fs::read_to_string("/proc/cpuinfo").ok()?;
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'))?.1.trim();
    Some(format!("{model}, {cores} cores"))
}

fn memory() -> Option<String> {
    let info = fs::read_to_string("/proc/meminfo").ok()?;
    let kib = info.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"))?;
    Some(format!("{:.0} GiB", kib.parse::<f64>().ok()? / f64::from(1 << 20)))
}

/// How many processes wanted to run in the last minute: others on the machine make the numbers worse.
fn load() -> Option<String> {
    Some(fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.to_owned())
}
