//! The same load for a long time: whether memory, latency and the ledger stay as they are once rows expire.

use crate::{
    crash::{Bridge, Calling, Proxy},
    http,
    live::configure,
};
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use rusqlite::{Connection, OpenFlags};
use serde_json::json;
use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::Semaphore, time::MissedTickBehavior};
use tokio_util::task::TaskTracker;
use zeebe2faas::zeebe::{Client, NewInstance, Retry, Settings};
use zeebe2faas_dev::broker::{Broker, BrokerOptions};

/// Calls begun each second.
pub const CALLS_PER_SECOND: u32 = 30;
/// How long it lasts unless told otherwise.
pub const SECONDS: u64 = 600;
/// A row lives for two minutes, and is removed within ten seconds: the first minute that may be compared is this one,
/// counted from 0.
pub const STEADY_FROM: usize = 3;
/// The shortest: one minute to compare with another.
pub const LEAST_SECONDS: u64 = 60 * (STEADY_FROM as u64 + 2);

const MINUTE: Duration = Duration::from_secs(60);
/// How long the function works.
const WORK: Duration = Duration::from_millis(100);
/// Instances that have begun and not ended; one more waits.
const MOST_AT_ONCE: usize = 2_000;
/// An instance that has not ended by then is lost.
const PATIENCE: Duration = Duration::from_secs(120);
/// Everything expires within the run.
const LINES: &str = r#"calls = { timeout = "1m", token_grace = "1m", message_ttl = "1m", forget_interval = "5s" }"#;

/// What was measured in a minute, or at its end.
#[derive(Debug, Clone, Default)]
pub struct Minute {
    /// Instances that ended in it.
    pub ended: usize,
    /// From an instance's start to its end, half of them, in milliseconds.
    pub median_ms: f64,
    /// … 99 of 100.
    pub p99_ms: f64,
    /// Resident memory, in MB.
    pub memory_mb: f64,
    /// Rows in the ledger.
    pub rows: u64,
    /// The ledger with its log, in MB.
    pub ledger_mb: f64,
}

/// A figure of the first comparable minute and of the last one.
pub struct Compared {
    /// What it is.
    pub name: &'static str,
    /// Then.
    pub first: f64,
    /// At last.
    pub last: f64,
    /// The last may be as high as this.
    pub bound: f64,
    /// The bound, in words.
    pub rule: &'static str,
}

/// What came of it.
pub struct Soak {
    /// In their order.
    pub minutes: Vec<Minute>,
    /// Instances begun.
    pub begun: usize,
    /// … that never ended.
    pub lost: usize,
}

/// Runs it, a line for each minute.
pub async fn run(seconds: u64) -> Soak {
    let broker = Broker::start(BrokerOptions::default()).await.expect("a broker");
    let (gateway, folder) = (functions().await, TempDir::new().expect("a folder"));
    let configuration = configure(folder.path(), &broker.grpc_address(), &gateway, LINES);
    let client = Client::new(&Settings::new(broker.grpc_address())).expect("an address");
    let (file, process) = Calling { retries: 50, ..Calling::new("faas") }.file();
    let files = vec![(file, process.into_bytes())];
    client.deploy_resource(files, "", Retry::within(PATIENCE)).await.expect("the process is deployed");
    // The callback URL is known before the bridge's port is: a proxy stands between.
    let callbacks = Proxy::http().await;
    let (url, limit) = (callbacks.url().to_owned(), MOST_AT_ONCE.to_string());
    let settings = [
        ("ZEEBE2FAAS_CALLBACK_URL", url.as_str()),
        ("ZEEBE2FAAS_WORKER_0__MAX_IN_FLIGHT", &limit),
        ("RUST_LOG", "zeebe2faas=warn"),
    ];
    let bridge = Bridge::start(&configuration, &settings, &callbacks).await;
    let load = Load { client, room: Arc::new(Semaphore::new(MOST_AT_ONCE)), ended: Arc::default() };
    let tasks = TaskTracker::new();
    let generator = tokio::spawn(load.clone().begin(Duration::from_secs(seconds), tasks.clone()));
    let (mut minutes, begun) = (Vec::new(), Instant::now());
    while minutes.len() < usize::try_from(seconds / 60).expect("few") {
        let number = u32::try_from(minutes.len() + 1).expect("few");
        tokio::time::sleep((MINUTE * number).saturating_sub(begun.elapsed())).await;
        let minute = measure(&load, &bridge, folder.path());
        println!("minute {number}: {minute:?}");
        minutes.push(minute);
    }
    let begun = generator.await.expect("it does not break off");
    tasks.close();
    tasks.wait().await;
    let last = load.take().len();
    let lost = begun - minutes.iter().map(|minute| minute.ended).sum::<usize>() - last;
    Soak { minutes, begun, lost }
}

