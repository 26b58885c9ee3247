//! What is shown of running calls: bars on a terminal, else plain lines.

use super::calls::Place;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    collections::{HashMap, HashSet},
    io::IsTerminal,
    time::{Duration, Instant},
};

/// Between two plain lines of one call.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Between two drawings of the times, in which nothing else moves.
const TICK: Duration = Duration::from_millis(250);

/// One call at a moment.
#[derive(Debug, Default)]
pub struct Now<'a> {
    /// How it ended.
    pub status: Option<&'a str>,
    /// Whether its program was heard of.
    pub is_running: bool,
    /// How much is done, where the program says so.
    pub percent: Option<f64>,
    /// Since the program's start.
    pub elapsed_seconds: Option<f64>,
    /// So far.
    pub cpu_seconds: Option<f64>,
    /// Now.
    pub memory_bytes: Option<u64>,
}

/// Where calls are shown.
pub enum Display {
    /// A bar for each call under way, and one for all.
    Bars {
        /// All of them.
        all: MultiProgress,
        /// How many calls have ended.
        total: ProgressBar,
        /// By call id.
        bars: HashMap<String, ProgressBar>,
    },
    /// A line when a call starts, now and then, and when it ends.
    Lines {
        /// When each call's last line was printed.
        printed: HashMap<String, Instant>,
        /// Those that are known to run.
        running: HashSet<String>,
    },
}

impl Display {
    /// Bars where stderr is a terminal. `calls` is how many there will be if all goes well.
    pub fn new(calls: usize) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Lines { printed: HashMap::new(), running: HashSet::new() };
        }
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let total = all.add(ProgressBar::new(calls as u64));
        total.set_style(style("{prefix:24} {bar:24.green} {pos:>3} of {len}  {elapsed}"));
        total.set_prefix("calls ended");
        total.enable_steady_tick(TICK);
        Self::Bars { all, total, bars: HashMap::new() }
    }

    /// Shows a call as it is now. After its end it is not shown again.
    pub fn show(&mut self, id: &str, place: &Place, now: &Now<'_>) {
        match self {
            Self::Bars { all, total, bars } => {
                if !bars.contains_key(id) {
                    let bar = all.insert_before(total, ProgressBar::new(100));
                    bar.set_style(style("{prefix:24} {bar:24.cyan} {msg}"));
                    bar.set_prefix(format!("{} {}", place.couple, place.step));
                    bars.insert(id.to_owned(), bar);
                }
                let Some(bar) = bars.get(id) else { return };
                if now.status.is_some() {
                    bar.finish_and_clear();
                    all.remove(bar);
                    all.suspend(|| eprintln!("{}", line(place, now)));
                    total.inc(1);
                    bars.remove(id);
                } else {
                    bar.set_position(now.percent.unwrap_or_default() as u64);
                    bar.set_message(words(now));
                }
            }
            Self::Lines { printed, running } => {
                let begins = now.is_running && running.insert(id.to_owned());
                let first = !printed.contains_key(id);
                let due = printed.get(id).is_none_or(|at| at.elapsed() >= LINE_EVERY);
                if first || begins || due || now.status.is_some() {
                    eprintln!("{}", line(place, now));
                    printed.insert(id.to_owned(), Instant::now());
                }
            }
        }
    }

    /// Leaves no bar behind.
    pub fn clear(&self) {
        if let Self::Bars { all, total, bars } = self {
            bars.values().chain([total]).for_each(ProgressBar::finish_and_clear);
            if let Err(error) = all.clear() {
                tracing::debug!(%error, "the bars stay");
            }
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("━╸ ")
}

fn line(place: &Place, now: &Now<'_>) -> String {
    format!("{} {} {}", place.couple, place.step, words(now))
}

/// `42 %  1.2 s  CPU 2.3 s  170 MB`, `waiting`, or `succeeded  …`.
fn words(now: &Now<'_>) -> String {
    let first = match (now.status, now.percent) {
        (Some(status), _) => status.to_owned(),
        (None, Some(percent)) => format!("{percent:3.0} %"),
        (None, None) if now.is_running => "running".to_owned(),
        (None, None) => "waiting".to_owned(),
    };
    let mut words = vec![first];
    words.extend(now.elapsed_seconds.map(|seconds| format!("{seconds:.1} s")));
    words.extend(now.cpu_seconds.map(|seconds| format!("CPU {seconds:.1} s")));
    words.extend(now.memory_bytes.map(|bytes| format!("{} MB", bytes / 1_000_000)));
    words.join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_what_is_known() {
        let place = Place { couple: "stereo/0".into(), step: "ortho" };
        assert_eq!(line(&place, &Now::default()), "stereo/0 ortho waiting");
        let now = Now { percent: Some(42.4), memory_bytes: Some(170_400_000), ..Now::default() };
        assert_eq!(line(&place, &now), "stereo/0 ortho  42 %  170 MB");
        assert_eq!(line(&place, &Now { status: Some("failed"), ..now }), "stereo/0 ortho failed  170 MB");
    }
}
