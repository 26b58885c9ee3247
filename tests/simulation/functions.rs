//! The functions: `guarded`, with the real runner in two pods that share a state directory, and `plain`, without.

use crate::{
    http::{Answer, Message, Silence, serve},
    processes::TIMEOUT_SECONDS,
    seen::{How, Run},
    world::{Breakage, World},
};
use axum::Router;
use clap::Parser;
use serde_json::json;
use std::{
    collections::BTreeSet,
    os::unix::{fs::symlink, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use zeebe2faas_contract::{Invocation, KeyRing};
use zeebe2faas_runner::{
    calls::Calls,
    clock::{Deadline, now_ms},
    run::{Cause, Ended, Halt, Halter},
    s3::S3Settings,
    server,
    settings::{Arguments, Settings},
    stage::Stage,
    telling::Teller,
};

pub const GUARDED: &str = "guarded";
pub const PLAIN: &str = "plain";
const PODS: usize = 2;
/// Longer than any call may take.
const HANGS: Duration = Duration::from_secs(2 * TIMEOUT_SECONDS);
/// Between SIGTERM and the end of a program.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What the programs do, by product.
#[derive(Debug, Clone, Copy)]
pub struct Product {
    pub takes: Duration,
    /// So many calls fail before one succeeds.
    pub failures: usize,
    /// Those take longer than any call may.
    pub hangs: bool,
}

impl Product {
    /// What the so many-th call does, from 0.
    fn attempt(self, attempt: usize) -> (Duration, i32) {
        let fails = attempt < self.failures;
        (if fails && self.hangs { HANGS } else { self.takes }, i32::from(fails))
    }
}

pub struct Functions {
    world: Arc<World>,
    products: Arc<[Product]>,
    folder: PathBuf,
    ring: KeyRing,
    pods: Mutex<Pods>,
}

#[derive(Default)]
struct Pods {
    running: Vec<Pod>,
    started: usize,
}

#[derive(Clone)]
struct Pod {
    name: String,
    life: CancellationToken,
    router: Router,
    place: PathBuf,
}

impl Functions {
    /// The folder has another, `state`.
    pub fn start(world: Arc<World>, products: Arc<[Product]>, folder: &Path, secret: &KeyRing) -> Arc<Self> {
        let (folder, ring) = (folder.to_owned(), secret.for_function(GUARDED));
        let functions = Arc::new(Self { world, products, folder, ring, pods: Mutex::default() });
        (0..PODS).for_each(|_| functions.start_pod());
        functions
    }

    fn start_pod(&self) {
        let mut pods = self.pods();
        pods.started += 1;
        let name = format!("pod-{}", pods.started);
        let pod = self.pod(name);
        self.world.line(format_args!("{} starts", pod.name));
        pods.running.push(pod);
    }

    /// It sees the shared state directory through a link of its own, which its death cuts.
    fn pod(&self, name: String) -> Pod {
        let place = self.folder.join(&name);
        symlink(self.folder.join("state"), &place).expect("a link");
        self.pod_at(name, place)
    }

    fn pod_at(&self, name: String, place: PathBuf) -> Pod {
        let life = CancellationToken::new();
        let settings = Settings { given: arguments(&place), keys: Some(self.ring.clone()), s3: S3Settings::default() };
        let (world, products, alive) = (Arc::clone(&self.world), Arc::clone(&self.products), life.clone());
        let stage = Stage::new(move |invocation, halter| {
            play(Arc::clone(&world), Arc::clone(&products), alive.clone(), invocation, halter)
        });
        // Never used; making one reads the certificates of the system.
        static TELLER: OnceLock<Teller> = OnceLock::new();
        let teller = TELLER.get_or_init(|| Teller::new(&settings).expect("a client")).clone();
        let calls = Calls::on_stage(settings.clone(), teller, stage).expect("a state directory");
        let tended = Arc::clone(&calls);
        tokio::spawn(life.clone().run_until_cancelled_owned(async move { tended.tend().await }));
        Pod { name, life, router: server::router(&settings, calls), place }
    }

    /// Ends a pod at once, and starts another later.
    pub async fn crash_a_pod(&self) {
        let pod = {
            let mut pods = self.pods();
            let which = self.world.dice.one_of(PODS.max(pods.running.len()));
            if which >= pods.running.len() {
                return;
            }
            pods.running.remove(which)
        };
        self.world.line(format_args!("{} crashes", pod.name));
        std::fs::remove_file(&pod.place).expect("a link");
        pod.life.cancel();
        sleep(self.world.dice.seconds(1..120)).await;
        self.start_pod();
    }

    /// What a function's service does: it chooses a pod.
    pub async fn serve(self: Arc<Self>, function: String, message: Message) -> Result<Answer, Silence> {
        match function.as_str() {
            GUARDED => {
                let pod = self.choose(&message)?;
                serve(pod.router, pod.life, message).await
            }
            PLAIN => Ok(self.plain(&message).await),
            other => Ok(Answer::plain(404, format!("no function {other}"))),
        }
    }

    fn choose(&self, message: &Message) -> Result<Pod, Silence> {
        if self.world.breakage == Some(Breakage::NoRunOnceGuard) && message.path == "/" {
            let mut pods = self.pods();
            pods.started += 1;
            let name = format!("pod-{}", pods.started);
            return Ok(self.pod_at(name.clone(), self.folder.join(name)));
        }
        let pods = self.pods();
        match pods.running.len() {
            0 => Err(Silence::NobodyListens),
            count => Ok(pods.running[self.world.dice.one_of(count)].clone()),
        }
    }

    async fn plain(&self, message: &Message) -> Answer {
        let Ok(invocation) = serde_json::from_slice::<Invocation>(&message.body) else {
            return Answer::plain(400, "not an invocation");
        };
        let run = begin(&self.world, &invocation, false);
        let (takes, code) = product_of(&self.products, &invocation).attempt(attempt(&self.world, run));
        sleep(takes).await;
        end(&self.world, run, How::Exited(code));
        let status = if code == 0 { 200 } else { 500 };
        Answer::plain(status, json!({ "run": run }).to_string())
    }

    fn pods(&self) -> MutexGuard<'_, Pods> {
        self.pods.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn arguments(place: &Path) -> Arguments {
    let place = place.display().to_string();
    let words = ["runner", "--function", GUARDED, "--state-dir", &place, "--allow", "work", "--max-runs", "8"];
    Arguments { max_waiters: 2, ..Arguments::parse_from(words) }
}

async fn play(
    world: Arc<World>,
    products: Arc<[Product]>,
    life: CancellationToken,
    invocation: Invocation,
    halter: Halter,
) -> std::io::Result<Ended> {
    let run = begin(&world, &invocation, true);
    let (takes, code) = product_of(&products, &invocation).attempt(attempt(&world, run));
    let started_at_ms = now_ms();
    let cause = tokio::select! {
        biased;
        () = life.cancelled() => {
            end(&world, run, How::Killed);
            std::future::pending().await
        }
        halt = halter.halted() => Some(Cause::Halt(halt)),
        () = sleep(takes) => None,
        () = sleep(Deadline { at_ms: invocation.deadline_ms }.remaining()) => Some(Cause::Deadline),
    };
    if cause.is_some() && life.run_until_cancelled(sleep(LAST_WORDS)).await.is_none() {
        end(&world, run, How::Killed);
        std::future::pending::<()>().await;
    }
    let (how, status) = match cause {
        None => (How::Exited(code), ExitStatus::from_raw(code << 8)),
        Some(Cause::Deadline) => (How::AtDeadline, ExitStatus::from_raw(15)),
        Some(Cause::Halt(Halt::Cancelled)) => (How::Cancelled, ExitStatus::from_raw(15)),
        Some(Cause::Halt(_)) => (How::Killed, ExitStatus::from_raw(15)),
    };
    end(&world, run, how);
    Ok(Ended {
        status,
        cause,
        started_at_ms,
        duration: Duration::from_millis(now_ms() - started_at_ms),
        usage: Default::default(),
        oom_kills: 0,
        log_tail: format!("run {run}"),
        found: Default::default(),
    })
}

fn product_of(products: &[Product], invocation: &Invocation) -> Product {
    products[invocation.args[1].parse::<usize>().expect("a product's number")]
}

fn begin(world: &World, invocation: &Invocation, guarded: bool) -> usize {
    let call = invocation.call_id.clone();
    let mut seen = world.seen();
    let number = seen.runs.len();
    let product = invocation.args[1].clone();
    seen.runs.push(Run { call: call.clone(), guarded, product, begun_ms: now_ms(), ended: None });
    drop(seen);
    world.line(format_args!("run {number} of {call} begins"));
    number
}

fn end(world: &World, run: usize, how: How) {
    world.seen().runs[run].ended = Some((now_ms(), how));
    world.line(format_args!("run {run} ends: {how:?}"));
}

/// How many other calls of the same product began before this run's.
fn attempt(world: &World, run: usize) -> usize {
    let seen = world.seen();
    let Run { product, call, .. } = &seen.runs[run];
    let others = seen.runs[..run].iter().filter(|other| other.product == *product && other.call != *call);
    others.map(|other| &other.call).collect::<BTreeSet<_>>().len()
}
