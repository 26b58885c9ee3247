use crate::zeebe::{Client, Job, JobStream, Retry};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// A closing stream is read until nothing has come for this long…
const QUIET: Duration = Duration::from_millis(20);
/// …but no longer than this,
const LONGEST_CLOSE: Duration = Duration::from_millis(200);
/// …and no more jobs than this.
const MAX_SURPLUS: usize = 1000;
/// The lock that a job is given back with: over at once.
const NO_LOCK: Duration = Duration::from_millis(1);
/// How long giving jobs back may take; the others come back when their locks end.
const GIVE_BACK: Duration = Duration::from_secs(2);

/// Closes the stream, and gives back what it brought meanwhile, so that it is not locked for nobody.
pub(super) async fn close(client: &Client, mut stream: JobStream) {
    let end = Instant::now() + LONGEST_CLOSE;
    let mut surplus = Vec::new();
    while surplus.len() < MAX_SURPLUS {
        let quiet = end.min(Instant::now() + QUIET);
        let Ok(Some(Ok(job))) = timeout_at(quiet, stream.next()).await else { break };
        surplus.push(job);
    }
    drop(stream);
    give_back(client, surplus).await;
}

/// Ends the locks of jobs, so that Zeebe hands them out again, to anybody; their retries stay as they are.
pub(super) async fn give_back(client: &Client, jobs: Vec<Job>) {
    let retry = Retry::within(GIVE_BACK);
    for job in jobs {
        tracing::debug!(job_type = job.job_type, job_key = job.key, "given back: no permit is free for it");
        if let Err(error) = client.update_job_timeout(job.key, NO_LOCK, retry).await {
            tracing::debug!(job_key = job.key, %error, "not given back: it is handed out when its lock ends");
        }
    }
}
