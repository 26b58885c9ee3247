//! Figures for Prometheus. `docs/metrics.md` lists them.

mod figures;

use crate::{
    bridge::{
        in_flight::{Counts, Load},
        outcome::Outcome,
    },
    ledger::OpenCalls,
};
use figures::{Ending, Figures, Function, JobType, Reason, Refusal, Register, Submission, Verdict};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// All figures; cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    figures: Arc<Figures>,
    registry: Arc<Registry>,
    names: Arc<[&'static str]>,
    /// Some gauges are made anew for each reader.
    reader: Arc<Mutex<()>>,
}

/// How often requests to Zeebe were made again. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Retries(Family<Rpc, Counter>);

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Rpc {
    rpc: &'static str,
}

impl Retries {
    /// A request is about to be made again.
    pub fn count(&self, rpc: &'static str) {
        self.0.get_or_create(&Rpc { rpc }).inc();
    }
}

/// How long commits take. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CommitTimes(Histogram);

impl Default for CommitTimes {
    fn default() -> Self {
        Self(figures::commits())
    }
}

impl CommitTimes {
    /// A commit is on disk.
    pub fn observe(&self, took: Duration) {
        self.0.observe(took.as_secs_f64());
    }
}

/// How things stand when somebody reads the figures.
pub struct Standing {
    /// The calls in flight.
    pub counts: Counts,
    /// What the running ones need, by function.
    pub load: BTreeMap<Box<str>, Load>,
    /// What the ledger says of open calls; nothing where it cannot be read, and their figures are left out.
    pub open: Option<OpenCalls>,
    /// The time, in milliseconds since 1970.
    pub now_ms: u64,
}

impl Metrics {
    /// Together with what the client of Zeebe and the ledger count.
    pub fn new(retries: &Retries, commits: &CommitTimes) -> Self {
        let figures = Figures::new();
        let Register { registry, names } = figures.register(retries, &commits.0);
        Self { figures: Arc::new(figures), registry: Arc::new(registry), names: names.into(), reader: Arc::default() }
    }

    /// The names of all figures, without prefix and `_total`, also of those that have nothing to show yet.
    pub fn names(&self) -> &[&'static str] {
        &self.names
    }

    /// A job came.
    pub fn activated(&self, job_type: &str) {
        self.figures.activated.get_or_create(&JobType { job_type: job_type.to_owned() }).inc();
    }

    /// A call was `queued`, `refused`, or it is `unknown`.
    pub fn submission(&self, function: &str, result: &'static str) {
        self.figures.submissions.get_or_create(&Submission { function: function.to_owned(), result }).inc();
    }

    /// A genuine callback was `final` or `provisional`.
    pub fn callback(&self, verdict: &'static str) {
        self.figures.callbacks.get_or_create(&Verdict { verdict }).inc();
    }

    /// A callback is not genuine, or too late; why.
    pub fn rejected_callback(&self, reason: &'static str) {
        self.callback("rejected");
        self.figures.rejections.get_or_create(&Reason { reason }).inc();
    }

    /// A listener cut a connection or withheld an answer; why.
    pub fn refusal(&self, listener: &'static str, reason: &'static str) {
        self.figures.refusals.get_or_create(&Refusal { listener, reason }).inc();
    }

    /// So many callbacks of another replica's calls were `handed_on`, `kept` while it was away, later `told` or
    /// `given_up`; or one of our calls' was `received` from another replica.
    pub fn hand_over(&self, verdict: &'static str, count: u64) {
        self.figures.hand_overs.get_or_create(&Verdict { verdict }).inc_by(count);
    }

    /// A call ended, as was known at `ended_ms`.
    pub fn outcome(&self, function: &str, outcome: &Outcome, ended_ms: u64) {
        let ending = Ending { function: function.to_owned(), status: outcome.status.as_str() };
        self.figures.outcomes.get_or_create(&ending).inc();
        if let Some(seconds) = outcome.duration_seconds {
            self.figures.durations.get_or_create(&ending).observe(seconds);
        }
        if let Some(run_ended_ms) = outcome.run_ended_ms() {
            let lag = Duration::from_millis(ended_ms.saturating_sub(run_ended_ms));
            let Ending { function, .. } = ending;
            self.figures.callback_lags.get_or_create(&Function { function }).observe(lag.as_secs_f64());
        }
    }

    /// Zeebe has an outcome, so long after it was known.
    pub fn delivered(&self, after: Duration) {
        self.figures.deliveries.observe(after.as_secs_f64());
    }

    /// Zeebe refused an outcome, which is offered again.
    pub fn delivery_refused(&self) {
        self.figures.refused_deliveries.inc();
    }

    /// A report of progress was `taken`, `stale`, `handed_on` to the replica that owns the call, or `rejected`.
    pub fn progress(&self, verdict: &'static str) {
        self.figures.progress.get_or_create(&Verdict { verdict }).inc();
    }

    /// Traces of so many calls were `exported`, `refused` by the collector, or `dropped` without having been sent.
    pub fn traces(&self, verdict: &'static str, count: u64) {
        self.figures.traces.get_or_create(&Verdict { verdict }).inc_by(count);
    }

