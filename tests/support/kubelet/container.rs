//! A pod's first container as a process: its command, its environment, and its volumes as folders of this machine.

use super::{LOOK_EVERY, status};
use crate::{binaries, process::Gentle};
use k8s_openapi::api::core::v1::{Container as Spec, Pod, Secret, Volume};
use kube::Api;
use serde_json::Value;
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
};
use tempfile::TempDir;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

/// How much of a failed container's log a kubelet keeps in its status.
const LAST_WORDS_BYTES: usize = 2048;

/// It runs.
pub(super) struct Container {
    process: Gentle,
    folder: TempDir,
}

impl Container {
    /// Starts it once its Secrets are there, as a kubelet does.
    pub(super) async fn start(pod: &Pod, secrets: &Api<Secret>, claims: &Path) -> Self {
        let folder = TempDir::new().expect("a folder");
        let volumes = pod.spec.as_ref().and_then(|spec| spec.volumes.as_deref()).unwrap_or_default();
        let mut places = Vec::new();
        for volume in volumes {
            places.push((volume.name.clone(), place(volume, secrets, claims, folder.path()).await));
        }
        let spec = first(pod);
        let mounts = spec.volume_mounts.iter().flatten();
        let place = |name: &str| places.iter().find(|(volume, _)| volume == name).map(|(_, place)| place.clone());
        let mut mounts: Vec<(String, PathBuf)> =
            mounts.map(|mount| (mount.mount_path.clone(), place(&mount.name).expect("a volume"))).collect();
        // The deepest first.
        mounts.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        let here = |text: &str| {
            mounts.iter().fold(text.to_owned(), |text, (path, place)| text.replace(path, &place.to_string_lossy()))
        };
        let words: Vec<String> = spec.command.iter().chain(&spec.args).flatten().map(|word| here(word)).collect();
        let log = File::create(folder.path().join("log")).expect("a file");
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env_clear().env("PATH", format!("{}:{path}", binaries().display()));
        let variables = spec.env.iter().flatten();
        command.envs(variables.filter_map(|variable| Some((&variable.name, here(variable.value.as_ref()?)))));
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a file")).stderr(log);
        let child = command.spawn().expect("`cargo build --workspace --bins` has made the runner");
        Self { process: Gentle::new(child), folder }
    }

    /// Its end as the kubelet tells it: by itself, or because its pod ends.
    pub(super) async fn ended(&mut self, ending: &CancellationToken) -> Value {
        let exit = tokio::select! {
            exit = self.process.wait() => exit,
            () = ending.cancelled() => {
                self.process.ask();
                self.process.wait().await
            }
        };
        let (code, log) = (exit.code().unwrap_or(143), fs::read(self.folder.path().join("log")).unwrap_or_default());
        let log = String::from_utf8_lossy(&log).into_owned();
        let last_words = &log[log.floor_char_boundary(log.len().saturating_sub(LAST_WORDS_BYTES))..];
        match code {
            0 => status::ended(0, "Completed", ""),
            // `FallbackToLogsOnError`, which the bridge asks for.
            _ => status::ended(code, "Error", last_words),
        }
    }
}

async fn place(volume: &Volume, secrets: &Api<Secret>, claims: &Path, folder: &Path) -> PathBuf {
    let place = match &volume.persistent_volume_claim {
        Some(claim) => claims.join("claims").join(&claim.claim_name),
        None => folder.join("volumes").join(&volume.name),
    };
    fs::create_dir_all(&place).expect("a folder");
    if let Some(name) = volume.secret.as_ref().and_then(|secret| secret.secret_name.as_ref()) {
        let data = loop {
            match secrets.get(name).await {
                Ok(secret) => break secret.data.unwrap_or_default(),
                Err(_) => tokio::time::sleep(LOOK_EVERY).await,
            }
        };
        for (key, value) in data {
            fs::write(place.join(key), value.0).expect("a file");
        }
    }
    place
}

pub(super) fn first(pod: &Pod) -> &Spec {
    pod.spec.as_ref().and_then(|spec| spec.containers.first()).expect("a pod has a container")
}

pub(super) fn image(pod: &Pod) -> &str {
    first(pod).image.as_deref().unwrap_or_default()
}

/// In bytes, as the bridge writes it.
pub(super) fn memory_limit(pod: &Pod) -> Option<u64> {
    first(pod).resources.as_ref()?.limits.as_ref()?.get("memory")?.0.parse().ok()
}
