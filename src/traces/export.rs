//! Posts spans to a collector: OTLP over HTTP, in Protocol Buffers.

use super::spans;
use crate::{
    chance::fraction,
    config,
    ledger::{Journey, Ledger, LedgerError},
    metrics::Metrics,
    transport::Transport,
};
use prost::Message;
use reqwest::{Client, Method, StatusCode, redirect};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use zeebe2faas_contract::CallId;

/// Calls in one request.
const BATCH: usize = 128;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Exports what is queued.
pub struct Exporter {
    http: Transport,
    url: String,
    service: spans::Service,
    ledger: Ledger,
    queue: mpsc::Receiver<CallId>,
    waiting: watch::Sender<usize>,
    metrics: Metrics,
    away: bool,
}

/// What a collector made of a request.
enum Answer {
    Taken,
    /// It may be taken later; why not now.
    Later(String),
    /// It will never be taken; why.
    Never(String),
}

impl Exporter {
    pub(super) fn new(
        settings: &config::Traces,
        replica: &str,
        ledger: Ledger,
        queue: mpsc::Receiver<CallId>,
        waiting: watch::Sender<usize>,
        metrics: Metrics,
    ) -> reqwest::Result<Self> {
        let http = Client::builder()
            .tls_backend_preconfigured((*settings.tls.current()).clone())
            .redirect(redirect::Policy::none())
            .connect_timeout(settings.timeout.min(CONNECT_TIMEOUT))
            .timeout(settings.timeout)
            .no_proxy()
            .build()?;
        let service = spans::Service {
            name: settings.service.clone(),
            instance: replica.to_owned(),
            version: env!("CARGO_PKG_VERSION"),
        };
        let url = format!("{}/v1/traces", settings.endpoint);
        Ok(Self { http: Transport::new(http), url, service, ledger, queue, waiting, metrics, away: false })
    }

    /// Exports until it is dropped. While the collector is away, the queue fills, and what finds no room has no trace.
    pub async fn run(mut self) {
        let mut calls = Vec::with_capacity(BATCH);
        while self.queue.recv_many(&mut calls, BATCH).await > 0 {
            let count = calls.len();
            match self.ledger.journeys(std::mem::take(&mut calls)).await {
                Ok(journeys) => self.export(&journeys).await,
                Err(LedgerError::Stopped) => return,
                Err(error) => {
                    tracing::error!(%error, count, "the ledger does not tell of delivered calls; they have no trace");
                    self.metrics.traces("dropped", count as u64);
                }
            }
            self.waiting.send_modify(|waiting| *waiting -= count);
        }
    }

    async fn export(&mut self, journeys: &[Journey]) {
        let journeys: Vec<&Journey> = journeys.iter().filter(|journey| journey.is_sampled()).collect();
        if journeys.is_empty() {
            return;
        }
        let body = spans::request(&journeys, &self.service).encode_to_vec();
        let (count, mut pause) = (journeys.len() as u64, FIRST_PAUSE);
        loop {
            match self.post(body.clone()).await {
                Answer::Taken => {
                    if std::mem::take(&mut self.away) {
                        tracing::info!(url = self.url, "the collector takes traces again");
                    }
                    return self.metrics.traces("exported", count);
                }
                Answer::Never(reason) => {
                    self.say(&reason, "the collector refuses traces");
                    return self.metrics.traces("refused", count);
                }
                Answer::Later(reason) => self.say(&reason, "the collector takes no traces; trying on"),
            }
            tokio::time::sleep(pause.mul_f64(0.5 + fraction() / 2.0)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Once, until the collector takes something again.
    fn say(&mut self, reason: &str, what: &'static str) {
        if !std::mem::replace(&mut self.away, true) {
            tracing::warn!(url = self.url, reason, "{what}");
        }
    }

    async fn post(&self, body: Vec<u8>) -> Answer {
        let request = self.http.request(Method::POST, &self.url);
        let request = request.header("content-type", "application/x-protobuf").body(body);
        match self.http.send(request).await {
            Ok(answer) => match answer.status() {
                status if status.is_success() => Answer::Taken,
                // As OTLP has it; anything else would be refused again.
                status @ (StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT) => Answer::Later(format!("HTTP {}", status.as_u16())),
                status => Answer::Never(format!(
                    "HTTP {}; is traces.endpoint an OTLP collector that takes http/protobuf?",
                    status.as_u16()
                )),
            },
            Err(failure) => Answer::Later(failure.reason),
        }
    }
}
