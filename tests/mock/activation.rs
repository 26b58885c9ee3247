#![expect(clippy::unwrap_used, reason = "tests")]

//! Activation against a gateway that pushes too much, cuts streams, or crashes.

use serde_json::json;
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tonic::Code;
use zeebe2faas::{
    bridge::activate::{Activated, Activator, Connection, Settings},
    zeebe::{self, Client, JobQuery, Retry},
};
use zeebe2faas_tests::fake_gateway::{Answer, FakeGateway, Seen, job};

const LOCK: Duration = Duration::from_secs(60);
/// Far beyond what a test needs; it only ends those that fail.
const PATIENCE: Duration = Duration::from_secs(20);

struct Worker {
    jobs: mpsc::Receiver<Activated>,
    connection: watch::Receiver<Connection>,
    stop: CancellationToken,
    client: Client,
    task: JoinHandle<()>,
}

impl Worker {
    fn start(gateway: &FakeGateway, max_in_flight: usize, stream: bool) -> Self {
        let longest_pause = Duration::from_millis(50);
        let client =
            Client::new(&zeebe::Settings { longest_pause, ..zeebe::Settings::new(gateway.address()) }).unwrap();
        let query = JobQuery {
            job_type: "faas".into(),
            worker: "test".into(),
            lock: LOCK,
            variables: Vec::new(),
            tenants: Vec::new(),
        };
        let settings = Settings { query, stream, poll_interval: PATIENCE, long_poll: PATIENCE };
        let (send, jobs) = mpsc::channel(max_in_flight);
        let stop = CancellationToken::new();
        let permits = Arc::new(Semaphore::new(max_in_flight));
        let (activator, connection) = Activator::new(client.clone(), settings, permits, send, &stop);
        Self { jobs, connection, stop, client, task: tokio::spawn(activator.run()) }
    }

    async fn next(&mut self) -> Activated {
        timeout(PATIENCE, self.jobs.recv()).await.unwrap().unwrap()
    }

    async fn until(&mut self, wanted: impl FnMut(&Connection) -> bool) {
        timeout(PATIENCE, self.connection.wait_for(wanted)).await.unwrap().unwrap();
    }
}

/// The keys of jobs that were given back with all their retries.
fn given_back(seen: &[Seen]) -> BTreeSet<i64> {
    let key = |seen: &Seen| match seen {
        Seen::Fail(request) if request.retries == 3 && request.retry_back_off == 0 => Some(request.job_key),
        _ => None,
    };
    seen.iter().filter_map(key).collect()
}

fn polls(seen: &[Seen]) -> Vec<i32> {
    let most = |seen: &Seen| if let Seen::Activate(request) = seen { Some(request.max_jobs_to_activate) } else { None };
    seen.iter().filter_map(most).collect()
}

#[tokio::test]
async fn the_backlog_is_drained_before_the_stream_brings_more() {
    let gateway = FakeGateway::start();
    gateway.add_to_backlog((1..=5).map(|key| job(key, LOCK)));
    let mut worker = Worker::start(&gateway, 10, true);
    let mut held = Vec::new();
    for key in 1..=5 {
        held.push(worker.next().await);
        assert_eq!(held.last().unwrap().job.key, key);
    }
    gateway.until_streams_are(1).await;
    gateway.push([job(6, LOCK)]);
    assert_eq!(worker.next().await.job.key, 6);
    assert_eq!(polls(&gateway.seen())[..2], [10, 5]);
}

#[tokio::test]
async fn a_full_worker_asks_for_nothing_until_a_permit_is_free() {
    let gateway = FakeGateway::start();
    gateway.add_to_backlog((1..=20).map(|key| job(key, LOCK)));
    let mut worker = Worker::start(&gateway, 3, true);
    let mut held = vec![worker.next().await, worker.next().await, worker.next().await];
    let mut keys: BTreeSet<_> = held.iter().map(|activated| activated.job.key).collect();
    for _ in 3..20 {
        assert!(worker.jobs.try_recv().is_err(), "handed out beyond the limit");
        held.remove(0);
        held.push(worker.next().await);
        keys.insert(held[2].job.key);
    }
    assert_eq!(keys.len(), 20);
    assert!(polls(&gateway.seen()).into_iter().all(|most| (1..=3).contains(&most)));
    gateway.until_streams_are(0).await;
}

#[tokio::test]
async fn what_is_pushed_beyond_the_limit_is_given_back_and_the_stream_is_closed() {
    let gateway = FakeGateway::start();
    let mut worker = Worker::start(&gateway, 2, true);
    gateway.until_streams_are(1).await;
    gateway.push((1..=10).map(|key| job(key, LOCK)));
    let _held = [worker.next().await, worker.next().await];
    gateway.until_seen(|seen| given_back(seen) == (3..=10).collect()).await;
    gateway.until_streams_are(0).await;
    assert!(worker.jobs.try_recv().is_err());
}

