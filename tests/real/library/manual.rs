//! `docs/library.md`, done as it says: `zeebe2faas-dev up` with every process, and each started with its example.

use super::write_image;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};
use zeebe2faas_tests::{binaries, soon};

const MANUAL: &str = include_str!("../../../docs/library.md");
const PROJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const ANY: &str = "127.0.0.1:0";

/// Each process of the manual, with the variables of its example.
fn examples() -> Vec<(&'static str, &'static str)> {
    let sections = MANUAL.split("\n## ").skip(1);
    let example = |section: &'static str| {
        let (process, text) = section.split_once('\n').unwrap();
        let start = format!("\n    zeebe2faas start {process} --vars @vars.json --wait\n\n```json\n");
        (process, text.split_once(&start).unwrap().1.split_once("```").unwrap().0)
    };
    sections.map(example).collect()
}

fn processes() -> Vec<PathBuf> {
    let files = fs::read_dir(Path::new(PROJECT).join("bpmn")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "bpmn")).collect()
}

/// The embedded stack in the project's folder; this is its standard output.
fn up(data: &Path) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut command = Command::new(binaries().join("zeebe2faas-dev"));
    let ports = ["--grpc", "--gateway", "--callback", "--admin"].into_iter().flat_map(|name| [name, ANY]);
    command.arg("up").args(ports).arg("--data").arg(data).args(processes()).current_dir(PROJECT);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

/// Waits for a line that begins so, and gives the rest of it.
async fn says(lines: &mut Lines<BufReader<ChildStdout>>, beginning: &str) -> String {
    soon(async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some(rest) = line.strip_prefix(beginning) {
                return rest.trim().to_owned();
            }
        }
        panic!("it ended before it said `{beginning}`");
    })
    .await
}

/// The outcome of the process's example, with the folder in the place of `/data`.
async fn outcome(zeebe: &str, folder: &Path, process: &str, example: &str) -> Value {
    fs::write(folder.join("vars.json"), example.replace("/data", folder.to_str().unwrap())).unwrap();
    let mut command = Command::new(binaries().join("zeebe2faas"));
    command.args(["start", process, "--vars", "@vars.json", "--wait", "--json"]).current_dir(folder);
    command.env("ZEEBE_ADDRESS", zeebe).stdin(Stdio::null());
    let output = soon(command.output()).await.unwrap();
    assert!(output.status.success(), "{process}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice::<Value>(&output.stdout).unwrap()["variables"]["outcome"].take()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_example_succeeds_on_the_embedded_stack() {
    let folder = TempDir::new().unwrap();
    write_image::<u16>(&folder.path().join("image.tif"), (1000, 800), 4, |at| (at % 4000) as u16);
    write_image::<u8>(&folder.path().join("rgb.tif"), (128, 128), 3, |at| (at / 128) as u8);
    let (mut child, mut lines) = up(folder.path());
    let zeebe = says(&mut lines, "Zeebe (gRPC)").await;
    says(&mut lines, "ready").await;

    let examples = examples();
    assert_eq!(examples.len(), 5);
    for (process, example) in examples {
        let outcome = outcome(&zeebe, folder.path(), process, example).await;
        assert_eq!(outcome["status"], json!("succeeded"), "{process}: {outcome:#}");
    }

    let pid = Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    assert!(soon(child.wait()).await.unwrap().success());
}