#[derive(Clone)]
struct Load {
    client: Client,
    room: Arc<Semaphore>,
    ended: Arc<Mutex<Vec<f64>>>,
}

impl Load {
    /// Begins instances at the pace until the time is over; says how many.
    async fn begin(self, duration: Duration, tasks: TaskTracker) -> usize {
        let (mut begun, until) = (0, Instant::now() + duration);
        let mut pace = tokio::time::interval(Duration::from_secs(1) / CALLS_PER_SECOND);
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        while Instant::now() < until {
            pace.tick().await;
            let room = self.room.clone().acquire_owned().await.expect("it is never closed");
            begun += 1;
            let load = self.clone();
            tasks.spawn(async move {
                let (_room, begun) = (room, Instant::now());
                let variables = json!({ "folder": "/data", "name": "soak" });
                let instance = NewInstance { bpmn_process_id: "faas".to_owned(), variables, ..NewInstance::default() };
                let retry = Retry::within(PATIENCE);
                let result = load.client.create_process_instance_with_result(&instance, &[], PATIENCE, retry).await;
                match result {
                    Ok(_) => load.ended().push(begun.elapsed().as_secs_f64() * 1e3),
                    Err(error) => println!("an instance did not end: {error}"),
                }
            });
        }
        begun
    }

    fn take(&self) -> Vec<f64> {
        std::mem::take(&mut *self.ended())
    }

    fn ended(&self) -> std::sync::MutexGuard<'_, Vec<f64>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn measure(load: &Load, bridge: &Bridge, folder: &Path) -> Minute {
    let mut ended = load.take();
    ended.sort_by(f64::total_cmp);
    let part = |part: f64| ended.get(((ended.len() as f64 * part) as usize).min(ended.len().saturating_sub(1)));
    let path = folder.join("zeebe2faas.ledger");
    let ledger = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the ledger is there");
    let bytes = |path: &Path| path.metadata().map_or(0, |file| file.len());
    Minute {
        ended: ended.len(),
        median_ms: part(0.5).copied().unwrap_or(f64::INFINITY),
        p99_ms: part(0.99).copied().unwrap_or(f64::INFINITY),
        memory_mb: bridge.memory_kb("VmRSS") as f64 * 1024.0 / 1e6,
        rows: ledger.query_row("SELECT count(*) FROM calls", [], |row| row.get(0)).expect("a ledger"),
        ledger_mb: (bytes(&path) + bytes(&folder.join("zeebe2faas.ledger-wal"))) as f64 / 1e6,
    }
}

/// Takes every call, and calls back when the function would have worked.
async fn functions() -> String {
    async fn take(State(client): State<reqwest::Client>, headers: HeaderMap) -> StatusCode {
        let Some(url) = headers.get("x-callback-url").and_then(|url| url.to_str().ok()).map(str::to_owned) else {
            return StatusCode::BAD_REQUEST;
        };
        tokio::spawn(async move {
            tokio::time::sleep(WORK).await;
            let post = client.post(url).header("x-function-status", 200).body("{\"bands\": 4}");
            if let Err(error) = post.send().await {
                println!("a callback did not get through: {error}");
            }
        });
        StatusCode::ACCEPTED
    }
    let client = http();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let routes = Router::new().route("/async-function/{name}", post(take)).with_state(client);
    tokio::spawn(async move { axum::serve(listener, routes).await.expect("serving never fails") });
    url
}

