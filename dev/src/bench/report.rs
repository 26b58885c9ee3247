//! The report: each figure with its spread and its bound.

use super::{BenchArgs, measure, overhead, transfers};

/// One figure, measured several times.
pub struct Figure {
    name: String,
    unit: Unit,
    bound: Option<f64>,
    samples: Vec<f64>,
}

/// How a figure is shown. Samples are in bytes, seconds, parts of one or counts.
#[derive(Clone, Copy)]
pub enum Unit {
    Megabytes,
    Milliseconds,
    Seconds,
    Percent,
    Ratio,
    Count,
}

impl Figure {
    /// A figure that only informs.
    pub fn new(name: impl Into<String>, unit: Unit) -> Self {
        Self { name: name.into(), unit, bound: None, samples: Vec::new() }
    }

    /// A figure none of whose samples may pass the bound.
    pub fn bounded(name: impl Into<String>, unit: Unit, bound: f64) -> Self {
        Self { name: name.into(), unit, bound: Some(bound), samples: Vec::new() }
    }

    pub fn add(&mut self, sample: f64) {
        self.samples.push(sample);
    }

    /// Whether the bound was kept every time.
    pub fn is_met(&self) -> bool {
        self.bound.is_none_or(|bound| !self.samples.is_empty() && self.samples.iter().all(|sample| *sample <= bound))
    }

    /// The middle sample, or the mean of the two middle ones.
    pub fn median(&self) -> Option<f64> {
        let sorted = self.sorted();
        let last = sorted.len().checked_sub(1)?;
        Some(f64::midpoint(sorted[last / 2], sorted[last.div_ceil(2)]))
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.samples.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    fn row(&self) -> String {
        let sorted = self.sorted();
        let (Some(min), Some(max), Some(median)) = (sorted.first(), sorted.last(), self.median()) else {
            return String::new();
        };
        let show = |value: f64| self.unit.show(value);
        let (bound, met) = match self.bound {
            Some(bound) => (
                format!("{} {}", self.unit.show(bound), self.unit.name()),
                if self.is_met() { "met" } else { "**missed**" },
            ),
            None => ("–".to_owned(), "–"),
        };
        format!(
            "| {} | {} | {} | {} | {} | {} | {bound} | {met} |\n",
            self.name,
            self.unit.name(),
            show(median),
            show(*min),
            show(max.to_owned()),
            sorted.len()
        )
    }
}

impl Unit {
    const fn name(self) -> &'static str {
        match self {
            Self::Megabytes => "MB",
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
            Self::Percent => "%",
            Self::Ratio | Self::Count => "",
        }
    }

    fn show(self, value: f64) -> String {
        match self {
            Self::Megabytes => format!("{:.1}", value / 1e6),
            Self::Milliseconds if value < 0.01 => format!("{:.2}", value * 1e3),
            Self::Milliseconds => format!("{:.0}", value * 1e3),
            Self::Percent => format!("{:.2}", value * 100.0),
            Self::Seconds | Self::Ratio => format!("{value:.2}"),
            Self::Count => format!("{value:.1}"),
        }
    }
}

