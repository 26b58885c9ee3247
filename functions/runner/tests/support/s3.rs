//! A real S3 server in the test's process: signatures, ranges, uploads in parts. Its objects are files in a folder.
#![expect(clippy::unwrap_used, reason = "tests")]

use hyper::service::{Service, service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use s3s_fs::FileSystem;
use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

pub const KEY: &str = "test-key";
pub const SECRET: &str = "test-secret";

pub struct S3Server {
    pub url: String,
    root: TempDir,
    seen: Arc<Mutex<Vec<String>>>,
    /// Parts wait while it is closed.
    pub gate: watch::Sender<bool>,
    server: JoinHandle<()>,
}

impl S3Server {
    /// With empty buckets.
    pub async fn start(buckets: &[&str]) -> Self {
        let root = TempDir::new().unwrap();
        for bucket in buckets {
            fs::create_dir(root.path().join(bucket)).unwrap();
        }
        let mut service = S3ServiceBuilder::new(FileSystem::new(root.path()).unwrap());
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = service.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let gate = watch::Sender::new(true);
        let server = tokio::spawn({
            let (seen, gate) = (Arc::clone(&seen), gate.clone());
            async move {
                loop {
                    let (socket, _) = listener.accept().await.unwrap();
                    let (service, seen, gate) = (service.clone(), Arc::clone(&seen), gate.subscribe());
                    let answer = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                        let line = format!("{} {}", request.method(), request.uri());
                        let is_part = line.contains("partNumber=");
                        seen.lock().unwrap().push(line);
                        let (service, mut gate) = (service.clone(), gate.clone());
                        async move {
                            if is_part {
                                // A server that is gone lets everything pass.
                                gate.wait_for(|open| *open).await.map(drop).unwrap_or_default();
                            }
                            Service::call(&service, request).await
                        }
                    });
                    // A client that goes away is none of the test's business.
                    tokio::spawn(async move {
                        Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), answer).await.ok()
                    });
                }
            }
        });
        Self { url, root, seen, gate, server }
    }

    /// The runner's variables for it.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let settings = [
            ("AWS_ENDPOINT_URL", self.url.as_str()),
            ("AWS_ACCESS_KEY_ID", KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
            ("AWS_REGION", "us-east-1"),
            ("RUNNER_ALLOW_BUCKETS", "products,results"),
        ];
        settings.map(|(name, value)| (name, value.to_owned())).to_vec()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Puts an object there.
    pub fn put(&self, name: &str, content: &[u8]) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), content).unwrap();
    }

    /// Requests so far that hold the text.
    pub fn seen(&self, text: &str) -> usize {
        self.seen.lock().unwrap().iter().filter(|line| line.contains(text)).count()
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.server.abort();
    }
}
