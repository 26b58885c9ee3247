//! Asynchronous calls: a queue, workers that call functions through the gateway, and one callback for each run.

use super::{
    faults::{CallbackFate, FaultControl},
    function::{chain, end_to_end, set_duration},
};
use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
};
use reqwest::{Client, Url, redirect};
use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long a receiver may think about a callback. It blocks its worker meanwhile.
const CALLBACK_TIMEOUT: Duration = Duration::from_secs(600);
/// A function's answer is cut here.
const ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// As many redirects are followed, by a worker and in a callback.
const REDIRECTS: usize = 10;
/// Deliveries of so many calls are remembered; then counting begins anew.
const REMEMBERED_CALLS: usize = 100_000;
const USER_AGENT: HeaderValue = HeaderValue::from_static("openfaas-ce/nats-queue-worker");

/// An accepted asynchronous call.
pub(super) struct Call {
    pub(super) function: String,
    /// Below the function, with the query; starts with `/`.
    pub(super) path: String,
    pub(super) call_id: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) callback_url: Option<String>,
    pub(super) acknowledged: AtomicBool,
    pub(super) redelivery_waits: AtomicBool,
}

/// The queue is at its capacity.
pub(super) struct Full;

/// Clones are the same queue.
#[derive(Clone)]
pub(super) struct Queue(Arc<Inner>);

