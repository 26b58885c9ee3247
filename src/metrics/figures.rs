//! Which figures there are. `docs/metrics.md` lists them; a test compares.

use super::Retries;
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder},
    metrics::{MetricType, counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Metric, Registry},
};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// Bounds of the histogram of run times, in seconds: from a moment to half a day.
const RUNS: [f64; 10] = [0.1, 1.0, 10.0, 60.0, 300.0, 900.0, 3600.0, 7200.0, 14_400.0, 43_200.0];
/// Of what should take a moment, and takes hours where something is away.
const LAGS: [f64; 10] = [0.01, 0.05, 0.25, 1.0, 5.0, 30.0, 120.0, 600.0, 3600.0, 43_200.0];
/// Of commits: from a fast disk's fsync to a stalled volume's.
const COMMITS: [f64; 10] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 10.0];

/// A histogram with the same bounds for each set of labels.
pub(super) type Times<L> = Family<L, Histogram, fn() -> Histogram>;

pub(super) struct Figures {
    pub(super) activated: Family<JobType, Counter>,
    pub(super) submissions: Family<Submission, Counter>,
    pub(super) callbacks: Family<Verdict, Counter>,
    pub(super) rejections: Family<Reason, Counter>,
    pub(super) hand_overs: Family<Verdict, Counter>,
    pub(super) outcomes: Family<Ending, Counter>,
    pub(super) durations: Times<Ending>,
    pub(super) callback_lags: Times<Function>,
    pub(super) deliveries: Histogram,
    pub(super) refused_deliveries: Counter,
    pub(super) refusals: Family<Refusal, Counter>,
    pub(super) progress: Family<Verdict, Counter>,
    pub(super) traces: Family<Verdict, Counter>,
    pub(super) in_flight: Gauge,
    pub(super) waiting: Gauge,
    pub(super) undelivered: Gauge,
    pub(super) oldest: Sometimes,
    pub(super) deadline: Sometimes,
    pub(super) running: Family<Function, Gauge>,
    pub(super) memory: Family<Function, Gauge>,
}

/// A gauge that is there at times only. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Sometimes(Arc<Mutex<Option<f64>>>);

impl Sometimes {
    pub(super) fn set(&self, value: Option<f64>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = value;
    }

    fn get(&self) -> Option<f64> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EncodeMetric for Sometimes {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        self.get().map_or(Ok(()), |value| encoder.encode_gauge(&value))
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }

    fn is_empty(&self) -> bool {
        self.get().is_none()
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct JobType {
    pub(super) job_type: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Function {
    pub(super) function: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Submission {
    pub(super) function: String,
    pub(super) result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Verdict {
    pub(super) verdict: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Reason {
    pub(super) reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Ending {
    pub(super) function: String,
    pub(super) status: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Refusal {
    pub(super) listener: &'static str,
    pub(super) reason: &'static str,
}

/// The registry, and the names that it was given.
pub(super) struct Register {
    pub(super) registry: Registry,
    pub(super) names: Vec<&'static str>,
}

impl Register {
    fn add(&mut self, name: &'static str, help: &'static str, metric: &(impl Metric + Clone)) {
        self.registry.register(name, help, metric.clone());
        self.names.push(name);
    }
}

/// How long commits of the ledger take.
pub(super) fn commits() -> Histogram {
    Histogram::new(COMMITS)
}

impl Figures {
    pub(super) fn new() -> Self {
        Self {
            activated: Family::default(),
            submissions: Family::default(),
            callbacks: Family::default(),
            rejections: Family::default(),
            hand_overs: Family::default(),
            outcomes: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(RUNS)),
            callback_lags: Family::new_with_constructor(|| Histogram::new(LAGS)),
            deliveries: Histogram::new(LAGS),
            refused_deliveries: Counter::default(),
            refusals: Family::default(),
            progress: Family::default(),
            traces: Family::default(),
            in_flight: Gauge::default(),
            waiting: Gauge::default(),
            undelivered: Gauge::default(),
            oldest: Sometimes::default(),
            deadline: Sometimes::default(),
            running: Family::default(),
            memory: Family::default(),
        }
    }

    pub(super) fn register(&self, retries: &Retries, commits: &Histogram) -> Register {
        let mut register = Register { registry: Registry::with_prefix("zeebe2faas"), names: Vec::new() };
        self.register_calls(&mut register);
        self.register_ways(&mut register);
        register.add("zeebe_retries", "Requests to Zeebe that were made again after a passing error", &retries.0);
        register.add("ledger_commit_seconds", "Durable commits, fsync included", commits);
        register
    }

    fn register_calls(&self, register: &mut Register) {
        register.add("jobs_activated", "Jobs taken from Zeebe", &self.activated);
        register.add("submissions", "Calls by what OpenFaaS said", &self.submissions);
        register.add("calls_ended", "Calls by outcome", &self.outcomes);
        register.add("call_duration_seconds", "Run times of functions", &self.durations);
        register.add("calls_in_flight", "Calls whose outcome Zeebe does not have yet", &self.in_flight);
        register.add("calls_waiting", "Of these, calls of whose run nothing is known", &self.waiting);
        register.add("calls_undelivered", "Of these, calls that have ended", &self.undelivered);
        register.add("calls_running", "Calls that told their progress in the last minute", &self.running);
        register.add("calls_memory_bytes", "Memory of these calls now", &self.memory);
        register.add("oldest_call_seconds", "Age of the oldest call that Zeebe has no outcome of", &self.oldest);
        register.add("nearest_deadline_seconds", "Time until the next open call must have ended", &self.deadline);
    }

    fn register_ways(&self, register: &mut Register) {
        register.add("callbacks", "Callbacks: final, provisional, rejected", &self.callbacks);
        register.add("callbacks_rejected", "Rejected callbacks by reason", &self.rejections);
        register.add("callback_lag_seconds", "From a run's end to the bridge's knowing it", &self.callback_lags);
        register.add("delivery_seconds", "From an outcome's being known to Zeebe's having it", &self.deliveries);
        register.add("deliveries_refused", "Outcomes that Zeebe refused", &self.refused_deliveries);
        let hand_overs = "Callbacks between replicas: handed_on, kept, told, given_up, received";
        register.add("hand_overs", hand_overs, &self.hand_overs);
        let progress = "Reports of progress: taken, stale, handed_on, rejected";
        register.add("progress_reports", progress, &self.progress);
        register.add("traces", "Traces of calls: exported, refused, dropped", &self.traces);
        let refusals = "Connections cut, or answered 429: handshake, slow, crowded, rejected";
        register.add("listener_refusals", refusals, &self.refusals);
    }
}
