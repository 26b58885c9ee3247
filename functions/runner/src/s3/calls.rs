//! S3 for the calls of this runner: what comes before a run, and what comes after.

use super::{
    S3Error, S3Settings,
    access::Access,
    fetch::{blocking, fetch},
    plan::Transfers,
    scratch::{Scratch, Watch},
    upload::upload,
};
use crate::{
    clock::Deadline,
    run::{Halt, Halter},
};
use std::{env, fs, io, sync::Arc};
use tokio::time::sleep;

/// Scratch, and the way to S3.
#[derive(Debug)]
pub struct S3 {
    scratch: Arc<Scratch>,
}

/// Why inputs are not there, or outputs not visible.
#[derive(Debug)]
pub enum Unmoved {
    /// Something failed.
    Failed(S3Error),
    /// The deadline passed.
    Late,
    /// Somebody ended the run.
    Halted(Halt),
}

impl S3 {
    /// Opens scratch where buckets are allowed, and makes sure that credentials can be looked for. Blocks.
    pub fn open(settings: &S3Settings) -> io::Result<Option<Self>> {
        let Some(root) = settings.scratch.as_ref().filter(|_| !settings.allow_buckets.is_empty()) else {
            return Ok(None);
        };
        let scratch = Scratch::open(root, settings.scratch_limit_bytes).map_err(|error| {
            io::Error::new(error.kind(), format!("RUNNER_SCRATCH: `{}` cannot be used: {error}", root.display()))
        })?;
        let access = access().map_err(io::Error::other)?;
        for bucket in settings.allow_buckets.buckets() {
            access.store(bucket, super::access::Patience::Short).map_err(io::Error::other)?;
        }
        Ok(Some(Self { scratch: Arc::new(scratch) }))
    }

    /// Brings a call's inputs to scratch. While the answer lives, a run that fills scratch is ended.
    pub async fn before(
        &self,
        transfers: &Transfers,
        deadline: Deadline,
        halter: &Halter,
    ) -> Result<Option<Watch>, Unmoved> {
        if transfers.is_empty() {
            return Ok(None);
        }
        let fetched = async { fetch(transfers, &access()?, &self.scratch).await };
        tokio::select! {
            fetched = fetched => {
                let bytes = fetched.map_err(Unmoved::Failed)?;
                tracing::info!(bytes, scratch = %transfers.scratch.display(), "inputs are there");
            }
            () = sleep(deadline.remaining()) => return Err(Unmoved::Late),
            halt = halter.halted() => return Err(Unmoved::Halted(halt)),
        }
        let halter = halter.clone();
        Ok(Some(self.scratch.watch(move || halter.halt(Halt::ScratchFull))))
    }

    /// Makes objects of a call's outputs and returns their locations.
    pub async fn after(
        &self,
        transfers: &Transfers,
        deadline: Deadline,
        halter: &Halter,
    ) -> Result<Vec<String>, Unmoved> {
        let may_go_on = || halter.reason().is_none() && !deadline.passed();
        let uploaded = async { upload(transfers, &access()?, may_go_on).await }.await;
        uploaded.map_err(|error| match (error, halter.reason()) {
            (S3Error::Stopped, Some(halt)) => Unmoved::Halted(halt),
            (S3Error::Stopped, None) => Unmoved::Late,
            (error, _) => Unmoved::Failed(error),
        })
    }

    /// Empties a call's folder.
    pub async fn discard(&self, transfers: &Transfers) -> Result<(), S3Error> {
        let folder = transfers.scratch.clone();
        blocking(move || match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(S3Error::File { what: "remove", path: folder, error })
            }
            _ => Ok(()),
        })
        .await
    }
}

/// Variables for a program that reads objects itself.
pub fn gdal_environment(is_set: impl Fn(&str) -> bool) -> Result<Vec<(&'static str, String)>, S3Error> {
    Ok(access()?.gdal_environment(is_set))
}

/// Looked for anew each time: files and tokens are replaced while the runner runs.
fn access() -> Result<Access, S3Error> {
    Access::find(env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))))
}