#[tokio::test]
async fn a_full_worker_takes_jobs_again_when_a_permit_is_free() {
    let gateway = FakeGateway::start();
    let mut worker = Worker::start(&gateway, 1, true);
    gateway.until_streams_are(1).await;
    gateway.push([job(1, LOCK)]);
    let first = worker.next().await;
    gateway.until_streams_are(0).await;
    gateway.add_to_backlog([job(2, LOCK)]);
    drop(first);
    let second = worker.next().await;
    assert_eq!(second.job.key, 2);
    drop(second);
    gateway.until_streams_are(1).await;
}

#[tokio::test]
async fn a_job_whose_lock_is_nearly_over_is_left_to_zeebe() {
    let gateway = FakeGateway::start();
    let mut worker = Worker::start(&gateway, 1, true);
    gateway.until_streams_are(1).await;
    gateway.push([job(1, LOCK / 10), job(2, LOCK)]);
    assert_eq!(worker.next().await.job.key, 2);
}

#[tokio::test]
async fn clocks_that_differ_do_not_stop_the_work() {
    let gateway = FakeGateway::start();
    // The broker's clock is an hour slow: by ours, the locks are over before they begin.
    let slow = |key| zeebe::proto::ActivatedJob { deadline: job(key, LOCK).deadline - 3_600_000, ..job(key, LOCK) };
    gateway.add_to_backlog([slow(1)]);
    let mut worker = Worker::start(&gateway, 5, true);
    assert_eq!(worker.next().await.job.key, 1);
    gateway.until_streams_are(1).await;
    gateway.push([slow(2)]);
    assert_eq!(worker.next().await.job.key, 2);
}

#[tokio::test]
async fn completions_go_through_while_activation_waits() {
    let gateway = FakeGateway::start();
    let mut worker = Worker::start(&gateway, 1, false);
    gateway.until_seen(|seen| !polls(seen).is_empty()).await;
    timeout(PATIENCE / 2, worker.client.complete_job(9, &json!({}), Retry::Never)).await.unwrap().unwrap();
    gateway.add_to_backlog([job(1, LOCK)]);
    assert_eq!(worker.next().await.job.key, 1);
}

#[tokio::test]
async fn a_crash_of_zeebe_is_shown_and_then_survived() {
    let mut gateway = FakeGateway::start();
    let mut worker = Worker::start(&gateway, 5, true);
    worker.until(|state| *state == Connection::Connected).await;
    gateway.until_streams_are(1).await;
    gateway.crash();
    worker.until(|state| matches!(state, Connection::Waiting { .. })).await;
    let gateway = gateway.restart();
    worker.until(|state| *state == Connection::Connected).await;
    gateway.until_streams_are(1).await;
    gateway.push([job(1, LOCK)]);
    assert_eq!(worker.next().await.job.key, 1);
}

#[tokio::test]
async fn a_stream_that_a_proxy_cuts_is_opened_again() {
    let gateway = FakeGateway::start();
    let mut worker = Worker::start(&gateway, 5, true);
    for key in 1..=3 {
        gateway.until_streams_are(1).await;
        gateway.push([job(key, LOCK)]);
        assert_eq!(worker.next().await.job.key, key);
        gateway.end_streams();
    }
}

#[tokio::test]
async fn a_gateway_without_streams_is_polled() {
    let gateway = FakeGateway::start();
    for _ in 0..1000 {
        gateway.script("StreamActivatedJobs", Answer::Status(Code::Unimplemented));
    }
    let mut worker = Worker::start(&gateway, 5, true);
    gateway.until_seen(|seen| seen.iter().any(|seen| matches!(seen, Seen::Stream(_)))).await;
    gateway.add_to_backlog([job(1, LOCK)]);
    assert_eq!(worker.next().await.job.key, 1);
}

#[tokio::test]
async fn back_pressure_on_a_poll_is_no_loss_of_connection() {
    let gateway = FakeGateway::start();
    for _ in 0..3 {
        gateway.script("ActivateJobs", Answer::Status(Code::ResourceExhausted));
    }
    gateway.add_to_backlog([job(1, LOCK)]);
    let mut worker = Worker::start(&gateway, 5, true);
    assert_eq!(worker.next().await.job.key, 1);
    assert_eq!(*worker.connection.borrow(), Connection::Connected);
}

#[tokio::test]
async fn stopping_closes_the_stream_and_ends_the_worker() {
    for stream in [true, false] {
        let gateway = FakeGateway::start();
        let worker = Worker::start(&gateway, 5, stream);
        gateway.until_seen(|seen| seen.len() > usize::from(stream)).await;
        worker.stop.cancel();
        timeout(PATIENCE / 2, worker.task).await.unwrap().unwrap();
        gateway.until_streams_are(0).await;
    }
}
