//! What the runner adds to the transfers from S3 and to it.

use super::{
    BenchError, io_error, no_figure,
    report::{Figure, Unit},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use object_store::{
    ObjectStoreExt,
    aws::{AmazonS3, AmazonS3Builder},
    buffered::BufWriter,
    path::Path as Key,
};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use s3s_fs::FileSystem;
use std::{
    io::{self, BufRead, BufReader},
    os::unix::fs::FileExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tempfile::TempDir;
use tokio::{
    fs::File,
    io::{AsyncWriteExt, copy},
    net::TcpListener,
    task::spawn_blocking,
};
use zeebe2faas_contract::{CALL_ID_HEADER, CallId, Invocation, Outcome, Report};

/// Size of the object that comes and goes.
pub const BYTES: u64 = 200_000_000;
/// How often it is measured, in turn.
pub const RUNS: u32 = 5;
const BOUND: f64 = 1.1;
const PART_BYTES: usize = 8 << 20;
const PARTS_AT_ONCE: usize = 4;
const PATIENCE: Duration = Duration::from_secs(600);
const BUCKET: &str = "bench";
const KEY: &str = "bench";
const SECRET: &str = "bench-secret";
const FUNCTION: &str = "bench";

/// The time of a call that moves an object and does nothing else, over that of the same transfers by a plain client.
pub async fn measure() -> Result<Vec<Figure>, BenchError> {
    // Where one is installed already, it is this one.
    drop(rustls::crypto::ring::default_provider().install_default());
    let folder = TempDir::new().map_err(io_error(&std::env::temp_dir()))?;
    let url = serve(folder.path())?;
    let object = folder.path().join("s3").join(BUCKET).join("in");
    std::fs::write(&object, vec![7; BYTES as usize]).map_err(io_error(&object))?;
    let runner = Runner::start(folder.path(), &url)?;
    let mut plain = Figure::new(format!("S3: {} MB in and out, by a plain client", BYTES / 1_000_000), Unit::Seconds);
    let mut call = Figure::new("… by a call of the runner", Unit::Seconds);
    let mut ratio = Figure::bounded("… over the plain client's, medians", Unit::Ratio, BOUND);
    for run in 0..RUNS {
        rustix::fs::sync();
        let begun = Instant::now();
        by_plain_client(&url, &folder.path().join("plain")).await?;
        plain.add(begun.elapsed().as_secs_f64());
        rustix::fs::sync();
        let begun = Instant::now();
        runner.call(i64::from(run)).await?;
        call.add(begun.elapsed().as_secs_f64());
    }
    if let (Some(call), Some(plain)) = (call.median(), plain.median()) {
        ratio.add(call / plain);
    }
    Ok(vec![plain, call, ratio])
}

/// An S3 server on threads of its own; it ends with this process.
fn serve(folder: &Path) -> Result<String, BenchError> {
    let root = folder.join("s3");
    std::fs::create_dir_all(root.join(BUCKET)).map_err(io_error(&root))?;
    let failed = |what| no_figure(&root, what);
    let mut service = S3ServiceBuilder::new(FileSystem::new(&root).map_err(|_| failed("a file system for objects"))?);
    service.set_auth(SimpleAuth::from_single(KEY, SECRET));
    let service = service.build();
    let any = Path::new("127.0.0.1:0");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(io_error(any))?;
    let url = format!("http://{}", listener.local_addr().map_err(io_error(any))?);
    listener.set_nonblocking(true).map_err(io_error(any))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(io_error(any))?;
    thread::spawn(move || {
        let served: io::Result<()> = runtime.block_on(async {
            let listener = TcpListener::from_std(listener)?;
            loop {
                let (socket, _) = listener.accept().await?;
                let service = service.clone();
                tokio::spawn(async move {
                    let server = Builder::new(TokioExecutor::new());
                    if let Err(error) = server.serve_connection(TokioIo::new(socket), service).await {
                        tracing::debug!(%error, "a connection to the S3 server ended");
                    }
                });
            }
        });
        tracing::error!(?served, "the S3 server has ended");
    });
    Ok(url)
}

/// The object to a file, and the file to another object, both in parts, as AWS's own tools do it.
async fn by_plain_client(url: &str, path: &Path) -> Result<(), BenchError> {
    let moved = async {
        let builder = AmazonS3Builder::new().with_endpoint(url).with_allow_http(true).with_bucket_name(BUCKET);
        let store = Arc::new(builder.with_access_key_id(KEY).with_secret_access_key(SECRET).build()?);
        let file = Arc::new(std::fs::File::create(path)?);
        let parts = (0..BYTES).step_by(PART_BYTES).map(|start| by_part(&store, &file, start));
        stream::iter(parts).buffer_unordered(PARTS_AT_ONCE).try_collect::<()>().await?;
        let writer = BufWriter::with_capacity(store, Key::from("plain"), PART_BYTES);
        let mut writer = writer.with_max_concurrency(PARTS_AT_ONCE);
        copy(&mut tokio::io::BufReader::with_capacity(PART_BYTES, File::open(path).await?), &mut writer).await?;
        writer.shutdown().await
    };
    moved.await.map_err(io_error(path))?;
    std::fs::remove_file(path).map_err(io_error(path))
}

async fn by_part(store: &AmazonS3, file: &Arc<std::fs::File>, start: u64) -> io::Result<()> {
    let end = BYTES.min(start + PART_BYTES as u64);
    let bytes = store.get_range(&Key::from("in"), start..end).await?;
    let file = Arc::clone(file);
    spawn_blocking(move || file.write_all_at(&bytes, start)).await?
}

/// A runner whose program only renames its input.
struct Runner {
    process: Child,
    url: String,
    http: reqwest::Client,
}

impl Runner {
    fn start(folder: &Path, s3: &str) -> Result<Self, BenchError> {
        let our = std::env::current_exe().map_err(io_error(Path::new("this program")))?;
        let binary = our.with_file_name("zeebe2faas-runner");
        let mut command = Command::new(&binary);
        command
            .env("RUNNER_LISTEN", "127.0.0.1:0")
            .env("RUNNER_FUNCTION", FUNCTION)
            .env("RUNNER_INSECURE", "true")
            .env("RUNNER_STATE_DIR", folder.join("state"))
            .env("RUNNER_ALLOW", "/bin/sh")
            .env("RUNNER_ALLOW_BUCKETS", BUCKET)
            .env("RUNNER_SCRATCH", folder.join("scratch"))
            .env("RUST_LOG", "warn")
            .env("AWS_ENDPOINT_URL", s3)
            .env("AWS_ACCESS_KEY_ID", KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET)
            .stdout(Stdio::piped());
        let mut process = command.spawn().map_err(io_error(&binary))?;
        let mut line = String::new();
        if let Some(stdout) = process.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(io_error(&binary))?;
        }
        let url = line.trim().strip_prefix("listening on ").unwrap_or_default().to_owned();
        let runner = Self { process, url, http: zeebe2faas::tls::plain_http().timeout(PATIENCE).build()? };
        if runner.url.is_empty() { Err(no_figure(&binary, "its address")) } else { Ok(runner) }
    }

    async fn call(&self, number: i64) -> Result<(), BenchError> {
        let location = |name: &str| format!("s3://{BUCKET}/{name}");
        let args = ["/bin/sh", "-c", "mv \"$0\" \"$2\"", &location("in"), "-out", &location("out")];
        let args = args.map(str::to_owned).to_vec();
        let id = CallId::new("bench", number, 1);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + PATIENCE;
        let deadline_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let invocation = Invocation::new(id.clone(), FUNCTION.to_owned(), args, vec!["out".to_owned()], deadline_ms);
        let request = self.http.post(&self.url).header(CALL_ID_HEADER, id.as_str()).json(&invocation);
        let report: Report = request.send().await?.json().await?;
        if report.outcome == Outcome::Succeeded {
            Ok(())
        } else {
            Err(no_figure(Path::new(&self.url), &format!("a success: {}", report.message)))
        }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        if let Err(error) = self.process.kill().and_then(|()| self.process.wait()) {
            tracing::warn!(%error, "the runner cannot be ended");
        }
    }
}
