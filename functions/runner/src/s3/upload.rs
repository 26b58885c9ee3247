//! Outputs: every part of every file goes up first, and only then does each object get its name, which S3 does whole or
//! not at all.

use super::{
    PART_BYTES, PARTS_AT_ONCE, S3Error,
    access::{Access, Patience},
    fetch::{blocking, failed, key},
    location::Location,
    plan::{Transfers, Upload},
    scratch::for_each_file,
};
use object_store::{MultipartUpload, ObjectStoreExt, aws::AmazonS3};
use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{task::JoinSet, time::timeout};

/// S3 takes no more parts for an object.
const MAX_PARTS: u64 = 10_000;
/// How often it is asked whether an upload may go on, at least.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// Longer nobody waits for parts to be removed.
const TAKE_BACK_WITHIN: Duration = Duration::from_secs(5);

/// A file, and what it becomes.
struct Outgoing {
    path: PathBuf,
    bytes: u64,
    location: Location,
    store: Arc<AmazonS3>,
}

/// What is not visible yet.
enum Pending {
    /// Small enough for one request.
    Whole(Outgoing),
    Parts(Outgoing, Box<dyn MultipartUpload>),
}

/// Uploads what stands in the outputs' folders, side-car files first and the named outputs last, and returns the
/// locations, outputs first. Before each step it asks whether it may go on.
///
/// # Errors
/// Whatever was not visible yet is taken back.
pub async fn upload(
    transfers: &Transfers,
    access: &Access,
    may_go_on: impl Fn() -> bool,
) -> Result<Vec<String>, S3Error> {
    let mut pending = Vec::new();
    let sent = send_all(transfers, access, &may_go_on, &mut pending).await;
    let mut names = Vec::new();
    let mut outcome = sent.map(|()| transfers.uploads.len());
    for upload in pending {
        let done = match &outcome {
            Ok(_) if !may_go_on() => Err(S3Error::Stopped),
            Ok(_) => upload.complete().await.map(|name| names.push(name)),
            Err(_) => {
                upload.abort().await;
                continue;
            }
        };
        outcome = outcome.and_then(|outputs| done.map(|()| outputs));
    }
    let outputs = outcome?.min(names.len());
    names.rotate_right(outputs);
    Ok(names)
}

async fn send_all(
    transfers: &Transfers,
    access: &Access,
    may_go_on: &impl Fn() -> bool,
    pending: &mut Vec<Pending>,
) -> Result<(), S3Error> {
    for file in files(transfers, access).await? {
        if file.bytes <= PART_BYTES {
            pending.push(Pending::Whole(file));
            continue;
        }
        let started = file.store.put_multipart(&key(&file.location)?).await;
        let mut upload = started.map_err(|error| failed("write", &file.location, &error))?;
        let sent = send_parts(&file, upload.as_mut(), may_go_on).await;
        pending.push(Pending::Parts(file, upload));
        sent?;
    }
    Ok(())
}

async fn send_parts(
    file: &Outgoing,
    upload: &mut dyn MultipartUpload,
    may_go_on: &impl Fn() -> bool,
) -> Result<(), S3Error> {
    let part_bytes = PART_BYTES.max(file.bytes.div_ceil(MAX_PARTS));
    let source = Arc::new(open(&file.path).await?);
    let mut parts = JoinSet::new();
    let mut start = 0;
    while start < file.bytes || !parts.is_empty() {
        if !may_go_on() {
            return Err(S3Error::Stopped);
        }
        if start < file.bytes && parts.len() < PARTS_AT_ONCE {
            let length = part_bytes.min(file.bytes - start);
            let bytes = read(Arc::clone(&source), file.path.clone(), start, length).await?;
            parts.spawn(upload.put_part(bytes.into()));
            start += length;
        } else if let Ok(Some(sent)) = timeout(ASK_EVERY, parts.join_next()).await {
            let broken =
                |error| S3Error::File { what: "send", path: file.path.clone(), error: io::Error::other(error) };
            sent.map_err(broken)?.map_err(|error| failed("write", &file.location, &error))?;
        }
    }
    Ok(())
}

