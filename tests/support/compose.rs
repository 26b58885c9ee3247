//! The services of `docker-compose.yml` as processes of this machine: each with the entry point, command, environment,
//! mounts and health check that a container would have, where paths and ports stand for the container's.

use crate::{binaries, process::Gentle, soon};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tempfile::TempDir;
use tokio::process::Command;

/// A running service is asked for its health so often, at least.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// What containers call the folders of this project.
const BAKED: [(&str, &str); 2] = [("/etc/zeebe2faas/templates", "templates"), ("/etc/zeebe2faas/bpmn", "bpmn")];
/// Files whose text names paths and addresses of containers.
const FILES: [(&str, &str); 2] =
    [("/etc/zeebe2faas/zeebe2faas.toml", "docker/zeebe2faas.toml"), ("/etc/zeebe2faas/stack.yml", "stack.yml")];
const VOLUMES: [(&str, &str); 5] = [
    ("/var/openfaas/secrets", "secrets"),
    ("/run/secrets", "secrets"),
    ("/var/lib/zeebe2faas", "ledger"),
    ("/state", "state"),
    ("/data", "data"),
];

/// The services and what stands for their surroundings. Dropped, what runs is asked to end.
pub struct Compose {
    checked: Value,
    folder: TempDir,
    names: Vec<(String, String)>,
    running: BTreeMap<String, Gentle>,
}

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the project's folder")
}

/// What `make` has built of tests/compose.
fn checker() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"))).expect("a home");
    cache.join("zeebe2faas/tools/bin/compose-check")
}

impl Compose {
    /// The file as Compose understands it, with a Zeebe at `HOST:PORT`.
    pub async fn new(zeebe: &str) -> Self {
        let mut command = Command::new(checker());
        let output = soon(command.arg(project()).output()).await.expect("`make compose-check` has built it");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let checked = serde_json::from_slice(&output.stdout).expect("JSON");
        let folder = TempDir::new().expect("a folder");
        let here = |name: &str| folder.path().join(name).display().to_string();
        let mut names = Vec::new();
        for (path, name) in BAKED {
            names.push((path.to_owned(), project().join(name).display().to_string()));
        }
        for (path, name) in FILES {
            names.push((
                path.to_owned(),
                here(Path::new(name).file_name().and_then(|name| name.to_str()).expect("a name")),
            ));
        }
        for (path, name) in VOLUMES {
            fs::create_dir_all(folder.path().join(name)).expect("a folder");
            names.push((path.to_owned(), here(name)));
        }
        names.push(("zeebe:26500".to_owned(), zeebe.to_owned()));
        for (addresses, port) in [
            (["functions:8080", "0.0.0.0:8080", "127.0.0.1:8080"], free_port()),
            (["bridge:8090", "0.0.0.0:8090", "127.0.0.1:8090"], free_port()),
            (["bridge:8091", "0.0.0.0:8091", "127.0.0.1:8091"], free_port()),
        ] {
            names.extend(addresses.map(|address| (address.to_owned(), format!("127.0.0.1:{port}"))));
        }
        let compose = Self { checked, folder, names, running: BTreeMap::new() };
        for (path, name) in FILES {
            let text = fs::read_to_string(project().join(name)).expect("a file of the project");
            fs::write(compose.here(path), compose.here(&text)).expect("a file");
        }
        compose
    }

    /// A text in which every path and address of the containers is one of this machine.
    pub fn here(&self, text: &str) -> String {
        // What was put in is not looked at again: a temporary folder may lie below /data or the like.
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while !rest.is_empty() {
            let found = self.names.iter().find(|(name, _)| rest.starts_with(name.as_str()));
            let taken = match found {
                Some((name, here)) => {
                    out.push_str(here);
                    name.len()
                }
                None => {
                    let next = rest.chars().next().map_or(1, char::len_utf8);
                    out.push_str(&rest[..next]);
                    next
                }
            };
            rest = &rest[taken..];
        }
        out
    }

    /// The services, each behind what it depends on.
    pub fn in_order(&self) -> Vec<String> {
        let services = self.checked["services"].as_object().expect("services");
        let mut order: Vec<String> = Vec::new();
        while order.len() < services.len() {
            let ready = services.iter().find(|(name, service)| {
                let needs = service["depends_on"].as_object();
                !order.contains(name) && needs.is_none_or(|needs| needs.keys().all(|need| order.contains(need)))
            });
            order.push(ready.expect("no service waits for itself").0.clone());
        }
        order
    }

    /// Whether the image is one of ours, and the service not only of a profile.
    pub fn is_ours(&self, service: &str) -> bool {
        let service = &self.checked["services"][service];
        service["build"].is_object() && service["profiles"].as_array().is_none_or(Vec::is_empty)
    }

    /// Whether it runs once, to its end.
    pub fn is_once(&self, service: &str) -> bool {
        self.checked["services"][service]["restart"] == "no"
    }

    fn image(&self, service: &str) -> &Value {
        let target = self.checked["services"][service]["build"]["target"].as_str().expect("a target");
        &self.checked["images"][target]
    }

    /// A command with the environment that the container would have.
    fn command(&self, service: &str, words: &[String]) -> Command {
        let (program, arguments) = words.split_first().expect("a program");
        let mut command = Command::new(if program.contains('/') { program.into() } else { binaries().join(program) });
        command.args(arguments).env_clear().current_dir(self.folder.path());
        command.env("PATH", format!("{}:{}", binaries().display(), std::env::var("PATH").expect("a path")));
        for variables in [&self.image(service)["environment"], &self.checked["services"][service]["environment"]] {
            for (name, value) in variables.as_object().into_iter().flatten() {
                command.env(name, self.here(value.as_str().unwrap_or_default()));
            }
        }
        // It is 0.0.0.0:8090 without being said.
        command.env("ZEEBE2FAAS_CALLBACK_LISTEN", self.here("0.0.0.0:8090"));
        command.stdin(Stdio::null());
        command
    }

    fn words(&self, value: &Value) -> Option<Vec<String>> {
        let words = value.as_array()?.iter().filter_map(Value::as_str);
        Some(words.map(|word| self.here(word)).collect())
    }

    /// Entry point and command: the service's own, else the image's.
    fn start(&self, service: &str) -> Command {
        let (own, image) = (&self.checked["services"][service], self.image(service));
        let mut words = self.words(&own["entrypoint"]).or_else(|| self.words(&image["entrypoint"])).expect("a program");
        let arguments = match own["entrypoint"].is_null() {
            true => self.words(&own["command"]).or_else(|| self.words(&image["command"])),
            false => self.words(&own["command"]),
        };
        words.extend(arguments.unwrap_or_default());
        self.command(service, &words)
    }

    /// Runs it to its end.
    pub async fn run(&self, service: &str) -> ExitStatus {
        soon(self.start(service).status()).await.expect("its program is there")
    }

    /// Starts it, and waits until its health check is good.
    pub async fn up(&mut self, service: &str) {
        let mut child = Gentle::new(self.start(service).spawn().expect("its program is there"));
        let check = self.words(&self.image(service)["health"]).expect("a health check");
        assert_eq!(check[0], "CMD", "{check:?}");
        soon(async {
            while !self.command(service, &check[1..]).output().await.expect("it is there").status.success() {
                assert!(!child.has_ended(), "{service} ended");
                tokio::time::sleep(LOOK_EVERY).await;
            }
        })
        .await;
        self.running.insert(service.to_owned(), child);
    }

    /// Ends it as `docker compose down` does.
    pub async fn down(&mut self, service: &str) -> ExitStatus {
        self.running.remove(service).expect("it runs").end().await
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}
