//! How fast the embedded engine is: with a worker that does nothing else, and with the bridge.

use super::{
    BenchError,
    measure::side_by_side,
    report::{Figure, Unit},
    scene::Scene,
};
use futures_util::future::try_join_all;
use serde_json::json;
use std::time::{Duration, Instant};
use zeebe2faas::zeebe::{Job, JobQuery, Message, Retry};

/// Jobs that the bare worker takes at once.
const BATCH: u32 = 32;
const PATIENCE: Duration = Duration::from_secs(60);
/// Instances before those that count.
const WARM_UP: usize = 200;

/// Instances per second, with nothing but the engine to wait for, and with the bridge.
pub async fn measure(runs: u32, instances: usize) -> Result<Vec<Figure>, BenchError> {
    let scene = Scene::on_engine().await?;
    let mut bare = Figure::new("Instances per second, embedded engine and a bare worker", Unit::Count);
    let mut bridged = Figure::new("… embedded engine and the bridge", Unit::Count);
    for _ in 0..runs {
        let job_type = Scene::job_type();
        tokio::select! {
            ended = work(&scene, &job_type) => return Err(ended.err().unwrap_or_else(|| BenchError::NoFigure {
                place: "the bare worker".to_owned(),
                what: "why it ended".to_owned(),
            })),
            rate = rate(&scene, &job_type, instances) => bare.add(rate?),
        }
        scene.gateway.begin(true);
        let job_type = Scene::job_type();
        let mut bridge = scene.bridge(&job_type, 64)?;
        bridge.ready().await?;
        bridged.add(rate(&scene, &job_type, instances).await?);
        bridge.stop().await?;
    }
    scene.stop().await;
    Ok(vec![bare, bridged])
}

async fn rate(scene: &Scene, job_type: &str, instances: usize) -> Result<f64, BenchError> {
    side_by_side(WARM_UP, || scene.through(job_type)).await?;
    let began = Instant::now();
    side_by_side(instances, || scene.through(job_type)).await?;
    Ok(instances as f64 / began.elapsed().as_secs_f64())
}

/// Completes each job and publishes its message, without end.
async fn work(scene: &Scene, job_type: &str) -> Result<(), BenchError> {
    let query = JobQuery {
        job_type: job_type.to_owned(),
        worker: "bench".to_owned(),
        lock: PATIENCE,
        variables: Vec::new(),
        tenants: Vec::new(),
    };
    loop {
        let jobs = scene.zeebe().activate_jobs(&query, BATCH, PATIENCE).await?;
        try_join_all(jobs.iter().map(|job| finish(scene, job))).await?;
    }
}

async fn finish(scene: &Scene, job: &Job) -> Result<(), BenchError> {
    let retry = Retry::within(PATIENCE);
    let id = job.key.to_string();
    scene.zeebe().complete_job(job.key, &json!({ "call": { "callId": id } }), retry).await?;
    let message = Message {
        name: "faas-done".to_owned(),
        correlation_key: id.clone(),
        id,
        time_to_live: PATIENCE,
        ..Message::default()
    };
    scene.zeebe().publish_message(&message, retry).await?;
    Ok(())
}
