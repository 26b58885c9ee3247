//! The measurements.

use super::{
    BenchError,
    process::Bridge,
    report::{Figure, Unit},
    scene::Scene,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use std::time::{Duration, Instant};

/// Calls in flight whose memory is measured.
pub const IN_FLIGHT: usize = 1000;
/// Instances at once while CPU time is measured.
pub const AT_ONCE: usize = 32;
/// Calls before that: connections and the broker's code get warm.
const WARM_UP: usize = 200;

const MEMORY_BOUND: f64 = 20e6;
const START_BOUND: f64 = 0.2;
const PATIENCE: Duration = Duration::from_secs(60);

/// Resident memory, idle and with many calls in flight.
pub async fn memory(scene: &Scene, runs: u32) -> Result<Vec<Figure>, BenchError> {
    let mut idle = Figure::new("Resident memory, idle", Unit::Megabytes);
    let mut busy = Figure::bounded("Resident memory, 1,000 calls in flight", Unit::Megabytes, MEMORY_BOUND);
    let mut anonymous = Figure::new("… of it heap and stacks", Unit::Megabytes);
    let mut peak = Figure::bounded("Peak of it, from start to 1,000 calls in flight", Unit::Megabytes, MEMORY_BOUND);
    for _ in 0..runs {
        let job_type = Scene::job_type();
        scene.gateway.begin(false);
        let mut bridge = scene.bridge(&job_type, IN_FLIGHT + 1)?;
        bridge.ready().await?;
        idle.add(bridge.memory()?.resident);
        side_by_side(IN_FLIGHT, || scene.begin(&job_type)).await?;
        bridge.metric_reaches("zeebe2faas_submissions_total", IN_FLIGHT as f64).await?;
        let in_flight = bridge.metric("zeebe2faas_calls_in_flight").await?;
        if in_flight != IN_FLIGHT as f64 {
            return Err(bridge.error(format!("{in_flight} calls are in flight, not {IN_FLIGHT}")));
        }
        let memory = bridge.memory()?;
        busy.add(memory.resident);
        anonymous.add(memory.anonymous);
        peak.add(memory.peak);
        bridge.stop().await?;
    }
    Ok(vec![idle, busy, anonymous, peak])
}

/// From the process's start to its first job, which waits in Zeebe, and to that job's invocation.
pub async fn start(scene: &Scene, runs: u32) -> Result<Vec<Figure>, BenchError> {
    let mut activated = Figure::bounded("Process start to first activated job", Unit::Milliseconds, START_BOUND);
    let mut invoked = Figure::new("Process start to its invocation at the gateway", Unit::Milliseconds);
    for _ in 0..runs {
        let job_type = Scene::job_type();
        scene.gateway.begin(false);
        scene.begin(&job_type).await?;
        let mut bridge = scene.bridge(&job_type, 64)?;
        let mut arrived = scene.gateway.arrived();
        let waited = tokio::time::timeout(PATIENCE, arrived.wait_for(|count| *count > 0)).await;
        let Ok(Ok(_)) = waited else { return Err(bridge.error("no invocation arrived".to_owned())) };
        if let Some(at) = scene.gateway.last() {
            invoked.add(at.duration_since(bridge.spawned).as_secs_f64());
        }
        bridge.ready().await?;
        activated.add((bridge.accepted_ms().await? - bridge.spawned_ms) / 1e3);
        bridge.stop().await?;
    }
    Ok(vec![activated, invoked])
}

/// What a call costs, from its job to its delivered outcome.
pub async fn cpu(scene: &Scene, runs: u32, calls: usize) -> Result<Vec<Figure>, BenchError> {
    let mut cpu = Figure::new("Bridge CPU per call, user and system", Unit::Milliseconds);
    let mut commits = Figure::new("Ledger commits per call", Unit::Count);
    let mut rate = Figure::new("Instances per second", Unit::Count);
    let mut resident = Figure::new("Resident memory after these calls", Unit::Megabytes);
    for _ in 0..runs {
        let job_type = Scene::job_type();
        scene.gateway.begin(true);
        let mut bridge = scene.bridge(&job_type, 64)?;
        bridge.ready().await?;
        side_by_side(WARM_UP, || scene.through(&job_type)).await?;
        let before = reading(&bridge).await?;
        let began = Instant::now();
        side_by_side(calls, || scene.through(&job_type)).await?;
        let elapsed = began.elapsed();
        let after = reading(&bridge).await?;
        cpu.add((after.0 - before.0) / calls as f64);
        commits.add((after.1 - before.1) / calls as f64);
        rate.add(calls as f64 / elapsed.as_secs_f64());
        resident.add(bridge.memory()?.resident);
        bridge.stop().await?;
    }
    Ok(vec![cpu, commits, rate, resident])
}

/// CPU seconds and ledger commits.
async fn reading(bridge: &Bridge) -> Result<(f64, f64), BenchError> {
    Ok((bridge.cpu_seconds()?, bridge.metric("zeebe2faas_ledger_commit_seconds_count").await?))
}

/// Does it that often, [`AT_ONCE`] at a time.
pub async fn side_by_side<F>(times: usize, work: impl Fn() -> F) -> Result<(), BenchError>
where
    F: Future<Output = Result<(), BenchError>>,
{
    stream::iter(0..times).map(|_| Ok(work())).try_buffer_unordered(AT_ONCE).try_collect().await
}
