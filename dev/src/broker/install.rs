use super::{BrokerError, VERSION, io_error};
use std::{
    env, io,
    path::{Path, PathBuf},
};
use tokio::process::Command;

/// The folder of the unpacked broker; fetched and unpacked when it is not there.
pub async fn distribution() -> Result<PathBuf, BrokerError> {
    let cache = cache()?;
    let folder = cache.join(format!("zeebe-{VERSION}"));
    if !folder.exists() {
        let archive = archive().await?;
        std::fs::create_dir_all(&cache).map_err(io_error("make the folder", &cache))?;
        unpack(&archive, &folder, &cache).await?;
    }
    Ok(folder)
}

/// Where downloads are kept: `$XDG_CACHE_HOME/zeebe2faas`, or `~/.cache/zeebe2faas`.
pub fn cache() -> Result<PathBuf, BrokerError> {
    let folder = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
    Ok(cache.ok_or(BrokerError::NoHome)?.join("zeebe2faas"))
}

/// The broker's archive in the local Maven repository; Maven fetches it when it is not there.
async fn archive() -> Result<PathBuf, BrokerError> {
    let home = env::var_os("HOME").map(PathBuf::from).ok_or(BrokerError::NoHome)?;
    let repository = home.join(".m2/repository");
    let archive = repository.join(format!("io/camunda/camunda-zeebe/{VERSION}/camunda-zeebe-{VERSION}.tar.gz"));
    if archive.exists() {
        return Ok(archive);
    }
    tracing::info!("fetching the Zeebe {VERSION} broker with Maven into ~/.m2 (300 MB, once)");
    let arguments = [
        // Quiet, never asking, and failing when a checksum is wrong.
        "-q".to_owned(),
        "-B".to_owned(),
        "-C".to_owned(),
        "dependency:get".to_owned(),
        format!("-Dartifact=io.camunda:camunda-zeebe:{VERSION}:tar.gz"),
        "-Dtransitive=false".to_owned(),
        format!("-Dmaven.repo.local={}", repository.display()),
    ];
    let output = Command::new("mvn").args(&arguments).output().await.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => BrokerError::NoMaven,
        _ => io_error("run", Path::new("mvn"))(error),
    })?;
    if output.status.success() && archive.exists() {
        return Ok(archive);
    }
    let command = format!("mvn {}", arguments.join(" "));
    Err(BrokerError::Maven { command, status: output.status, output: text(&output) })
}

/// Unpacks beside the folder and renames: it is there as a whole or not at all, also when two do this at once.
async fn unpack(archive: &Path, folder: &Path, cache: &Path) -> Result<(), BrokerError> {
    tracing::info!("unpacking the Zeebe broker into {}", folder.display());
    let partial =
        tempfile::Builder::new().prefix(".zeebe-").tempdir_in(cache).map_err(io_error("make a folder in", cache))?;
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(archive).arg("--strip-components=1").arg("-C").arg(partial.path());
    let output = tar.output().await.map_err(io_error("run", Path::new("tar")))?;
    if !output.status.success() {
        let (status, output) = (output.status, text(&output));
        return Err(BrokerError::Unpack { archive: archive.to_owned(), status, output });
    }
    match std::fs::rename(partial.path(), folder) {
        Err(_) if folder.exists() => Ok(()),
        renamed => renamed.map_err(io_error("make", folder)),
    }
}

fn text(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).trim().to_owned()
}
