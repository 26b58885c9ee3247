//! Inputs: which objects a command needs, and how they come to scratch, in parts side by side.

use super::{
    PART_BYTES, PARTS_AT_ONCE, S3Error,
    access::{Access, Patience},
    explain,
    location::Location,
    plan::{Input, Transfers},
    scratch::Scratch,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, aws::AmazonS3, path::Path as Key};
use std::{
    collections::HashMap,
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::task::spawn_blocking;

/// Objects that one input may stand for.
const MAX_OBJECTS: usize = 10_000;
/// What may belong to `image.tif`: as `image.tif.ovr`, and as `image.geom`.
const BESIDE: [&str; 5] = [".aux.xml", ".ovr", ".msk", ".geom", ".rpc"];
const IN_PLACE_OF_EXTENSION: [&str; 7] = [".geom", ".tfw", ".prj", ".hdr", ".rpb", ".RPB", ".IMD"];

/// One object on its way.
struct Fetch {
    store: Arc<AmazonS3>,
    location: Location,
    meta: ObjectMeta,
    to: PathBuf,
}

/// Copies all inputs to scratch and returns how many bytes that were. What the program reads itself must be there.
pub async fn fetch(transfers: &Transfers, access: &Access, scratch: &Arc<Scratch>) -> Result<u64, S3Error> {
    let mut stores = HashMap::new();
    let mut fetches = Vec::new();
    for input in &transfers.inputs {
        let bucket = &input.location.bucket;
        let store = match stores.get(bucket) {
            Some(store) => Arc::clone(store),
            None => Arc::new(access.store(bucket, Patience::Short)?),
        };
        stores.insert(bucket.clone(), Arc::clone(&store));
        fetches.extend(find(&store, input).await?);
    }
    let bytes = fetches.iter().map(|fetch| fetch.meta.size).sum();
    let checked = Arc::clone(scratch);
    blocking(move || checked.check(bytes)).await?;
    let mut parts = Vec::new();
    for fetch in fetches {
        make_file(fetch.to.clone()).await?;
        let fetch = Arc::new(fetch);
        let starts = (0..fetch.meta.size).step_by(PART_BYTES as usize);
        parts.extend(starts.map(|start| (Arc::clone(&fetch), start)));
    }
    let moved = stream::iter(parts).map(|(fetch, start)| fetch_part(fetch, start));
    moved.buffer_unordered(PARTS_AT_ONCE).try_collect::<()>().await?;
    Ok(bytes)
}

async fn find(store: &Arc<AmazonS3>, input: &Input) -> Result<Vec<Fetch>, S3Error> {
    let location = &input.location;
    let Some(folder) = &input.folder else {
        if !location.is_folder() {
            head(store, location).await?;
        }
        return Ok(Vec::new());
    };
    let to_fetch = |objects: Vec<(Location, ObjectMeta)>, below: &str, to: &Path| {
        let fetch = |(found, meta): (Location, ObjectMeta)| {
            let to = to.join(found.key.strip_prefix(below).unwrap_or(found.name()));
            Fetch { store: Arc::clone(store), location: found, meta, to }
        };
        objects.into_iter().map(fetch).collect()
    };
    if location.is_folder() {
        return Ok(to_fetch(list(store, location).await?, &location.key, &folder.join(location.name())));
    }
    let meta = head(store, location).await?;
    let is_product = location.name().to_ascii_lowercase().ends_with(".xml") && !location.folder().is_empty();
    let mut objects = match () {
        () if input.alone => Vec::new(),
        () if is_product => list(store, &location.with_key(location.folder().to_owned())).await?,
        () => side_cars(store, location).await?,
    };
    if !objects.iter().any(|(found, _)| found == location) {
        objects.push((location.clone(), meta));
    }
    Ok(to_fetch(objects, location.folder(), folder))
}

async fn head(store: &AmazonS3, location: &Location) -> Result<ObjectMeta, S3Error> {
    store.head(&key(location)?).await.map_err(|error| failed("read", location, &error))
}

/// Everything below a folder, but for the empty objects that some clients make in place of folders: without their last
/// `/` they have the names of folders here.
async fn list(store: &AmazonS3, folder: &Location) -> Result<Vec<(Location, ObjectMeta)>, S3Error> {
    let mut objects = Vec::new();
    let mut found = store.list(Some(&key(folder)?));
    while let Some(meta) = found.try_next().await.map_err(|error| failed("list", folder, &error))? {
        let location = folder.with_key(meta.location.to_string());
        if !location.key.starts_with(&folder.key) {
            continue;
        }
        let is_below_last = |(last, meta): &mut (Location, ObjectMeta)| {
            meta.size == 0 && location.key.strip_prefix(&last.key).is_some_and(|rest| rest.starts_with('/'))
        };
        objects.pop_if(is_below_last);
        // A key from the bucket must not lead out of scratch, either.
        let checked = location.to_string().parse::<Location>();
        let why = |why| S3Error::Object { what: "read", location: location.to_string(), why };
        objects.push((checked.map_err(why)?, meta));
        if objects.len() > MAX_OBJECTS {
            return Err(S3Error::TooMany { location: folder.to_string(), limit: MAX_OBJECTS });
        }
    }
    if objects.is_empty() {
        let why = "there is nothing below it".to_owned();
        return Err(S3Error::Object { what: "read", location: folder.to_string(), why });
    }
    Ok(objects)
}

/// Files that belong to one and are named like it. They are listed, as a question for each would take longer.
async fn side_cars(store: &AmazonS3, location: &Location) -> Result<Vec<(Location, ObjectMeta)>, S3Error> {
    let name = location.name();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let like =
        |stem: &str, endings: &[&str]| endings.iter().map(|ending| format!("{stem}{ending}")).collect::<Vec<_>>();
    let mut wanted = like(name, &BESIDE);
    wanted.extend(like(stem, &IN_PLACE_OF_EXTENSION));
    let folder = location.folder();
    let (prefix, offset) = (Key::parse(folder), Key::parse(format!("{folder}{stem}")));
    let invalid = |error: object_store::path::Error| S3Error::Object {
        what: "read",
        location: location.to_string(),
        why: error.to_string(),
    };
    let (prefix, offset) = (prefix.map_err(invalid)?, offset.map_err(invalid)?);
    let mut found = store.list_with_offset((!folder.is_empty()).then_some(&prefix), &offset);
    let mut objects = Vec::new();
    while let Some(meta) = found.try_next().await.map_err(|error| failed("list what belongs to", location, &error))? {
        let key = meta.location.to_string();
        let rest = key.strip_prefix(folder).unwrap_or_default();
        // Keys come in order.
        if !rest.starts_with(stem) {
            break;
        }
        if wanted.iter().any(|name| name == rest) {
            objects.push((location.with_key(key), meta));
        }
    }
    Ok(objects)
}

/// It is opened again for each part: there may be more files than a process can hold open.
async fn make_file(path: PathBuf) -> Result<(), S3Error> {
    blocking(move || {
        let made = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| File::create_new(&path));
        made.map(drop).map_err(|error| S3Error::File { what: "make", path, error })
    })
    .await
}

