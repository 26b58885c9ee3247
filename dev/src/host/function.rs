//! One function: its process, kept running in http mode, and what of-watchdog does with a request in front of it.

use super::{
    container::{Container, Containers, log_lines},
    fork,
    stack::{FunctionSpec, Mode, go_duration},
};
use axum::{
    body::{Body, HttpBody},
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use std::{
    ffi::OsString,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdin, ChildStdout},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long a runner may take until it says where it listens.
const START_DEADLINE: Duration = Duration::from_secs(20);
/// How its line on stdout starts; the address follows.
const ANNOUNCEMENT: &str = "listening on ";
/// A function whose environment names one of these is our runner, or `zeebe2faas callback`: it says where it listens.
const MARKS: [&str; 2] = ["RUNNER_FUNCTION", CALLBACK_LISTEN];
/// Where `zeebe2faas callback` listens.
pub(super) const CALLBACK_LISTEN: &str = "ZEEBE2FAAS_CALLBACK_LISTEN";
const FIRST_BACK_OFF: Duration = Duration::from_millis(100);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(10);
/// A process that lived so long is restarted at once again.
const STEADY: Duration = Duration::from_secs(10);
/// How long after a broken connection the end of the process may be noticed.
const DEATH_NOTICE: Duration = Duration::from_millis(500);
const INTERNAL: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-openfaas-internal"), HeaderValue::from_static("of-watchdog"));
/// Headers that belong to one connection.
pub(super) const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

pub(super) struct Function {
    pub(super) name: Arc<str>,
    pub(super) spec: FunctionSpec,
    environment: Vec<(OsString, OsString)>,
    context: Context,
    slots: Option<Arc<Semaphore>>,
    invocations: AtomicU64,
    address: watch::Sender<Option<String>>,
}

/// What all functions of a host share.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) containers: Containers,
    pub(super) client: reqwest::Client,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
}

/// Why a function's process is not there.
#[derive(Debug, thiserror::Error)]
pub enum FunctionError {
    /// It did not start.
    #[error("cannot start `{program}`: {source}; build it, or add its folder to the path")]
    Start {
        /// What was to be started.
        program: String,
        /// Why it was not.
        source: io::Error,
    },
    /// A runner ended, or went on, without saying where it listens.
    #[error("`{program}` {what} before it printed `listening on http://ADDRESS`; its log says why")]
    Silent {
        /// What was started.
        program: String,
        /// What it did instead.
        what: String,
    },
}

struct Running {
    _container: Container,
    child: Child,
    /// Stays open, as of-watchdog keeps it.
    _stdin: Option<ChildStdin>,
}

impl Function {
    /// In http mode returns when the process has been started (and our runner listens).
    pub(super) async fn start(
        name: &str,
        spec: FunctionSpec,
        environment: Vec<(OsString, OsString)>,
        context: Context,
    ) -> Result<Arc<Self>, FunctionError> {
        let slots = (spec.max_inflight > 0).then(|| Arc::new(Semaphore::new(spec.max_inflight)));
        let (invocations, address) = (AtomicU64::new(0), watch::Sender::new(None));
        let function = Arc::new(Self { name: name.into(), spec, environment, context, slots, invocations, address });
        if let Mode::Http { upstream_url } = &function.spec.mode {
            let running = function.launch(upstream_url).await?;
            function.context.tasks.spawn(function.clone().keep_running(running, upstream_url.clone()));
        }
        Ok(function)
    }

    /// Requests so far.
    pub(super) fn invocations(&self) -> u64 {
        self.invocations.load(Ordering::Relaxed)
    }

    /// Whether requests reach a process.
    pub(super) fn is_available(&self) -> bool {
        !matches!(self.spec.mode, Mode::Http { .. }) || self.address.borrow().is_some()
    }

    /// Answers a request whose path has lost the gateway's prefix.
    pub(super) async fn invoke(&self, request: Request) -> Response {
        self.invocations.fetch_add(1, Ordering::Relaxed);
        let slot = match self.slots.as_ref().map(|slots| slots.clone().try_acquire_owned()).transpose() {
            Ok(slot) => slot,
            Err(_) => return self.too_many(),
        };
        if let Mode::Http { .. } = self.spec.mode {
            return self.proxy(request, slot).await;
        }
        // As with the real one, a process that has started runs on when the client has gone.
        let run = fork::run(self.name.clone(), self.spec.clone(), self.environment.clone(), &self.context, request);
        let run = self.context.tasks.spawn(async move {
            let response = run.await;
            drop(slot);
            response
        });
        run.await.unwrap_or_else(|_| StatusCode::BAD_GATEWAY.into_response())
    }

    fn too_many(&self) -> Response {
        let text = format!("{} works on {} requests, its max_inflight\n", self.name, self.spec.max_inflight);
        (StatusCode::TOO_MANY_REQUESTS, [(INTERNAL.0, "faas-middleware")], text).into_response()
    }