/// The whole page.
pub fn text(figures: &[Figure], skipped: &[String], facts: &[(&str, String)], args: &BenchArgs) -> String {
    let missed = figures.iter().filter(|figure| !figure.is_met()).count();
    let verdict = if missed == 0 { "Every bound is met.".to_owned() } else { format!("**Bounds missed: {missed}.**") };
    let rows: String = figures.iter().map(Figure::row).collect();
    let facts: String = facts.iter().map(|(name, value)| format!("| {name} | {value} |\n")).collect();
    let skipped = if skipped.is_empty() { String::new() } else { format!("\nNot measured: {}\n", skipped.join(" ")) };
    let (in_flight, calls, at_once, runs) = (measure::IN_FLIGHT, args.calls, measure::AT_ONCE, args.runs);
    format!(
        "\
# Performance

What the bridge itself needs, what it and the broker add to real work, and what normalisation and transfers need. Written
by `make bench`, not by hand: each number below is from the run of the date below.

{verdict} A bound counts as met only when every run kept it.

| figure | unit | median | least | most | runs | bound | |
| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |
{rows}{skipped}
| | |
| --- | --- |
{facts}
## What is measured

The real binary `zeebe2faas run` as a process of its own, with default settings (but for `max_in_flight`, where 1,000
calls are to be in flight), a new ledger in the temporary folder and its log at the default level, on a real Zeebe
broker on the same machine. The BPMN process is one service task (template `bundle-to-perfect-sensor`) and the receive
task that waits for it. OpenFaaS is stood in for by a gateway in the measuring process that answers 202, so that no
function takes CPU from what is measured; the function is not declared `run_once`. MB are 10⁶ bytes.

- **Memory**: the kernel's VmRSS, RssAnon and VmHWM of the process; all file pages count, so shared libraries and the
  program itself are in it. Idle: connected to Zeebe. In flight: {in_flight} calls were submitted and nothing called
  back. {runs} processes.
- **CPU**: user and system time of the process over {calls} instances from start to end, {at_once} at a time, after a
  warm-up. The stand-in calls back at once with `X-Function-Status: 200`; every outcome is delivered to Zeebe. {runs}
  processes. Instances per second are what broker, bridge and measuring process manage together on this machine.
  Ledger commits are group commits to disk: a call has five changes.
- **Embedded engine**: the same instances on the engine of `zeebe2faas-dev up` in the measuring process, with a worker
  that only completes the job and publishes the message, and with the bridge: the difference is the bridge's.
- **Start**: a job waits in Zeebe before the process is spawned. Activated: when the bridge begins to work the job, as
  its ledger's row says. Invocation: when the POST arrives at the gateway; the call is durable by then. {starts}
  processes, whose program file is in the page cache.
- **Overhead**: one instance of `phr-products` with {couples} couples whose panchromatic images have {side}² pixels, from
  its start to its end, with the real runners, OTB and normalisation behind the function host, two functions at a time.
  It is the CPU time of bridge and broker over theirs and the functions' together; the functions' is what the runners
  report of their programs. The function host, which stands for OpenFaaS, and the runners themselves count on neither
  side. Broker and bridge are new processes, the JVM warmed by one run with couples of {small}²; {overhead_runs} runs.
  The broker needs about 1 % of a core when it does nothing: on a machine that is busy with other work a run lasts
  longer, and the overhead grows with it.
- **Normalisation**: `call_normalize_function --type uint16` on an ortho of 4 bands of 16 bits in strips, as OTB writes it,
  in turn with `gdal_translate -ot UInt16`, with the same creation options and as many threads. Of each the wall-clock
  time and the kernel's own peak of resident memory (VmHWM), file pages included; before each run everything is on disk. Tiles of
  256 × 256, uncompressed, and with `COMPRESS=DEFLATE` and `PREDICTOR=2`, whose reflectances compress less than the counts
  that `gdal_translate` has. numpy holds the whole image, as scripts do: `dev/src/bench/normalize.py`.
- **S3**: a call whose input and output are an object of {megabytes} MB each, and whose program renames the one to the
  other, from the request to the report; in turn with the same transfers, to a file and from it, by the client of the
  crate object_store in the same parts. The server is s3s-fs on this machine, which checks signatures.
",
        couples = overhead::COUPLES,
        side = overhead::SIDE,
        small = crate::demo::SYNTHETIC_SIZE,
        overhead_runs = overhead::RUNS,
        starts = 4 * args.runs,
        megabytes = transfers::BYTES / 1_000_000
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_missed_when_a_single_run_passes_it_or_none_was_made() {
        let mut figure = Figure::bounded("start", Unit::Milliseconds, 0.2);
        assert!(!figure.is_met());
        figure.add(0.1);
        assert!(figure.is_met());
        figure.add(0.3);
        assert!(!figure.is_met());
        assert_eq!(figure.row(), "| start | ms | 200 | 100 | 300 | 2 | 200 ms | **missed** |\n");
    }

    #[test]
    fn a_small_time_keeps_its_digits() {
        assert_eq!(Unit::Milliseconds.show(0.00234), "2.34");
        assert_eq!(Unit::Megabytes.show(15_260_000.0), "15.3");
    }
}