impl Soak {
    /// First and last of what must stay flat.
    pub fn compared(&self) -> Vec<Compared> {
        let (Some(first), Some(last)) = (self.minutes.get(STEADY_FROM), self.minutes.last()) else { return Vec::new() };
        vec![
            Compared {
                name: "resident memory, MB",
                first: first.memory_mb,
                last: last.memory_mb,
                bound: first.memory_mb.mul_add(1.1, 2.0),
                rule: "1.1 × first + 2 MB",
            },
            Compared {
                name: "median latency, ms",
                first: first.median_ms,
                last: last.median_ms,
                bound: first.median_ms.mul_add(1.5, 20.0),
                rule: "1.5 × first + 20 ms",
            },
            Compared {
                name: "rows in the ledger",
                first: first.rows as f64,
                last: last.rows as f64,
                bound: first.rows as f64 * 1.2,
                rule: "1.2 × first",
            },
            Compared {
                name: "ledger with its log, MB",
                first: first.ledger_mb,
                last: last.ledger_mb,
                bound: first.ledger_mb.mul_add(1.1, 1.0),
                rule: "1.1 × first + 1 MB",
            },
        ]
    }

    /// Whether nothing was lost and everything stayed flat.
    pub fn is_good(&self) -> bool {
        let compared = self.compared();
        self.lost == 0 && !compared.is_empty() && compared.iter().all(|figure| figure.last <= figure.bound)
    }

    /// `docs/soak.md`.
    pub fn text(&self, facts: &[(&str, String)]) -> String {
        let verdict = if self.is_good() { "Everything stayed flat." } else { "**Not everything stayed flat.**" };
        let facts: String = facts.iter().map(|(name, value)| format!("| {name} | {value} |\n")).collect();
        let compared: String = self.compared().iter().map(Compared::row).collect();
        let minutes: String = self.minutes.iter().enumerate().map(|(number, minute)| minute.row(number + 1)).collect();
        let (begun, lost, first) = (self.begun, self.lost, STEADY_FROM + 1);
        format!(
            "\
# Soak

Whether the bridge stays as it is under a steady load. Written by `make soak`, not by hand: each figure below is from the
run of the date below.

{verdict} {begun} instances were begun, {CALLS_PER_SECOND} each second; {lost} did not end.

| | |
| --- | --- |
{facts}
| figure | minute {first} | last minute | may be at most | |
| --- | ---: | ---: | --- | --- |
{compared}
## By minute

| minute | instances ended | latency, median, ms | latency, 99 %, ms | memory, MB | rows | ledger, MB |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: |
{minutes}
## What is measured

The binary `zeebe2faas run` as a process of its own on a real Zeebe broker on the same machine, in reply mode `message`.
OpenFaaS is stood in for by a gateway that calls back {work} ms after it took a call. Latency is from the start of a
process instance to its end, as a client of Zeebe sees it, so that the broker and whatever else the machine does are in
it. Deadlines, tokens (`calls.token_grace`) and messages (`calls.message_ttl`) live for a minute and old rows are looked
for every 5 s (`calls.forget_interval`), so that a row is gone within two minutes and a quarter of its call; from minute
{first} on as many go as come. Memory is the kernel's VmRSS, the ledger is its file and its write-ahead log; MB are
10⁶ bytes.

`make soak` takes ten minutes; `make soak SOAK_SECONDS=3600` an hour. It ends with 1 when something did not stay flat.
",
            work = WORK.as_millis()
        )
    }
}

impl Compared {
    fn row(&self) -> String {
        let Self { name, first, last, bound, rule } = self;
        let met = if last <= bound { "met" } else { "**missed**" };
        format!("| {name} | {first:.1} | {last:.1} | {bound:.1} ({rule}) | {met} |\n")
    }
}

impl Minute {
    fn row(&self, number: usize) -> String {
        let Self { ended, median_ms, p99_ms, memory_mb, rows, ledger_mb } = self;
        format!("| {number} | {ended} | {median_ms:.0} | {p99_ms:.0} | {memory_mb:.1} | {rows} | {ledger_mb:.1} |\n")
    }
}
