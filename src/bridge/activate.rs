//! Takes jobs of one type from Zeebe, never more than there are permits: the surplus stays in Zeebe, where another
//! replica finds it.

mod connection;
mod surplus;

pub use connection::Connection;

use crate::{
    clock,
    zeebe::{Client, Error, Job, JobQuery, JobStream, Pauses},
};
use connection::Reporter;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

/// The most jobs that one poll asks for.
const MAX_BATCH: usize = 256;
/// A job with less than this part of its lock left is not worked.
const LEAST_LOCK_PART: u32 = 4;
/// The first poll after a stream was opened: for jobs that came between the last poll and the stream.
const SETTLE: Duration = Duration::from_secs(1);
/// A stream that has lived this long was a good one.
const STEADY: Duration = Duration::from_secs(10);
/// How long a full worker keeps its stream, unread: short steps free a permit sooner than a stream is opened again.
const LINGER: Duration = Duration::from_millis(50);
/// How long a poll that is under way when the worker stops may take.
const LAST_POLL: Duration = Duration::from_secs(2);

/// What one worker takes, and how.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The jobs, and how long they are locked: about a minute, for a lost answer costs one lock.
    pub query: JobQuery,
    /// Whether jobs are pushed. Without it each poll waits for jobs.
    pub stream: bool,
    /// The pause between two polls that found nothing. With a stream they only find what it did not push.
    pub poll_interval: Duration,
    /// How long a poll waits for a job, without a stream.
    pub long_poll: Duration,
}

/// A job to work, and the permit to do so: the worker has room again when it is dropped.
#[derive(Debug)]
pub struct Activated {
    /// The job.
    pub job: Job,
    /// Held until the call that the job becomes is delivered.
    pub permit: OwnedSemaphorePermit,
}

/// Runs one worker.
#[derive(Debug)]
pub struct Activator {
    client: Client,
    settings: Settings,
    permits: Arc<Semaphore>,
    jobs: mpsc::Sender<Activated>,
    stop: CancellationToken,
    connection: Reporter,
    poll_pauses: Pauses,
    stream_pauses: Pauses,
    /// What was said last of streams that fail for good, so that it is said once.
    stream_trouble: Option<Error>,
    /// The broker's clock minus this host's, as the last polled job showed it.
    skew_ms: i64,
}

/// Why a session ended.
enum End {
    Full,
    StreamClosed,
    Stopped,
}

/// How a poll ended; with a permit where one is left.
enum Polled {
    Empty(OwnedSemaphorePermit),
    Busy(OwnedSemaphorePermit),
    Full,
    Stopped,
}

/// Why reading the stream ended.
enum Read {
    PollDue(OwnedSemaphorePermit),
    End(End),
}

impl Activator {
    /// A worker that takes a job only with one of `permits`, and sends both to `jobs`, which needs room for as many.
    /// It ends when `stop` is cancelled or nobody receives any more. The receiver shows whether Zeebe answers.
    pub fn new(
        client: Client,
        settings: Settings,
        permits: Arc<Semaphore>,
        jobs: mpsc::Sender<Activated>,
        stop: &CancellationToken,
    ) -> (Self, watch::Receiver<Connection>) {
        let (connection, status) = Reporter::new(&settings.query.job_type, client.address());
        let pauses = || Pauses::new(client.settings());
        let (poll_pauses, stream_pauses, stop) = (pauses(), pauses(), stop.child_token());
        let stream_trouble = None;
        let skew_ms = 0;
        let worker = Self {
            client,
            settings,
            permits,
            jobs,
            stop,
            connection,
            poll_pauses,
            stream_pauses,
            stream_trouble,
            skew_ms,
        };
        (worker, status)
    }

    /// Takes jobs until it is stopped; what Zeebe pushed and nobody has begun is then given back.
    pub async fn run(mut self) {
        let stop = self.stop.clone();
        while let Some(Ok(permit)) = stop.run_until_cancelled(self.permits.clone().acquire_owned()).await {
            let pause = match self.session(permit).await {
                Ok(End::Full) => continue,
                Ok(End::Stopped) => break,
                Ok(End::StreamClosed) => self.stream_pauses.next(),
                Err(error) => {
                    self.connection.waiting(&error);
                    self.poll_pauses.next()
                }
            };
            if stop.run_until_cancelled(sleep(pause)).await.is_none() {
                break;
            }
        }
    }

    /// Polls, then reads the stream until the next poll is due, and so on until no permit is left.
    async fn session(&mut self, mut permit: OwnedSemaphorePermit) -> Result<End, Error> {
        let mut stream = None;
        let end = loop {
            let polled = Instant::now();
            let mut next_poll = polled + self.settings.poll_interval;
            permit = match self.poll(permit).await? {
                Polled::Empty(permit) => permit,
                Polled::Busy(permit) => {
                    next_poll = polled + self.poll_pauses.next();
                    permit
                }
                Polled::Full => break End::Full,
                Polled::Stopped => break End::Stopped,
            };
            if !self.settings.stream {
                if self.stop.run_until_cancelled(sleep_until(next_poll)).await.is_none() {
                    break End::Stopped;
                }
                continue;
            }
            if stream.is_none() {
                next_poll = next_poll.min(polled + SETTLE);
            }
            let stream = stream.get_or_insert_with(|| self.client.stream_activated_jobs(&self.settings.query));
            permit = match self.read(stream, permit, next_poll).await {
                Read::PollDue(permit) => permit,
                Read::End(end) => break end,
            };
        };
        if let Some(stream) = stream {
            surplus::close(&self.client, stream).await;
        }
        Ok(end)
    }

