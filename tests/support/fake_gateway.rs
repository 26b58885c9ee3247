//! A Zeebe gateway that does what a test tells it: real gRPC, no engine behind it.

mod service;
mod tls;

use rustls::ServerConfig;
use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    sync::{mpsc, watch},
    time::timeout,
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Code, Request, Status, transport::Server};
use zeebe2faas::zeebe::proto::{
    ActivateJobsRequest, ActivatedJob, CompleteJobRequest, CreateProcessInstanceRequest, FailJobRequest,
    PublishMessageRequest, StreamActivatedJobsRequest, ThrowErrorRequest, UpdateJobTimeoutRequest,
    gateway_server::GatewayServer,
};

/// How long a test waits for something that should happen at once.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a request gets instead of its ordinary answer.
#[derive(Debug, Clone, Copy)]
pub enum Answer {
    /// This status.
    Status(Code),
    /// None, ever.
    Silence,
}

/// A request that arrived.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "named after the requests")]
pub enum Seen {
    Activate(ActivateJobsRequest),
    Stream(StreamActivatedJobsRequest),
    Complete(CompleteJobRequest),
    Fail(FailJobRequest),
    Throw(ThrowErrorRequest),
    UpdateTimeout(UpdateJobTimeoutRequest),
    Publish(PublishMessageRequest),
    Create(CreateProcessInstanceRequest),
    Other(&'static str),
}

/// The fake. Dropping it is a crash: every connection breaks.
pub struct FakeGateway {
    scheme: &'static str,
    address: SocketAddr,
    service: Service,
    runtime: Option<Runtime>,
}

#[derive(Clone)]
struct Service(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    backlog: VecDeque<ActivatedJob>,
    streams: Vec<mpsc::UnboundedSender<Result<ActivatedJob, Status>>>,
    script: HashMap<&'static str, VecDeque<Answer>>,
    seen: Vec<Seen>,
    authorizations: Vec<String>,
}

impl FakeGateway {
    /// On a port that the system chooses.
    pub fn start() -> Self {
        Self::serve(Service::new(), SocketAddr::from(([127, 0, 0, 1], 0)), None)
    }

    /// The same over TLS.
    pub fn encrypted(tls: Arc<ServerConfig>) -> Self {
        Self::serve(Service::new(), SocketAddr::from(([127, 0, 0, 1], 0)), Some(tls))
    }

    /// Crashes, and comes back on the same port with the same backlog and script, without TLS.
    pub fn restart(mut self) -> Self {
        self.crash();
        Self::serve(self.service.clone(), self.address, None)
    }

    /// Breaks every connection and stops listening.
    pub fn crash(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // On a thread of its own, since waiting for a runtime's end is forbidden inside another one.
            let ended = std::thread::spawn(move || runtime.shutdown_timeout(PATIENCE)).join();
            assert!(ended.is_ok(), "the fake gateway ends");
        }
        self.service.change(|state| state.streams.clear());
    }