async fn fetch_part(fetch: Arc<Fetch>, start: u64) -> Result<(), S3Error> {
    let range = start..(start + PART_BYTES).min(fetch.meta.size);
    let length = range.end - range.start;
    // An object that is replaced meanwhile must not become half of each.
    let options = GetOptions {
        range: Some(GetRange::Bounded(range)),
        if_match: fetch.meta.e_tag.clone(),
        ..GetOptions::default()
    };
    let got = async { fetch.store.get_opts(&fetch.meta.location, options).await?.bytes().await }.await;
    let bytes = got.map_err(|error| failed("read", &fetch.location, &error))?;
    if bytes.len() as u64 != length {
        let why = format!("{} bytes came instead of {length}", bytes.len());
        return Err(S3Error::Object { what: "read", location: fetch.location.to_string(), why });
    }
    blocking(move || {
        let file = File::options().write(true).open(&fetch.to);
        let written = file.and_then(|file| file.write_all_at(&bytes, start));
        written.map_err(|error| S3Error::File { what: "write", path: fetch.to.clone(), error })
    })
    .await
}

/// The key as the client wants it, which checks it once more.
pub(super) fn key(location: &Location) -> Result<Key, S3Error> {
    let why = |error: object_store::path::Error| error.to_string();
    let refused = |why| S3Error::Object { what: "name", location: location.to_string(), why };
    Key::parse(&location.key).map_err(|error| refused(why(error)))
}

pub(super) fn failed(what: &'static str, location: &Location, error: &object_store::Error) -> S3Error {
    S3Error::Object { what, location: location.to_string(), why: explain(error) }
}

/// On a thread that may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, S3Error> + Send + 'static,
) -> Result<T, S3Error> {
    let broken = |error| S3Error::File { what: "work", path: PathBuf::new(), error: io::Error::other(error) };
    spawn_blocking(work).await.map_err(broken)?
}
