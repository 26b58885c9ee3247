//! Real OTB that runs out of memory: by its address space, when it gets none and says so; by the kernel's memory
//! controller, which kills it.

use serde_json::{Value, json};
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use zeebe2faas_tests::{
    crash::{Calling, Setup, Site, guarded, stack},
    soon,
};

const ENVIRONMENT: [(&str, &str); 3] = [
    ("RUNNER_PROGRAM", "little-otb"),
    ("OTB_APPLICATION_PATH", "/usr/lib/x86_64-linux-gnu/otb/applications:/usr/lib/aarch64-linux-gnu/otb/applications"),
    // OTB may hang when it gets no memory for a thread.
    ("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "1"),
];
/// In one block, this needs a gigabyte for the input alone.
const CMDLINE: &str = "BandMathX -il {{ folder }}/input.vrt -exp im1*2 -ram 100000 -out {{ folder }}/output.tif";
/// Four bands of nothing, of which no pixel lies on the disk.
const INPUT: &str = r#"<VRTDataset rasterXSize="8000" rasterYSize="8000">
<VRTRasterBand dataType="Byte" band="1" /><VRTRasterBand dataType="Byte" band="2" />
<VRTRasterBand dataType="Byte" band="3" /><VRTRasterBand dataType="Byte" band="4" />
</VRTDataset>"#;
/// OTB itself needs less.
const ADDRESS_SPACE_BYTES: u64 = 600_000_000;
const GROUP_LIMIT_BYTES: u64 = 200_000_000;

/// The outcome in BPMN of a call of this program, which starts OTB with less memory than it needs.
async fn outcome(name: &'static str, little_otb: &str) -> Value {
    let setup = Setup {
        stack: stack(&[guarded("otbcli", "BandMathX", &ENVIRONMENT)]),
        programs: &[("little-otb", little_otb)],
        configuration: "functions.otbcli.run_once = true",
        processes: vec![Calling::with(name, &[("function", "otbcli"), ("cmdline", CMDLINE)]).file()],
    };
    let site = Site::with(name, setup).await;
    fs::write(site.folder().join("input.vrt"), INPUT).unwrap();
    let _bridge = site.bridge().await;
    let mut variables = soon(site.instance("big")).await.unwrap();
    assert!(!site.folder().join("output.tif").exists());
    variables["call"].take()
}

fn is_out_of_memory(outcome: &Value, why: &str) {
    assert_eq!((&outcome["status"], &outcome["outOfMemory"]), (&json!("failed"), &json!(true)), "{outcome:#}");
    let message = outcome["message"].as_str().unwrap();
    for part in
        ["otbcli: BandMathX ", why, "; raise the function's memory limit, or lower the program's need (it used "]
    {
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[tokio::test]
async fn otb_that_gets_no_memory_and_says_so_is_out_of_memory() {
    let program =
        format!("#!/bin/sh\nexec prlimit --as={ADDRESS_SPACE_BYTES} otbApplicationLauncherCommandLine \"$@\"\n");
    let outcome = outcome("oom-told", &program).await;
    is_out_of_memory(&outcome, "ran out of memory after ");
    let message = outcome["message"].as_str().unwrap();
    assert!(message.contains("(FATAL) BandMathX: "), "OTB's own words: {message}");
    assert_eq!(outcome["exitCode"], 1, "{outcome:#}");
}

#[tokio::test]
async fn otb_that_the_kernel_kills_at_its_memory_limit_is_out_of_memory() {
    let group = Group::make("zeebe2faas-test-oom");
    let procs = group.0.join("cgroup.procs");
    let program =
        format!("#!/bin/sh\necho $$ > {} || exit 2\nexec otbApplicationLauncherCommandLine \"$@\"\n", procs.display());
    let outcome = outcome("oom-killed", &program).await;
    is_out_of_memory(&outcome, "was killed (SIGKILL) after ");
    assert_eq!(outcome["signal"], "SIGKILL", "{outcome:#}");
}

/// A group of the kernel's memory controller, with a limit. Dropped, it goes.
struct Group(PathBuf);

impl Group {
    /// In the first place where one can be made, of cgroup v1 or v2: the test's own group, one above it.
    fn make(name: &str) -> Self {
        let membership = fs::read_to_string("/proc/self/cgroup").unwrap();
        let mut refusals = Vec::new();
        for (root, is_ours, limits) in [
            ("/sys/fs/cgroup/memory", ":memory:", ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"]),
            ("/sys/fs/cgroup", "0::", ["memory.max", "memory.swap.max"]),
        ] {
            let path = membership.lines().find_map(|line| Some(line.split_once(is_ours)?.1.trim_start_matches('/')));
            let own = Path::new(root).join(path.unwrap_or_default());
            for parent in own.ancestors().take_while(|parent| parent.starts_with(root)) {
                match Self::make_in(parent, &format!("{name}-{}", std::process::id()), limits) {
                    Ok(group) => return group,
                    Err(error) => refusals.push(format!("{}: {error}", parent.display())),
                }
            }
        }
        panic!(
            "this test needs a cgroup with a memory limit; run it as root (in a container: --privileged \
             --cgroupns=host), or leave it out with `-- --skip the_kernel_kills`:\n  {}",
            refusals.join("\n  ")
        );
    }

    fn make_in(parent: &Path, name: &str, [memory, swap]: [&str; 2]) -> io::Result<Self> {
        if !parent.join("cgroup.procs").exists() {
            return Err(io::Error::other("no cgroups here"));
        }
        let group = Self(parent.join(name));
        fs::create_dir(&group.0)?;
        for file in [memory, swap] {
            // Without swap accounting there is no such file.
            if file == memory || group.0.join(file).exists() {
                fs::write(group.0.join(file), GROUP_LIMIT_BYTES.to_string())?;
            }
        }
        // Who may not move a process into it has no use of it.
        let mut mover = std::process::Command::new("sh");
        let moved = mover.arg("-c").arg("echo $$ > \"$0\"/cgroup.procs").arg(&group.0).output()?;
        if moved.status.success() {
            Ok(group)
        } else {
            Err(io::Error::other(String::from_utf8_lossy(&moved.stderr).trim()))
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // It is empty, or was never made.
        let _ = fs::remove_dir(&self.0);
    }
}