impl Pending {
    async fn complete(self) -> Result<String, S3Error> {
        let (file, put) = match self {
            Self::Whole(file) => {
                let bytes = read(Arc::new(open(&file.path).await?), file.path.clone(), 0, file.bytes).await?;
                let put = file.store.put(&key(&file.location)?, bytes.into()).await;
                (file, put)
            }
            Self::Parts(file, mut upload) => {
                let put = upload.complete().await;
                if put.is_err() {
                    Self::take_back(&file, upload.as_mut()).await;
                }
                (file, put)
            }
        };
        put.map(|_| file.location.to_string()).map_err(|error| failed("write", &file.location, &error))
    }

    async fn abort(self) {
        if let Self::Parts(file, mut upload) = self {
            Self::take_back(&file, upload.as_mut()).await;
        }
    }

    async fn take_back(file: &Outgoing, upload: &mut dyn MultipartUpload) {
        let location = &file.location;
        match timeout(TAKE_BACK_WITHIN, upload.abort()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%location, %error, "parts stay in S3 until the bucket's life cycle ends"),
            Err(_) => tracing::warn!(%location, "parts stay in S3 until the bucket's life cycle ends: no answer"),
        }
    }
}

/// What stands in the outputs' folders, side-car files first.
async fn files(transfers: &Transfers, access: &Access) -> Result<Vec<Outgoing>, S3Error> {
    let uploads = transfers.uploads.clone();
    let found = blocking(move || find(&uploads)).await?;
    let mut outgoing: Vec<Outgoing> = Vec::new();
    for (path, bytes, location) in found {
        let same = outgoing.iter().find(|other| other.location.bucket == location.bucket);
        let store = match same {
            Some(other) => Arc::clone(&other.store),
            None => Arc::new(access.store(&location.bucket, Patience::Long)?),
        };
        outgoing.push(Outgoing { path, bytes, location, store });
    }
    Ok(outgoing)
}

fn find(uploads: &[Upload]) -> Result<Vec<(PathBuf, u64, Location)>, S3Error> {
    let is_output = |path: &Path| uploads.iter().position(|upload| path == upload.folder.join(upload.location.name()));
    let mut found = Vec::new();
    for (index, upload) in uploads.iter().enumerate() {
        // Outputs beside each other share a folder.
        if uploads[..index].iter().any(|earlier| earlier.folder == upload.folder) {
            continue;
        }
        let mut misnamed = None;
        for_each_file(&upload.folder, &mut |path, metadata| {
            let below = path.strip_prefix(&upload.folder).ok().and_then(Path::to_str);
            let location = below.map(|below| upload.location.with_key(format!("{}{below}", upload.location.folder())));
            match location.filter(|location| location.to_string().parse::<Location>().is_ok()) {
                Some(location) => found.push((path.to_owned(), metadata.len(), location)),
                None => misnamed = Some(path.to_owned()),
            }
        })?;
        if let Some(path) = misnamed {
            let error = io::Error::other("its name is no key for an object");
            return Err(S3Error::File { what: "upload", path, error });
        }
    }
    found.sort_by_cached_key(|(path, ..)| (is_output(path), path.clone()));
    Ok(found)
}

async fn open(path: &Path) -> Result<File, S3Error> {
    let path = path.to_owned();
    blocking(move || File::open(&path).map_err(|error| S3Error::File { what: "open", path, error })).await
}

async fn read(file: Arc<File>, path: PathBuf, start: u64, length: u64) -> Result<Vec<u8>, S3Error> {
    blocking(move || {
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        match file.read_exact_at(&mut bytes, start) {
            Ok(()) => Ok(bytes),
            Err(error) => Err(S3Error::File { what: "read", path, error }),
        }
    })
    .await
}
