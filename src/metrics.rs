//! Figures for Prometheus. `docs/operating.md` lists them.

use crate::bridge::{in_flight::Load, outcome::Outcome};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// Bounds of the duration histogram, in seconds: from a moment to half a day.
const DURATIONS: [f64; 10] = [0.1, 1.0, 10.0, 60.0, 300.0, 900.0, 3600.0, 7200.0, 14_400.0, 43_200.0];

/// All figures; cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    figures: Arc<Figures>,
    registry: Arc<Registry>,
    /// Gauges by function are made anew for each reader.
    reader: Arc<Mutex<()>>,
}

struct Figures {
    activated: Family<JobType, Counter>,
    submissions: Family<Result, Counter>,
    callbacks: Family<Verdict, Counter>,
    outcomes: Family<Ending, Counter>,
    durations: Family<Function, Histogram, fn() -> Histogram>,
    refusals: Family<Refusal, Counter>,
    in_flight: Gauge,
    progress: Family<Verdict, Counter>,
    running: Family<Function, Gauge>,
    memory: Family<Function, Gauge>,
    commits: Gauge,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct JobType {
    job_type: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Function {
    function: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Result {
    function: String,
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Verdict {
    verdict: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Ending {
    function: String,
    status: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Refusal {
    listener: &'static str,
    reason: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("zeebe2faas");
        let histogram: fn() -> Histogram = || Histogram::new(DURATIONS);
        let figures = Figures {
            activated: Family::default(),
            submissions: Family::default(),
            callbacks: Family::default(),
            outcomes: Family::default(),
            durations: Family::new_with_constructor(histogram),
            refusals: Family::default(),
            in_flight: Gauge::default(),
            progress: Family::default(),
            running: Family::default(),
            memory: Family::default(),
            commits: Gauge::default(),
        };
        registry.register("jobs_activated", "Jobs taken from Zeebe", figures.activated.clone());
        registry.register("submissions", "Calls by what OpenFaaS said", figures.submissions.clone());
        registry.register("callbacks", "Callbacks: final, provisional, rejected", figures.callbacks.clone());
        registry.register("calls_ended", "Calls by outcome", figures.outcomes.clone());
        registry.register("call_duration_seconds", "Run times of functions", figures.durations.clone());
        let refusals = "Connections cut, or answered 429: handshake, slow, crowded, rejected";
        registry.register("listener_refusals", refusals, figures.refusals.clone());
        registry.register("calls_in_flight", "Calls whose outcome Zeebe does not have yet", figures.in_flight.clone());
        registry.register("progress_reports", "Reports of progress: taken, stale, rejected", figures.progress.clone());
        registry.register(
            "calls_running",
            "Calls that told their progress in the last minute",
            figures.running.clone(),
        );
        registry.register("calls_memory_bytes", "Memory of these calls now", figures.memory.clone());
        registry.register("ledger_commits", "Durable commits since the start", figures.commits.clone());
        Self { figures: Arc::new(figures), registry: Arc::new(registry), reader: Arc::default() }
    }
}

impl Metrics {
    /// A job came.
    pub fn activated(&self, job_type: &str) {
        self.figures.activated.get_or_create(&JobType { job_type: job_type.to_owned() }).inc();
    }

    /// A call was `queued` or `refused`.
    pub fn submission(&self, function: &str, result: &'static str) {
        self.figures.submissions.get_or_create(&Result { function: function.to_owned(), result }).inc();
    }

    /// A callback was `final`, `provisional` or `rejected`.
    pub fn callback(&self, verdict: &'static str) {
        self.figures.callbacks.get_or_create(&Verdict { verdict }).inc();
    }

    /// A listener cut a connection or withheld an answer; why.
    pub fn refusal(&self, listener: &'static str, reason: &'static str) {
        self.figures.refusals.get_or_create(&Refusal { listener, reason }).inc();
    }

    /// A call ended.
    pub fn outcome(&self, function: &str, outcome: &Outcome) {
        let ending = Ending { function: function.to_owned(), status: outcome.status.as_str() };
        self.figures.outcomes.get_or_create(&ending).inc();
        if let Some(seconds) = outcome.duration_seconds {
            self.figures.durations.get_or_create(&Function { function: function.to_owned() }).observe(seconds);
        }
    }

    /// A report of progress was `taken`, `stale` or `rejected`.
    pub fn progress(&self, verdict: &'static str) {
        self.figures.progress.get_or_create(&Verdict { verdict }).inc();
    }

    /// The text that Prometheus reads, with the gauges as they are now.
    pub fn encode(
        &self,
        in_flight: usize,
        load: &BTreeMap<Box<str>, Load>,
        commits: u64,
    ) -> std::result::Result<String, fmt::Error> {
        let _alone = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        self.figures.running.clear();
        self.figures.memory.clear();
        for (function, Load { calls, memory_bytes }) in load {
            let function = Function { function: function.to_string() };
            self.figures.running.get_or_create(&function).set(i64::try_from(*calls).unwrap_or(i64::MAX));
            self.figures.memory.get_or_create(&function).set(i64::try_from(*memory_bytes).unwrap_or(i64::MAX));
        }
        self.figures.in_flight.set(i64::try_from(in_flight).unwrap_or(i64::MAX));
        self.figures.commits.set(i64::try_from(commits).unwrap_or(i64::MAX));
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
