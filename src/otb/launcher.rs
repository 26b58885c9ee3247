//! Asks OTB's own launcher, which loads an application and has it describe itself.

use super::{Application, help};
use std::{path::Path, process::Stdio, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Command,
};

/// How long an application may take to describe itself.
const PATIENCE: Duration = Duration::from_secs(60);
/// Most that it may say, in bytes.
const LIMIT: u64 = 4 << 20;

/// Why an application could not be described.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It did not start.
    #[error("{program} cannot be started: {error}; install OTB (Debian: otb-bin), or name it with --otbcli")]
    Missing {
        /// Of the launcher.
        program: String,
        /// Why.
        error: std::io::Error,
    },
    /// It did not end.
    #[error("{program} {application}: no answer within {} s", PATIENCE.as_secs())]
    Slow {
        /// Of the launcher.
        program: String,
        /// What was asked for.
        application: String,
    },
    /// Its answer was cut off.
    #[error("{program} {application}: its answer cannot be read: {error}")]
    Unreadable {
        /// Of the launcher.
        program: String,
        /// What was asked for.
        application: String,
        /// Why.
        error: std::io::Error,
    },
    /// It says something else.
    #[error("{application}: {reason}")]
    Unknown {
        /// What was asked for.
        application: String,
        /// What it says, or what is missing.
        reason: String,
    },
}

/// Has an application describe itself.
///
/// # Errors
/// When the launcher cannot be run, or does not know the application, or says something that cannot be read.
pub async fn describe(otbcli: &Path, name: &str) -> Result<Application, Error> {
    let unknown = |reason| Error::Unknown { application: name.to_owned(), reason };
    let listed = ask(otbcli, &[name, "-help"]).await?;
    let mut application = help::application(&listed).map_err(unknown)?;
    let keys: Vec<_> = application.parameters.iter().map(|parameter| parameter.key.as_str()).collect();
    let explained = ask(otbcli, &[&[name, "-help"], keys.as_slice()].concat()).await?;
    help::describe(&mut application, &explained).map_err(unknown)?;
    Ok(application)
}

/// The names of all applications that the launcher finds.
///
/// # Errors
/// When the launcher cannot be run, or finds none.
pub async fn applications(otbcli: &Path) -> Result<Vec<String>, Error> {
    // It lists them when it is asked for one that it does not have.
    let nobody = "Zeebe2faasListsApplications";
    let said = ask(otbcli, &[nobody, "-help"]).await?;
    let names = said.lines().skip_while(|line| !line.ends_with("Available modules:")).skip(1);
    let names: Vec<_> = names.map_while(|line| line.strip_prefix('\t')).map(|name| name.trim().to_owned()).collect();
    if names.is_empty() {
        let reason = format!("{} finds no applications; is OTB_APPLICATION_PATH right?", otbcli.display());
        return Err(Error::Unknown { application: "--all".to_owned(), reason });
    }
    Ok(names)
}

/// What the launcher says on stderr, where its help goes.
async fn ask(otbcli: &Path, args: &[&str]) -> Result<String, Error> {
    let program = || otbcli.display().to_string();
    let application = || args.first().copied().unwrap_or_default().to_owned();
    let mut command = Command::new(otbcli);
    command.args(args).env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn().map_err(|error| Error::Missing { program: program(), error })?;
    let answer = async {
        let said = match child.stderr.take() {
            Some(stderr) => read(stderr).await?,
            None => Vec::new(),
        };
        // Its exit code says nothing: help ends with 1.
        child.wait().await?;
        Ok(String::from_utf8_lossy(&said).into_owned())
    };
    let answer = tokio::time::timeout(PATIENCE, answer).await;
    let answer = answer.map_err(|_| Error::Slow { program: program(), application: application() })?;
    answer.map_err(|error| Error::Unreadable { program: program(), application: application(), error })
}

async fn read(stderr: impl AsyncRead + Unpin) -> std::io::Result<Vec<u8>> {
    let mut said = Vec::new();
    stderr.take(LIMIT).read_to_end(&mut said).await?;
    if said.len() as u64 == LIMIT {
        return Err(std::io::Error::other(format!("more than {LIMIT} bytes")));
    }
    Ok(said)
}