struct Inner {
    gateway: String,
    client: Client,
    waiting: Mutex<VecDeque<Arc<Call>>>,
    capacity: usize,
    changed: Notify,
    workers: Arc<Semaphore>,
    faults: FaultControl,
    deliveries: watch::Sender<HashMap<String, u32>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// What a worker got from the gateway.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Queue {
    /// Starts `workers` workers in front of the gateway at `gateway`.
    pub(super) fn start(
        gateway: String,
        workers: usize,
        capacity: usize,
        faults: FaultControl,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Result<Self, reqwest::Error> {
        // A connection for each request, as the real worker has it.
        let client = zeebe2faas::tls::plain_http()
            .pool_max_idle_per_host(0)
            .redirect(redirect::Policy::limited(REDIRECTS))
            .build()?;
        let queue = Self(Arc::new(Inner {
            gateway,
            client,
            waiting: Mutex::default(),
            capacity,
            changed: Notify::new(),
            workers: Arc::new(Semaphore::new(workers)),
            faults,
            deliveries: watch::Sender::default(),
            tasks,
            stop,
        }));
        queue.0.tasks.spawn(queue.clone().until_stopped(queue.clone().dispatch()));
        Ok(queue)
    }

    pub(super) fn submit(&self, call: Call) -> Result<(), Full> {
        let mut waiting = self.waiting();
        if waiting.len() >= self.0.capacity {
            return Err(Full);
        }
        waiting.push_back(Arc::new(call));
        drop(waiting);
        self.0.changed.notify_one();
        Ok(())
    }

    /// Calls that no worker has taken yet.
    pub(super) fn len(&self) -> usize {
        self.waiting().len()
    }

    pub(super) fn deliveries(&self) -> watch::Receiver<HashMap<String, u32>> {
        self.0.deliveries.subscribe()
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, VecDeque<Arc<Call>>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn until_stopped(self, work: impl Future<Output = ()>) {
        tokio::select! {
            () = self.0.stop.cancelled() => {}
            () = work => {}
        }
    }

    async fn dispatch(self) {
        while let Ok(worker) = self.0.workers.clone().acquire_owned().await {
            let call = loop {
                self.0.faults.released().await;
                let next = self.waiting().pop_front();
                match next {
                    Some(call) => break call,
                    None => self.0.changed.notified().await,
                }
            };
            self.0.tasks.spawn(self.clone().until_stopped(self.clone().deliver(call, worker)));
        }
    }

    /// Once more, whatever the capacity: each running delivery adds at most one.
    fn redeliver(&self, call: &Arc<Call>) {
        if !call.redelivery_waits.swap(true, Ordering::AcqRel) {
            tracing::info!(call_id = call.call_id, "delivering it again");
            self.waiting().push_back(call.clone());
            self.0.changed.notify_one();
        }
    }

    async fn deliver(self, call: Arc<Call>, worker: OwnedSemaphorePermit) {
        call.redelivery_waits.store(false, Ordering::Release);
        // Subscribed before the delivery is counted: who sees the count may kill the worker.
        let killed = self.0.faults.worker_kills();
        self.count(&call.call_id);
        let started = Instant::now();
        let Some(answer) = self.run(&call, killed).await else {
            return self.redeliver(&call);
        };
        if self.0.faults.take_worker_death() {
            return self.redeliver(&call);
        }
        call.acknowledged.store(true, Ordering::Release);
        if let Some(url) = &call.callback_url {
            self.call_back(&call, url, answer, started).await;
        }
        drop(worker);
    }

    /// The function's answer; `None` when the worker is killed meanwhile.
    async fn run(&self, call: &Arc<Call>, mut killed: watch::Receiver<()>) -> Option<Answer> {
        let answer = self.invoke(call);
        tokio::pin!(answer);
        loop {
            let ack_wait = self.0.faults.ack_wait().filter(|_| !call.acknowledged.load(Ordering::Acquire));
            let overdue = async {
                match ack_wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                answer = &mut answer => return Some(answer),
                Ok(()) = killed.changed() => return None,
                () = overdue => {
                    if !call.acknowledged.load(Ordering::Acquire) {
                        self.redeliver(call);
                    }
                }
            }
        }
    }

    async fn invoke(&self, call: &Call) -> Answer {
        let mut headers = end_to_end(call.headers.clone());
        headers.insert(header::USER_AGENT, USER_AGENT);
        let url = format!("{}/function/{}{}", self.0.gateway, call.function, call.path);
        let sent = self.0.client.post(url).headers(headers).body(call.body.clone()).send().await;
        let mut answer = match sent {
            Ok(answer) => answer,
            Err(error) => {
                tracing::warn!(call_id = call.call_id, function = call.function, "not called: {}", chain(&error));
                let status = StatusCode::SERVICE_UNAVAILABLE;
                return Answer { status, headers: HeaderMap::new(), body: Bytes::new() };
            }
        };
        let mut body = Vec::new();
        loop {
            match answer.chunk().await {
                Ok(Some(chunk)) if body.len() < ANSWER_BYTES => body.extend_from_slice(&chunk),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(call_id = call.call_id, "the answer broke off: {}", chain(&error));
                    break;
                }
            }
        }
        body.truncate(ANSWER_BYTES);
        Answer { status: answer.status(), headers: answer.headers().clone(), body: body.into() }
    }

    /// Sent and forgotten: whatever the receiver answers, it is not repeated.
    async fn call_back(&self, call: &Call, url: &str, answer: Answer, started: Instant) {
        let mut headers = end_to_end(answer.headers);
        set_duration(&mut headers, started);
        headers.insert("x-function-status", answer.status.as_u16().into());
        for (name, value) in [("x-function-name", &call.function), ("x-call-id", &call.call_id)] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        let times = match self.0.faults.take_callback_fate() {
            CallbackFate::Lost => 0,
            CallbackFate::Once => 1,
            CallbackFate::Twice => 2,
        };
        for _ in 0..times {
            let sent = match callback_target(url) {
                Ok(url) => {
                    let post = self.0.client.post(url).headers(headers.clone()).body(answer.body.clone());
                    post.timeout(CALLBACK_TIMEOUT).send().await.map(|got| got.status()).map_err(|e| chain(&e))
                }
                Err(why) => Err(why),
            };
            match sent {
                Ok(status) => tracing::info!(call_id = call.call_id, %status, "called back"),
                Err(why) => tracing::warn!(call_id = call.call_id, "the callback did not get through: {why}"),
            }
        }
    }

    fn count(&self, call_id: &str) {
        self.0.deliveries.send_modify(|counts| {
            if counts.len() >= REMEMBERED_CALLS {
                counts.clear();
            }
            *counts.entry(call_id.to_owned()).or_default() += 1;
        });
    }
}

/// A URL without its user info, which the real queue loses.
fn callback_target(url: &str) -> Result<Url, String> {
    let mut url = Url::parse(url).map_err(|error| error.to_string())?;
    // Fails only for URLs that cannot have any.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Ok(url)
}

/// Whether the gateway takes this for a URL: a relative one too, which nothing can be sent to later.
pub(super) fn is_url(text: &str) -> bool {
    let escapes = text.split('%').skip(1);
    let well_escaped = |rest: &str| rest.len() >= 2 && rest.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit);
    !text.starts_with(':')
        && escapes.into_iter().all(well_escaped)
        && Url::parse("http://relative/").is_ok_and(|base| base.join(text).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_go_takes_for_a_url_is_taken() {
        for url in ["http://127.0.0.1:1/callback/token?x=%20", "https://u:p@host/", "/relative", "host"] {
            assert!(is_url(url), "{url}");
        }
        for url in ["http://a/%zz", "http://a/%4", ":8080/x", "http://[::1", "http://a:port/"] {
            assert!(!is_url(url), "{url}");
        }
    }
}