    fn serve(service: Service, address: SocketAddr, tls: Option<Arc<ServerConfig>>) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let (scheme, noting) = (if tls.is_some() { "https" } else { "http" }, service.clone());
        let gateway = GatewayServer::with_interceptor(service.clone(), move |request| noting.note(request));
        let (send, receive) = std::sync::mpsc::channel();
        runtime.spawn(async move {
            let listener = TcpListener::bind(address).await.expect("a free port");
            send.send(listener.local_addr().expect("an address")).expect("somebody waits for the address");
            let server = Server::builder().add_service(gateway);
            match tls {
                None => server.serve_with_incoming(TcpListenerStream::new(listener)).await,
                Some(config) => server.serve_with_incoming(tls::accept(listener, config)).await,
            }
        });
        let address = receive.recv().expect("the fake gateway listens");
        Self { scheme, address, service, runtime: Some(runtime) }
    }

    /// `http://HOST:PORT` or `https://HOST:PORT`.
    pub fn address(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// The next request of this name gets this answer; more of them queue up.
    pub fn script(&self, rpc: &'static str, answer: Answer) {
        self.service.change(|state| state.script.entry(rpc).or_default().push_back(answer));
    }

    /// Lets jobs wait for a poll.
    pub fn add_to_backlog(&self, jobs: impl IntoIterator<Item = ActivatedJob>) {
        self.service.change(|state| state.backlog.extend(jobs));
    }

    /// Pushes jobs into the open stream, all at once.
    pub fn push(&self, jobs: impl IntoIterator<Item = ActivatedJob>) {
        self.service.change(|state| {
            let stream = state.streams.iter().find(|stream| !stream.is_closed());
            for job in jobs {
                assert!(stream.is_some_and(|stream| stream.send(Ok(job)).is_ok()), "a stream is open");
            }
        });
    }

    /// Ends every open stream in good order, as a proxy would.
    pub fn end_streams(&self) {
        self.service.change(|state| state.streams.clear());
    }

    /// The requests that arrived so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.service.state().seen.clone()
    }

    /// The header `authorization` of each request so far; empty where there was none.
    pub fn authorizations(&self) -> Vec<String> {
        self.service.state().authorizations.clone()
    }

    /// Waits until the requests that arrived are as wanted.
    pub async fn until_seen(&self, wanted: impl Fn(&[Seen]) -> bool) {
        self.until(|state| wanted(&state.seen)).await;
    }

    /// Waits until this many streams are open.
    pub async fn until_streams_are(&self, count: usize) {
        self.until(|state| state.streams.iter().filter(|stream| !stream.is_closed()).count() == count).await;
    }

    async fn until(&self, wanted: impl Fn(&State) -> bool) {
        let mut changes = self.service.0.changed.subscribe();
        let waiting = async {
            while !wanted(&self.service.state()) {
                // The sender lives as long as this fake.
                let _ = changes.changed().await;
            }
        };
        let state = || format!("{:#?}", self.service.state().seen);
        assert!(timeout(PATIENCE, waiting).await.is_ok(), "it did not happen; seen: {}", state());
    }
}

impl Drop for FakeGateway {
    fn drop(&mut self) {
        self.crash();
    }
}

/// A job of the type `faas` whose lock ends this long from now.
pub fn job(key: i64, lock: Duration) -> ActivatedJob {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    ActivatedJob {
        key,
        r#type: "faas".to_owned(),
        custom_headers: r#"{"function":"otbcli"}"#.to_owned(),
        variables: "{}".to_owned(),
        retries: 3,
        deadline: i64::try_from((now + lock).as_millis()).unwrap_or(i64::MAX),
        ..ActivatedJob::default()
    }
}

impl Service {
    fn new() -> Self {
        Self(Arc::new(Shared { state: Mutex::default(), changed: watch::Sender::new(0) }))
    }

    #[expect(clippy::unnecessary_wraps, reason = "tonic's interceptors")]
    fn note(&self, request: Request<()>) -> Result<Request<()>, Status> {
        let header = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        let header = header.unwrap_or_default().to_owned();
        self.state().authorizations.push(header);
        Ok(request)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state());
        self.0.changed.send_modify(|version| *version += 1);
        result
    }

    /// Notes the request; then does what the script says, if it says anything.
    async fn take(&self, rpc: &'static str, seen: Seen) -> Result<(), Status> {
        let answer = self.change(|state| {
            state.seen.push(seen);
            state.script.get_mut(rpc).and_then(VecDeque::pop_front)
        });
        match answer {
            None => Ok(()),
            Some(Answer::Status(code)) => Err(Status::new(code, "as scripted")),
            Some(Answer::Silence) => std::future::pending().await,
        }
    }

    async fn jobs_from_backlog(&self, most: usize, wait: Duration) -> Vec<ActivatedJob> {
        let mut changes = self.0.changed.subscribe();
        let some = async {
            loop {
                let jobs: Vec<_> = {
                    let mut state = self.state();
                    let count = most.min(state.backlog.len());
                    state.backlog.drain(..count).collect()
                };
                if !jobs.is_empty() {
                    return jobs;
                }
                // The sender lives as long as this service.
                let _ = changes.changed().await;
            }
        };
        timeout(wait, some).await.unwrap_or_default()
    }
}
