//! Tells the bridge how far a run is. Nothing depends on it: no post delays the run, and a lost one harms nothing.

use crate::{clock::now_ms, progress::Reading, settings::Settings, usage::Usage};
use reqwest::{Client, Url, header::CONTENT_TYPE, redirect::Policy};
use std::{error::Error, io, time::Duration};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout_at},
};
use zeebe2faas_contract::{CALL_ID_HEADER, CallId, Invocation, KeyRing, Progress, SIGNATURE_HEADER};

/// A post takes no longer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A shorter run tells nothing.
const FIRST_AFTER: Duration = Duration::from_millis(250);
/// How long a post's signature holds: clocks differ.
const VALID_MS: u64 = 600_000;

/// How far a run is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Standing {
    /// When its program was started, in milliseconds since 1970; nothing is told before.
    pub started_at_ms: Option<u64>,
    /// What it said last.
    pub reading: Option<Reading>,
    /// What it used so far.
    pub usage: Usage,
}

/// Posts for all runs of this runner, over one pool of connections.
#[derive(Debug, Clone)]
pub struct Teller {
    client: Client,
    ring: Option<KeyRing>,
    /// Not more often than this.
    every: Duration,
    /// Not less often than this.
    beat: Duration,
}

impl Teller {
    /// With the runner's keys and times.
    pub fn new(settings: &Settings) -> io::Result<Self> {
        // Where one is installed already, it is this one.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = Client::builder().no_proxy().redirect(Policy::none()).timeout(TIMEOUT).build();
        let given = &settings.given;
        Ok(Self {
            client: client.map_err(io::Error::other)?,
            ring: settings.keys.clone(),
            every: given.progress_every,
            beat: given.beat.max(given.progress_every),
        })
    }

    /// Tells the invocation's bridge of what is sent into the channel, until the answer is dropped. Only the last
    /// state counts, so nothing queues up.
    pub fn tell(&self, invocation: &Invocation) -> (watch::Sender<Standing>, Telling) {
        let (sender, standing) = watch::channel(Standing::default());
        let task = invocation.progress_url.clone().map(|url| {
            let letter = Letter {
                teller: self.clone(),
                url,
                call_id: invocation.call_id.clone(),
                function: invocation.function.clone(),
            };
            tokio::spawn(letter.post_all(standing))
        });
        (sender, Telling(task))
    }
}

/// Tells until it is dropped.
#[derive(Debug)]
pub struct Telling(Option<JoinHandle<()>>);

impl Drop for Telling {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

/// From one run to its bridge.
struct Letter {
    teller: Teller,
    url: String,
    call_id: CallId,
    function: String,
}

impl Letter {
    async fn post_all(self, mut standing: watch::Receiver<Standing>) {
        sleep(FIRST_AFTER.min(self.teller.every)).await;
        let (mut sequence, mut failed) = (0, false);
        loop {
            let now = standing.borrow_and_update().clone();
            let next = Instant::now() + self.teller.every;
            if let Some(started_at_ms) = now.started_at_ms {
                sequence += 1;
                if let Err(why) = self.post(sequence, started_at_ms, now).await {
                    let call = &self.call_id;
                    if failed {
                        tracing::debug!(%call, why, "the progress could not be told");
                    } else {
                        tracing::warn!(%call, bridge = self.bridge(), why, "the progress could not be told");
                    }
                    failed = true;
                }
            }
            let beat = Instant::now() + self.teller.beat;
            sleep_until(next).await;
            if let Ok(Err(_closed)) = timeout_at(beat, standing.changed()).await {
                return;
            }
        }
    }

    /// The URL without its token.
    fn bridge(&self) -> String {
        Url::parse(&self.url).map_or_else(|error| error.to_string(), |url| url.origin().ascii_serialization())
    }

    async fn post(&self, sequence: u64, started_at_ms: u64, now: Standing) -> Result<(), String> {
        let (percent, step) = now.reading.map_or((None, None), |reading| (Some(reading.percent), reading.step));
        let progress = Progress {
            call_id: self.call_id.clone(),
            function: self.function.clone(),
            sequence,
            started_at_ms,
            elapsed_seconds: now_ms().saturating_sub(started_at_ms) as f64 / 1000.0,
            percent,
            step,
            cpu_seconds: now.usage.cpu_seconds,
            memory_bytes: now.usage.memory_bytes,
            peak_memory_bytes: now.usage.peak_memory_bytes,
        };
        let body = serde_json::to_vec(&progress).map_err(|error| error.to_string())?;
        let mut request = self
            .teller
            .client
            .post(&self.url)
            .header(CONTENT_TYPE, "application/json")
            .header(CALL_ID_HEADER, self.call_id.as_str());
        if let Some(ring) = &self.teller.ring {
            let expires_ms = now_ms().saturating_add(VALID_MS);
            let signature = Progress::sign(&self.call_id, &self.function, &body, ring, expires_ms);
            request = request.header(SIGNATURE_HEADER, signature);
        }
        // The answer's body is nothing to us; it is not read.
        let answer = request.body(body).send().await.map_err(|error| reasons(&error))?;
        if answer.status().is_success() { Ok(()) } else { Err(format!("it answers {}", answer.status())) }
    }
}

/// The last of its reasons: the first repeats the URL, which holds a token.
fn reasons(error: &reqwest::Error) -> String {
    let mut source = error.source();
    let mut last = if error.is_timeout() { "no answer in time" } else { "the request failed" }.to_owned();
    while let Some(inner) = source {
        (last, source) = (inner.to_string(), inner.source());
    }
    last
}