    /// The text that Prometheus reads, with the gauges as they are now.
    pub fn encode(&self, standing: &Standing) -> Result<String, fmt::Error> {
        let _alone = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        self.show(standing);
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    fn show(&self, Standing { counts, load, open, now_ms }: &Standing) {
        let figures = &*self.figures;
        set(&figures.in_flight, counts.calls);
        set(&figures.waiting, counts.waiting);
        set(&figures.undelivered, counts.undelivered);
        figures.running.clear();
        figures.memory.clear();
        for (function, Load { calls, memory_bytes }) in load {
            let function = Function { function: function.to_string() };
            set(&figures.running.get_or_create(&function), *calls);
            set(&figures.memory.get_or_create(&function), *memory_bytes);
        }
        let seconds = |ms: u64| ms as f64 / 1000.0;
        // Zero where no call is open.
        figures.oldest.set(open.map(|open| seconds(now_ms.saturating_sub(open.oldest_accepted_ms.unwrap_or(*now_ms)))));
        let deadline_ms = open.and_then(|open| open.next_deadline_ms);
        figures.deadline.set(deadline_ms.map(|deadline_ms| seconds(deadline_ms) - seconds(*now_ms)));
    }
}

impl Default for Metrics {
    /// Of a process without ledger.
    fn default() -> Self {
        Self::new(&Retries::default(), &CommitTimes::default())
    }
}

fn set(gauge: &Gauge, value: u64) {
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::bridge::outcome::Status;
    use std::collections::BTreeSet;
    use zeebe2faas_contract::CallId;

    /// `name`, `kind` and label names of each figure.
    type Table = BTreeSet<(String, String, Vec<String>)>;

    const MANUAL: &str = include_str!("../docs/metrics.md");

    /// Figures of which each has something to show.
    fn all() -> String {
        let (retries, commits) = (Retries::default(), CommitTimes::default());
        let metrics = Metrics::new(&retries, &commits);
        retries.count("PublishMessage");
        commits.observe(Duration::from_millis(3));
        metrics.activated("openfaas");
        metrics.submission("otbcli", "queued");
        metrics.rejected_callback("expired");
        metrics.refusal("callback", "slow");
        metrics.hand_over("kept", 1);
        metrics.delivered(Duration::from_secs(1));
        metrics.delivery_refused();
        metrics.progress("taken");
        metrics.traces("exported", 1);
        let id = CallId::new("c", 1, 1);
        let outcome = Outcome::plain(id, "otbcli".into(), Status::Succeeded, String::new(), false);
        let outcome = Outcome { started_at_ms: Some(1000), duration_seconds: Some(2.0), ..outcome };
        metrics.outcome("otbcli", &outcome, 3500);
        let text = metrics
            .encode(&Standing {
                counts: Counts { calls: 3, waiting: 1, undelivered: 1 },
                load: BTreeMap::from([("otbcli".into(), Load { calls: 1, memory_bytes: 5 })]),
                open: Some(OpenCalls { oldest_accepted_ms: Some(1000), next_deadline_ms: Some(2000) }),
                now_ms: 4000,
            })
            .unwrap();
        let types = text.lines().filter(|line| line.starts_with("# TYPE")).count();
        assert_eq!(types, metrics.names().len(), "a figure shows nothing in {text}");
        text
    }

    fn exposed(text: &str) -> Table {
        let kinds = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        let figure = |(name, kind): (&str, &str)| {
            let sample = text.lines().find(|line| line.starts_with(name)).unwrap();
            let labels = sample.split_once('{').map_or("", |(_, rest)| rest.split_once('}').unwrap().0);
            let labels = labels.split(',').filter_map(|label| Some(label.split_once('=')?.0.to_owned()));
            let name = if kind == "counter" { format!("{name}_total") } else { name.to_owned() };
            (name, kind.to_owned(), labels.filter(|label| label != "le").collect())
        };
        kinds.map(figure).collect()
    }

    fn documented() -> Table {
        let rows = MANUAL.lines().filter(|line| line.starts_with("| `zeebe2faas_"));
        let row = |line: &str| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let words = |cell: &str| cell.split(", ").map(|word| word.trim_matches('`').to_owned()).collect::<Vec<_>>();
            let labels = words(cells[3]).into_iter().filter(|label| !label.is_empty());
            (cells[1].trim_matches('`').to_owned(), cells[2].to_owned(), labels.collect())
        };
        rows.map(row).collect()
    }

    #[test]
    fn the_manual_lists_every_figure_with_its_kind_and_labels_and_no_other() {
        assert_eq!(documented(), exposed(&all()));
    }

    #[test]
    fn times_are_told_in_seconds() {
        let text = all();
        for line in [
            r#"zeebe2faas_call_duration_seconds_sum{function="otbcli",status="succeeded"} 2.0"#,
            r#"zeebe2faas_callback_lag_seconds_sum{function="otbcli"} 0.5"#,
            "zeebe2faas_oldest_call_seconds 3.0",
            "zeebe2faas_nearest_deadline_seconds -2.0",
            "zeebe2faas_ledger_commit_seconds_sum 0.003",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
        }
    }
}