    /// Fetches the jobs that wait in Zeebe, until there are none or no permit is left.
    async fn poll(&mut self, mut permits: OwnedSemaphorePermit) -> Result<Polled, Error> {
        let wait = if self.settings.stream { Duration::ZERO } else { self.settings.long_poll };
        let grace = if self.settings.stream { LAST_POLL } else { Duration::ZERO };
        loop {
            self.take_free_permits(&mut permits);
            let most = u32::try_from(permits.num_permits()).unwrap_or(u32::MAX);
            let asked = Instant::now();
            let answer = tokio::select! {
                biased;
                answer = self.client.activate_jobs(&self.settings.query, most, wait) => answer,
                () = async { self.stop.cancelled().await; sleep(grace).await } => return Ok(Polled::Stopped),
            };
            let jobs = match answer {
                Ok(jobs) => jobs,
                Err(Error::Backpressure { .. }) => {
                    self.connection.connected();
                    return Ok(permits.split(1).map_or(Polled::Full, Polled::Busy));
                }
                Err(error) => return Err(error),
            };
            self.connection.connected();
            self.poll_pauses.reset();
            if self.stop.is_cancelled() {
                surplus::give_back(&self.client, jobs).await;
                return Ok(Polled::Stopped);
            }
            if jobs.is_empty() {
                return Ok(permits.split(1).map_or(Polled::Full, Polled::Empty));
            }
            self.hand_out_polled(jobs, &mut permits, asked).await;
            if permits.num_permits() == 0 {
                let Ok(permit) = self.permits.clone().try_acquire_owned() else { return Ok(Polled::Full) };
                permits = permit;
            }
        }
    }

    fn take_free_permits(&self, permits: &mut OwnedSemaphorePermit) {
        while permits.num_permits() < MAX_BATCH {
            let Ok(permit) = self.permits.clone().try_acquire_owned() else { return };
            permits.merge(permit);
        }
    }

    /// The locks of polled jobs began after `asked`: no clock but this host's is needed to know how old they are.
    async fn hand_out_polled(&mut self, jobs: Vec<Job>, permits: &mut OwnedSemaphorePermit, asked: Instant) {
        if let Some(job) = jobs.first() {
            self.measure_skew(job);
        }
        let mut too_many = Vec::new();
        for job in jobs {
            let left = self.settings.query.lock.saturating_sub(asked.elapsed());
            if !self.is_fresh(&job, left) {
                continue;
            }
            match permits.split(1) {
                Some(permit) => self.hand_out(job, permit).await,
                None => too_many.push(job),
            }
        }
        surplus::give_back(&self.client, too_many).await;
    }

    /// Hands out what the stream brings until the next poll. A message is only read with a permit for it in hand.
    async fn read(&mut self, stream: &mut JobStream, mut permit: OwnedSemaphorePermit, next_poll: Instant) -> Read {
        let began = Instant::now();
        let stop = self.stop.clone();
        loop {
            let next = tokio::select! {
                biased;
                () = stop.cancelled() => return Read::End(End::Stopped),
                () = sleep_until(next_poll) => {
                    self.stream_is_good(began.elapsed() >= STEADY);
                    return Read::PollDue(permit);
                }
                next = stream.next() => next,
            };
            let job = match next {
                Some(Ok(job)) => job,
                Some(Err(error)) => {
                    self.stream_failed(error);
                    return Read::End(End::StreamClosed);
                }
                None => return Read::End(End::StreamClosed),
            };
            self.stream_is_good(true);
            let left = job.lock_left(now_ms().saturating_add(self.skew_ms));
            if !self.is_fresh(&job, left) {
                continue;
            }
            self.hand_out(job, permit).await;
            permit = match timeout(LINGER, self.permits.clone().acquire_owned()).await {
                Ok(Ok(permit)) => permit,
                _ => return Read::End(End::Full),
            };
        }
    }

    async fn hand_out(&self, job: Job, permit: OwnedSemaphorePermit) {
        if self.jobs.send(Activated { job, permit }).await.is_err() {
            tracing::debug!(job_type = self.settings.query.job_type, "nobody takes jobs any more: stopping");
            self.stop.cancel();
        }
    }

    /// Whether enough of the lock is left to begin; otherwise Zeebe hands the job out again when the lock ends.
    fn is_fresh(&self, job: &Job, left: Duration) -> bool {
        let fresh = left >= self.settings.query.lock / LEAST_LOCK_PART;
        if !fresh {
            tracing::warn!(
                job_type = job.job_type, job_key = job.key, instance = job.process_instance_key, element = job.element_id, ?left, lock = ?self.settings.query.lock,
                "left to Zeebe: the job's lock is nearly over; if this repeats, compare this host's clock with Zeebe's"
            );
        }
        fresh
    }

    fn measure_skew(&mut self, fresh: &Job) {
        let lock = i64::try_from(self.settings.query.lock.as_millis()).unwrap_or(i64::MAX);
        self.skew_ms = fresh.deadline_ms.saturating_sub(lock).saturating_sub(now_ms());
    }

    fn stream_is_good(&mut self, good: bool) {
        if good {
            self.stream_trouble = None;
            self.stream_pauses.reset();
        }
    }

    /// A broken connection is for the next poll to judge; an answer that will not change is said once.
    fn stream_failed(&mut self, error: Error) {
        let job_type = &self.settings.query.job_type;
        if error.is_passing() {
            tracing::debug!(job_type, %error, "the job stream broke: opening it again");
        } else if self.stream_trouble.as_ref() != Some(&error) {
            tracing::warn!(job_type, %error, "no job stream, only polls; `stream = false` spares the attempts");
            self.stream_trouble = Some(error);
        }
    }
}

/// This host's clock, in milliseconds since 1970 (UTC).
fn now_ms() -> i64 {
    i64::try_from(clock::now_ms()).unwrap_or(i64::MAX)
}
