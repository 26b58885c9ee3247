//! Objects in place of files: what a command names as `s3://bucket/key` is fetched before the program starts, or read by
//! it through GDAL's `/vsis3/`, and what it wrote is uploaded when it has succeeded.
//!
//! [`location`] is one object, [`plan`] finds them in a command, [`access`] looks for credentials, [`scratch`] is the
//! room on disk, [`fetch`] and [`upload`] move the bytes, and [`calls`] does all that for one call.

pub mod access;
pub mod calls;
pub mod fetch;
pub mod location;
pub mod plan;
pub mod scratch;
pub mod upload;

use location::AllowedBuckets;
use std::path::PathBuf;
use zeebe2faas_contract::CallId;

/// Bytes of a part, downwards and upwards; S3 takes none smaller than 5 MiB, but for an object's last.
pub const PART_BYTES: u64 = 8 << 20;
/// Parts on their way at the same time, in one call.
pub const PARTS_AT_ONCE: usize = 4;

/// What a function may do in S3, and how.
#[derive(Debug, Clone, Default)]
pub struct S3Settings {
    /// What commands may name; none: `s3://` means nothing here.
    pub allow_buckets: AllowedBuckets,
    /// Parameters whose object the program reads itself; `*`: all.
    pub direct: Vec<String>,
    /// Parameters whose object comes without what belongs to it.
    pub alone: Vec<String>,
    /// This runner's own folder for files on their way.
    pub scratch: Option<PathBuf>,
    /// How much may lie there.
    pub scratch_limit_bytes: u64,
}

impl S3Settings {
    /// The folder of one call.
    pub fn call_folder(&self, id: &CallId) -> PathBuf {
        self.scratch.clone().unwrap_or_default().join(format!("{}{id}", scratch::PREFIX))
    }
}

/// Why objects could not be moved.
#[derive(Debug, thiserror::Error)]
pub enum S3Error {
    /// S3 said no, or nothing.
    #[error("cannot {what} `{location}`: {why}")]
    Object {
        /// What was to be done.
        what: &'static str,
        /// With what.
        location: String,
        /// Why not, and what to do.
        why: String,
    },
    /// Credentials, region or endpoint.
    #[error("S3 cannot be used: {0}")]
    Access(String),
    /// A file or folder of scratch.
    #[error("cannot {what} `{}` in scratch: {error}; check RUNNER_SCRATCH and the space there", path.display())]
    File {
        /// What was to be done.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// Too little room.
    #[error(
        "scratch is full: {needed} bytes are needed, {used} of {limit} are in use; raise RUNNER_SCRATCH_LIMIT_BYTES, or lower RUNNER_MAX_RUNS"
    )]
    Full {
        /// By this call.
        needed: u64,
        /// By it and others.
        used: u64,
        /// The limit.
        limit: u64,
    },
    /// A folder with too many objects.
    #[error("`{location}` has more than {limit} objects: name a smaller folder")]
    TooMany {
        /// The folder.
        location: String,
        /// The most.
        limit: usize,
    },
    /// The call ended meanwhile.
    #[error("the call has ended meanwhile")]
    Stopped,
}

/// The reason in a sentence, without the request's whole story.
pub fn explain(error: &object_store::Error) -> String {
    use object_store::Error;
    let code = |text: &str| Some(text.split_once("<Code>")?.1.split_once("</Code>")?.0.to_owned());
    let mut last = error.to_string();
    let mut code_found = code(&last);
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        last = inner.to_string();
        code_found = code_found.or_else(|| code(&last));
        source = inner.source();
    }
    let code = code_found.map(|code| format!(" ({code})")).unwrap_or_default();
    match error {
        Error::NotFound { .. } => format!("it does not exist{code}"),
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
            format!("S3 refuses the credentials{code}; check the runner's AWS_* variables and the bucket's policy")
        }
        Error::Precondition { .. } => "it has changed meanwhile".to_owned(),
        _ => format!("{}{code}", last.lines().next().unwrap_or_default()),
    }
}
