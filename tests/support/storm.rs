//! 10,000 callbacks while Zeebe is away: each is answered from the ledger, and delivered when Zeebe is back.

use crate::{
    crash::{Bridge, Proxy, Relay},
    fake_gateway::{FakeGateway, Seen},
    fake_openfaas::FakeOpenFaas,
    http,
    live::{calling, configure},
    soon,
};
use futures_util::StreamExt;
use std::{
    collections::BTreeSet,
    fmt,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Calls in flight, and callbacks.
pub const CALLS: usize = 10_000;
/// How long Zeebe is away, from the first callback on.
pub const AWAY: Duration = Duration::from_secs(60);
/// The bridge's memory may come to this, in MB (10⁶ bytes).
pub const BOUND_MB: f64 = 100.0;
/// Callbacks that are sent at the same time, as by so many queue workers.
const AT_ONCE: usize = 64;
/// Jobs that are put in at once.
const BATCH: usize = 500;

/// What came of it.
#[derive(Debug)]
pub struct Storm {
    answered: usize,
    answering: Duration,
    delivered: usize,
    delivering: Duration,
    idle_mb: f64,
    in_flight_mb: f64,
    peak_mb: f64,
}

/// Runs it: a bridge process of its own between stand-ins for Zeebe and OpenFaaS.
pub async fn run() -> Storm {
    let (fake, mut openfaas) = (FakeGateway::start(), FakeOpenFaas::start().await);
    let (zeebe, folder) = (Relay::to(&fake.address()), TempDir::new().expect("a folder"));
    let configuration = configure(folder.path(), &zeebe.url(), openfaas.url(), "");
    let settings = [("ZEEBE2FAAS_WORKER_0__MAX_IN_FLIGHT", "20000"), ("RUST_LOG", "zeebe2faas=warn")];
    let bridge = Bridge::start(&configuration, &settings, &Proxy::http().await).await;
    let idle_mb = memory_mb(&bridge, "VmRSS");
    let mut tokens = Vec::new();
    while tokens.len() < CALLS {
        let first = tokens.len() + 1;
        let keys = first..first + BATCH;
        fake.add_to_backlog(keys.map(|key| calling(i64::try_from(key).expect("few"), "storm")));
        for _ in 0..BATCH {
            tokens.push(openfaas.invocation().await.token().to_owned());
        }
    }
    bridge.has_counted("zeebe2faas_calls_in_flight", CALLS as f64).await;
    let in_flight_mb = memory_mb(&bridge, "VmRSS");

    zeebe.cut().await;
    let (begun, client) = (Instant::now(), http());
    let sent = futures_util::stream::iter(tokens).map(async |token| {
        let post = client.post(format!("{}/callback/{token}", bridge.callback_url())).header("x-function-status", 200);
        post.body("{\"bands\": 4}").send().await.is_ok_and(|answer| answer.status().is_success())
    });
    let answered = sent.buffer_unordered(AT_ONCE).filter(|good| std::future::ready(*good)).count().await;
    let answering = begun.elapsed();
    tokio::time::sleep(AWAY.saturating_sub(answering)).await;
    zeebe.mend();
    let mended = Instant::now();
    soon(async {
        while delivered(&fake) < CALLS {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    })
    .await;
    let (delivering, delivered) = (mended.elapsed(), delivered(&fake));
    Storm { answered, answering, delivered, delivering, idle_mb, in_flight_mb, peak_mb: memory_mb(&bridge, "VmHWM") }
}

/// Different calls of which Zeebe has the outcome.
fn delivered(fake: &FakeGateway) -> usize {
    let seen = fake.seen();
    let ids = seen.iter().filter_map(|seen| match seen {
        Seen::Publish(message) => Some(message.message_id.as_str()),
        _ => None,
    });
    ids.collect::<BTreeSet<_>>().len()
}

fn memory_mb(bridge: &Bridge, name: &str) -> f64 {
    bridge.memory_kb(name) as f64 * 1024.0 / 1e6
}

impl Storm {
    /// Whether none was lost and the bound was kept.
    pub fn is_good(&self) -> bool {
        self.answered == CALLS && self.delivered == CALLS && self.peak_mb < BOUND_MB
    }

    /// For the report.
    pub fn section(&self) -> String {
        let verdict = if self.is_good() { "All delivered, below the bound." } else { "**Failed.**" };
        format!(
            "
## {CALLS} callbacks while Zeebe is away

{verdict} {CALLS} calls are in flight; Zeebe goes away for {away} s; all callbacks come, {AT_ONCE} at a time; Zeebe
comes back. The bridge is a process of its own between stand-ins for Zeebe and OpenFaaS, on default settings but for
`max_in_flight`. Memory is the kernel's VmRSS and VmHWM, MB are 10⁶ bytes.

| figure | |
| --- | ---: |
| callbacks answered 200 while Zeebe was away | {answered} |
| … within | {answering:.1} s |
| outcomes delivered | {delivered} |
| … after Zeebe's return, within | {delivering:.1} s |
| memory, idle | {idle:.1} MB |
| memory, {CALLS} calls in flight | {in_flight:.1} MB |
| memory, the most (bound {BOUND_MB} MB) | {peak:.1} MB |
",
            away = AWAY.as_secs(),
            answered = self.answered,
            answering = self.answering.as_secs_f64(),
            delivered = self.delivered,
            delivering = self.delivering.as_secs_f64(),
            idle = self.idle_mb,
            in_flight = self.in_flight_mb,
            peak = self.peak_mb,
        )
    }
}

impl fmt::Display for Storm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = if self.is_good() { "ok" } else { "FAILED" };
        write!(f, "{} answered, {} delivered, at most {:.1} MB: {said}", self.answered, self.delivered, self.peak_mb)
    }
}