    async fn proxy(&self, request: Request, slot: Option<OwnedSemaphorePermit>) -> Response {
        let Some(address) = self.address.borrow().clone() else {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        };
        let mut deaths = self.address.subscribe();
        let started = Instant::now();
        let (parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut upstream = self.context.client.request(parts.method, format!("{address}{path}"));
        if let Some(limit) = self.time_limit(&parts.headers) {
            upstream = upstream.timeout(limit);
        }
        if !body.is_end_stream() {
            upstream = upstream.body(reqwest::Body::wrap_stream(body.into_data_stream()));
        }
        let answer = upstream.headers(end_to_end(parts.headers)).send().await;
        let mut response = match answer {
            Ok(answer) => passed_on(answer, slot),
            Err(error) if error.is_timeout() => (StatusCode::GATEWAY_TIMEOUT, [INTERNAL]).into_response(),
            Err(error) => {
                tracing::warn!(function = %self.name, error = %chain(&error), "no answer from the function's process");
                // The watchdog ends with its process; then it is the gateway that answers.
                if timeout(DEATH_NOTICE, deaths.changed()).await.is_ok() {
                    return StatusCode::BAD_GATEWAY.into_response();
                }
                (StatusCode::INTERNAL_SERVER_ERROR, [INTERNAL]).into_response()
            }
        };
        set_duration(response.headers_mut(), started);
        response
    }

    /// `exec_timeout`, which the header `X-Timeout` can shorten.
    fn time_limit(&self, headers: &HeaderMap) -> Option<Duration> {
        let asked = headers.get("x-timeout").and_then(|value| go_duration(value.to_str().ok()?));
        match (self.spec.exec_timeout, asked) {
            (Some(limit), Some(asked)) if asked <= limit => Some(asked),
            (limit, _) => limit,
        }
        .filter(|limit| !limit.is_zero())
    }

    async fn keep_running(self: Arc<Self>, mut running: Running, upstream_url: String) {
        let stop = &self.context.stop;
        let mut back_off = FIRST_BACK_OFF;
        loop {
            let started = Instant::now();
            let ended = running.child.wait().await;
            self.address.send_replace(None);
            drop(running);
            if stop.is_cancelled() {
                return;
            }
            let how = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
            tracing::warn!(function = %self.name, "its process ended: {how}; it is started again");
            if started.elapsed() > STEADY {
                back_off = FIRST_BACK_OFF;
            }
            running = loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(back_off) => {}
                }
                back_off = LONGEST_BACK_OFF.min(back_off * 2);
                let launched = tokio::select! {
                    () = stop.cancelled() => return,
                    launched = self.launch(&upstream_url) => launched,
                };
                match launched {
                    Ok(running) => break running,
                    Err(error) => tracing::warn!(function = %self.name, %error, "not started; trying again"),
                }
            };
            if stop.is_cancelled() {
                return;
            }
        }
    }

    async fn launch(&self, upstream_url: &str) -> Result<Running, FunctionError> {
        let program = || self.spec.process.join(" ");
        let (container, mut child) = self
            .context
            .containers
            .start(&self.spec.process, &self.environment)
            .map_err(|source| FunctionError::Start { program: program(), source })?;
        let stdin = child.stdin.take();
        if let Some(stderr) = child.stderr.take() {
            self.context.tasks.spawn(log_lines(self.name.clone(), stderr));
        }
        let mut address = upstream_url.to_owned();
        if let Some(stdout) = child.stdout.take() {
            let mut stdout = BufReader::new(stdout);
            if self.environment.iter().any(|(key, _)| MARKS.iter().any(|mark| key == mark)) {
                let silent = |what: &str| FunctionError::Silent { program: program(), what: what.to_owned() };
                let announced = timeout(START_DEADLINE, announced(&mut stdout)).await;
                let waited = || silent(&format!("went on for {} s", START_DEADLINE.as_secs()));
                address = announced.map_err(|_| waited())?.ok_or_else(|| silent("ended"))?;
            }
            self.context.tasks.spawn(log_lines(self.name.clone(), stdout));
        }
        self.address.send_replace(Some(address.clone()));
        tracing::info!(function = %self.name, address, "started `{}`", program());
        Ok(Running { _container: container, child, _stdin: stdin })
    }
}

/// The address in a runner's announcement; `None` when its output ends without one.
async fn announced(stdout: &mut BufReader<ChildStdout>) -> Option<String> {
    let mut lines = stdout.lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(address) = line.strip_prefix(ANNOUNCEMENT) {
            return Some(address.trim().trim_end_matches('/').to_owned());
        }
    }
    None
}

fn passed_on(answer: reqwest::Response, slot: Option<OwnedSemaphorePermit>) -> Response {
    let (status, headers) = (answer.status(), answer.headers().clone());
    // The slot is taken until the last byte has gone.
    let body = answer.bytes_stream().map(move |chunk| {
        let _taken = &slot;
        chunk
    });
    let mut response = (status, Body::from_stream(body)).into_response();
    *response.headers_mut() = without_hop_by_hop(headers);
    response
}

pub(super) fn set_duration(headers: &mut HeaderMap, started: Instant) {
    if let Ok(value) = format!("{:.6}", started.elapsed().as_secs_f64()).parse() {
        headers.insert("x-duration-seconds", value);
    }
}

pub(super) fn without_hop_by_hop(mut headers: HeaderMap) -> HeaderMap {
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    headers
}

/// The headers of a message that is sent on: without those that the next connection sets itself.
pub(super) fn end_to_end(headers: HeaderMap) -> HeaderMap {
    let mut headers = without_hop_by_hop(headers);
    headers.remove(header::HOST);
    headers.remove(header::CONTENT_LENGTH);
    headers
}

/// An error with its causes; reqwest's own text leaves them out.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
