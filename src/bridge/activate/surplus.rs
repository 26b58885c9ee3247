use crate::zeebe::{Client, FailJob, Job, JobStream, Retry};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// A closing stream is read until nothing has come for this long…
const QUIET: Duration = Duration::from_millis(20);
/// …but no longer than this,
const LONGEST_CLOSE: Duration = Duration::from_millis(200);
/// …and no more jobs than this.
const MAX_SURPLUS: usize = 1000;
/// How long giving jobs back may take; the others come back when their locks end.
const GIVE_BACK: Duration = Duration::from_secs(2);

/// Closes the stream, and gives back what it brought meanwhile, so that it is not locked for nobody. Only a job that
/// is on its way at this very moment waits for the end of its lock.
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

/// Fails jobs without taking a retry, as Zeebe's own gateway does with jobs that it cannot hand on: they are there for
/// anybody at once. (A lock made shorter would only end at Zeebe's next look, a second later, and push all of them.)
pub(super) async fn give_back(client: &Client, jobs: Vec<Job>) {
    let retry = Retry::within(GIVE_BACK);
    for Job { key, retries, job_type, .. } in jobs {
        tracing::debug!(job_type, job_key = key, "given back: no permit is free for it");
        let message = "given back untouched: the worker has no room for it now".to_owned();
        let failure = FailJob { key, retries, message, ..FailJob::default() };
        if let Err(error) = client.fail_job(&failure, retry).await {
            tracing::debug!(job_key = key, %error, "not given back: it is handed out when its lock ends");
        }
    }
}
