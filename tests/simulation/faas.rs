//! OpenFaaS: a gateway that queues, and workers that deliver at least once, call back once, and forget.

use crate::{
    functions::{Functions, GUARDED, PLAIN},
    http::{Answer, Message, Server, Silence, send},
    replicas::Replicas,
    world::World,
};
use axum::http::{HeaderValue, Method};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::{sleep, timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The gateway waits for a function no longer.
const UPSTREAM_TIMEOUT: Duration = Duration::from_secs(240);
/// Between two looks whether it is back.
const LOOK_EVERY: Duration = Duration::from_millis(900);
/// A callback's receiver is waited for no longer.
const CALLBACK_TIMEOUT: Duration = Duration::from_secs(60);

pub struct Faas {
    world: Arc<World>,
    functions: Arc<Functions>,
    up: AtomicBool,
    /// Ends with the workers that run now.
    workers_life: Mutex<CancellationToken>,
    workers: TaskTracker,
}

impl Faas {
    pub fn new(world: Arc<World>, functions: Arc<Functions>) -> Arc<Self> {
        let (up, workers_life, workers) = (AtomicBool::new(true), Mutex::default(), TaskTracker::new());
        Arc::new(Self { world, functions, up, workers_life, workers })
    }

    /// Nothing of it answers for a while. What its workers had begun is begun again, or lost.
    pub async fn go_away(&self) {
        self.world.line(format_args!("OpenFaaS goes away"));
        self.up.store(false, Ordering::Relaxed);
        self.life().cancel();
        sleep(self.world.dice.seconds(1..180)).await;
        *self.workers_life.lock().unwrap_or_else(PoisonError::into_inner) = CancellationToken::new();
        self.world.line(format_args!("OpenFaaS is back"));
        self.up.store(true, Ordering::Relaxed);
    }

    fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// Whether no invocation waits or runs any more.
    pub fn is_idle(&self) -> bool {
        self.workers.is_empty()
    }

    /// The gateway, as the bridges reach it.
    pub fn server(self: &Arc<Self>, replicas: Arc<Replicas>) -> Server {
        let faas = Arc::clone(self);
        Arc::new(move |message| Box::pin(Arc::clone(&faas).serve(Arc::clone(&replicas), message)))
    }

    async fn serve(self: Arc<Self>, replicas: Arc<Replicas>, message: Message) -> Result<Answer, Silence> {
        if !self.is_up() {
            return Err(Silence::NobodyListens);
        }
        let path = message.path.clone();
        if let Some(function) = path.strip_prefix("/async-function/") {
            return Ok(self.queue(&replicas, function, &message));
        }
        if let Some(rest) = path.strip_prefix("/function/") {
            let (function, path) = rest.split_once('/').unwrap_or((rest, ""));
            let message = Message { path: format!("/{path}"), ..message };
            return Ok(self.invoke(function, message).await);
        }
        Ok(match path.as_str() {
            "/system/functions" => Answer::plain(200, format!(r#"[{{"name":"{GUARDED}"}},{{"name":"{PLAIN}"}}]"#)),
            other => Answer::plain(404, format!("{other} is not there")),
        })
    }

    fn queue(self: &Arc<Self>, replicas: &Arc<Replicas>, function: &str, message: &Message) -> Answer {
        let (weather, dice) = (self.world.weather(), &self.world.dice);
        if dice.happens(weather.full) {
            return Answer::plain(429, "full");
        }
        let times = match () {
            () if dice.happens(weather.invocation_lost) => 0,
            () if dice.happens(weather.invoked_again) => 2,
            () => 1,
        };
        for number in 0..times {
            let wait = if number == 0 { dice.millis(1..30_000) } else { dice.seconds(1..200) };
            let worker = Arc::clone(self).work(Arc::clone(replicas), function.to_owned(), message.clone(), wait);
            self.workers.spawn(worker);
        }
        if dice.happens(weather.queued_with_500) { Answer::plain(500, "queued or not") } else { Answer::plain(202, "") }
    }

    /// Invokes, and calls back.
    async fn work(self: Arc<Self>, replicas: Arc<Replicas>, function: String, message: Message, wait: Duration) {
        loop {
            sleep(wait).await;
            while !self.is_up() {
                sleep(LOOK_EVERY).await;
            }
            let life = self.life();
            let path = "/".to_owned();
            let invocation = Message { path, method: Method::POST, ..message.clone() };
            let Some(answer) = life.run_until_cancelled(self.invoke(&function, invocation)).await else {
                if self.world.dice.happens(0.3) {
                    return self.world.line(format_args!("{} is forgotten", message.header("x-call-id")));
                }
                continue;
            };
            let called_back = self.call_back(&replicas, &function, &message, answer);
            if life.run_until_cancelled(called_back).await.is_some() {
                return;
            }
        }
    }

    /// The function's answer, or what the gateway says in its place.
    async fn invoke(&self, function: &str, message: Message) -> Answer {
        let serving = tokio::spawn(Arc::clone(&self.functions).serve(function.to_owned(), message));
        match timeout(UPSTREAM_TIMEOUT, serving).await {
            Err(_) => Answer::plain(504, ""),
            Ok(Ok(Ok(answer))) => answer,
            Ok(Ok(Err(Silence::NobodyListens))) => Answer::plain(503, ""),
            Ok(Ok(Err(Silence::BrokeOff)) | Err(_)) => Answer::plain(502, ""),
        }
    }

    async fn call_back(&self, replicas: &Arc<Replicas>, function: &str, message: &Message, answer: Answer) {
        let url = reqwest::Url::parse(message.header("x-callback-url")).expect("a URL");
        let mut headers = answer.headers;
        let text = |text: &str| HeaderValue::from_str(text).expect("a header");
        headers.insert("x-call-id", text(message.header("x-call-id")));
        headers.insert("x-function-name", text(function));
        headers.insert("x-function-status", text(&answer.status.to_string()));
        headers.insert("x-duration-seconds", text("1.0"));
        let told = Message { method: Method::POST, path: url.path().to_owned(), headers, body: answer.body };
        // Never repeated, whatever becomes of it.
        drop(send(&self.world, "callback", told, CALLBACK_TIMEOUT, replicas.server(None)).await);
    }

    fn life(&self) -> CancellationToken {
        self.workers_life.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
