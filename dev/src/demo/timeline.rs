//! Where each call stands in the drawing of all calls over time. Pure.

use super::calls::Place;
use serde::{Deserialize, Serialize};
use zeebe2faas::{
    bridge::outcome::{Outcome, Status},
    ledger::Call,
};

/// In the drawing's units: the whole, the margins beside the bars, and the heights.
const WIDTH: f64 = 1000.0;
const LEFT: f64 = 190.0;
const RIGHT: f64 = 80.0;
const ROW: f64 = 24.0;
const BETWEEN_COUPLES: f64 = 12.0;
const AXIS: f64 = 44.0;
/// A bar is at least that wide.
const SHORTEST: f64 = 2.0;
/// Marks on the axis, at most.
const MARKS: f64 = 10.0;
/// Functions that have a colour of their own; the next ones begin again.
const COLOURS: usize = 4;

/// The drawing.
#[derive(Debug, Default, Serialize)]
pub struct Timeline {
    width: f64,
    height: f64,
    left: f64,
    axis_y: f64,
    axis_end: f64,
    unit: &'static str,
    marks: Vec<Mark>,
    couples: Vec<Couple>,
    functions: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Mark {
    x: f64,
    label: String,
}

#[derive(Debug, Serialize)]
struct Couple {
    name: String,
    y: f64,
    bars: Vec<Bar>,
}

#[derive(Debug, Serialize)]
struct Bar {
    step: &'static str,
    colour: usize,
    failed: bool,
    y: f64,
    /// From the bridge's acceptance to the program's start.
    wait_x: f64,
    wait_width: f64,
    x: f64,
    width: f64,
    end: f64,
    figure: String,
    title: String,
}

/// A call, with its times in milliseconds since 1970. When its program started is what the run's duration says.
struct Row<'a> {
    place: &'a Place,
    function: &'a str,
    status: &'static str,
    accepted: f64,
    started: f64,
    ended: f64,
}

/// From milliseconds to the drawing.
struct Scale {
    first: f64,
    last: f64,
}

/// Draws the calls, a line each; one that has not ended lasts until `now_ms`. None without calls.
pub fn draw(calls: &[(Place, Call)], now_ms: u64) -> Option<Timeline> {
    let mut rows: Vec<Row> = calls.iter().map(|(place, call)| Row::of(place, call, now_ms)).collect();
    rows.sort_by(|a, b| a.place.couple.cmp(&b.place.couple).then(a.accepted.total_cmp(&b.accepted)));
    let first = rows.iter().map(|row| row.accepted).reduce(f64::min)?;
    let last = rows.iter().map(|row| row.ended).fold(first, f64::max);
    let scale = Scale { first, last };
    let (mut couples, mut functions, mut y) = (Vec::<Couple>::new(), Vec::<String>::new(), 0.0);
    for row in rows {
        if couples.last().is_none_or(|couple| couple.name != row.place.couple) {
            y += BETWEEN_COUPLES;
            couples.push(Couple { name: row.place.couple.clone(), y, bars: Vec::new() });
        }
        let known = functions.iter().position(|known| known == row.function);
        let colour = known.unwrap_or_else(|| {
            functions.push(row.function.to_owned());
            functions.len() - 1
        });
        couples.iter_mut().last()?.bars.push(row.bar(&scale, y, colour % COLOURS));
        y += ROW;
    }
    let axis_y = y + BETWEEN_COUPLES / 2.0;
    let (unit, marks) = scale.marks();
    let height = axis_y + AXIS;
    Some(Timeline {
        width: WIDTH,
        height,
        left: LEFT,
        axis_y,
        axis_end: WIDTH - RIGHT,
        unit,
        marks,
        couples,
        functions,
    })
}

impl<'a> Row<'a> {
    fn of(place: &'a Place, call: &'a Call, now_ms: u64) -> Self {
        let accepted = call.summary.accepted_ms as f64;
        let ended = call.summary.ended_ms.unwrap_or(now_ms) as f64;
        let outcome: Option<Outcome> = call.outcome.as_ref().and_then(|outcome| Outcome::deserialize(outcome).ok());
        let run = outcome.as_ref().and_then(|outcome| outcome.duration_seconds).unwrap_or_default() * 1e3;
        let status = outcome.map_or("not ended", |outcome| outcome.status.as_str());
        Self { place, function: &call.summary.function, status, accepted, started: (ended - run).max(accepted), ended }
    }

    fn bar(&self, scale: &Scale, y: f64, colour: usize) -> Bar {
        let (x, wait_x) = (scale.x(self.started), scale.x(self.accepted));
        let width = tenth((scale.x(self.ended) - x).max(SHORTEST));
        let run = duration((self.ended - self.started) / 1e3);
        let title = format!(
            "{} {}: {} {}, started {} after the first call, waited {}, ran {run}",
            self.place.couple,
            self.place.step,
            self.function,
            self.status,
            duration((self.started - scale.first) / 1e3),
            duration((self.started - self.accepted) / 1e3),
        );
        Bar {
            step: self.place.step,
            colour,
            failed: self.status != Status::Succeeded.as_str(),
            y,
            wait_x,
            wait_width: tenth(x - wait_x),
            x,
            width,
            end: tenth(x + width),
            figure: run,
            title,
        }
    }
}

impl Scale {
    fn x(&self, at_ms: f64) -> f64 {
        tenth(LEFT + (at_ms - self.first) / (self.last - self.first).max(1.0) * (WIDTH - LEFT - RIGHT))
    }

    /// The axis's unit, and marks at round numbers of it.
    fn marks(&self) -> (&'static str, Vec<Mark>) {
        let span_seconds = (self.last - self.first) / 1e3;
        let (unit, seconds) = match span_seconds {
            ..180.0 => ("seconds", 1.0),
            ..10_800.0 => ("minutes", 60.0),
            _ => ("hours", 3600.0),
        };
        let span = span_seconds / seconds;
        let power = 10_f64.powf((span / MARKS).max(1e-3).log10().floor());
        let round = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * power);
        let step = round.into_iter().find(|step| span / step <= MARKS).unwrap_or(10.0 * power);
        let mark = |count: u32| {
            let value = f64::from(count) * step;
            Mark { x: self.x(self.first + value * seconds * 1e3), label: format!("{}", (value * 1e3).round() / 1e3) }
        };
        (unit, (0..=(span / step) as u32).map(mark).collect())
    }
}

/// `0.42 s`, `12.3 s`, `4 min 5 s`, `2 h 31 min`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match seconds {
        ..9.995 => format!("{seconds:.2} s"),
        ..59.95 => format!("{seconds:.1} s"),
        ..3599.5 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole / 60 % 60),
    }
}

fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use serde_json::json;

    fn call(couple: &str, function: &str, accepted_ms: u64, ended_ms: Option<u64>, outcome: &str) -> (Place, Call) {
        let outcome = ended_ms.map(|_| {
            json!({
                "callId": "a".repeat(26), "function": function, "status": outcome, "durationSeconds": 2.0,
            })
        });
        let call = json!({
            "callId": "a".repeat(26), "state": "submitted", "delivered": false, "status": null, "function": function,
            "bpmnProcessId": "p", "processInstanceKey": 1, "elementId": "e", "acceptedMs": accepted_ms,
            "endedMs": ended_ms, "deadlineMs": 0, "jobKey": 1, "attempt": 1, "jobType": "t", "tenant": "", "reply": { "message": "faas-done" },
            "result": "r", "runOnce": true, "args": [], "resources": {}, "maybeQueued": true, "asking": false, "jobClosed": true,
            "submittedMs": null, "deliveredMs": null, "outcome": outcome, "late": null
        });
        (Place { couple: couple.to_owned(), step: "ortho" }, serde_json::from_value(call).unwrap())
    }

    #[test]
    fn couples_stand_together_and_a_bar_is_as_long_as_its_run() {
        let calls = [
            call("b/0", "otbcli", 1_000, Some(11_000), "succeeded"),
            call("a/0", "otbcli", 1_000, Some(4_000), "succeeded"),
            call("b/0", "normalize", 5_000, Some(7_500), "failed"),
            call("a/0", "normalize", 9_000, None, ""),
        ];
        let drawing = draw(&calls, 11_000).unwrap();
        let names: Vec<_> = drawing.couples.iter().map(|couple| (couple.name.as_str(), couple.bars.len())).collect();
        assert_eq!(names, [("a/0", 2), ("b/0", 2)]);
        assert_eq!(drawing.functions, ["otbcli", "normalize"]);
        let bars: Vec<_> = drawing.couples.iter().flat_map(|couple| &couple.bars).collect();
        let per_second = (WIDTH - LEFT - RIGHT) / 10.0;
        assert_eq!((bars[0].wait_x, bars[0].x, bars[0].width), (LEFT, LEFT + per_second, 2.0 * per_second));
        assert_eq!(bars.iter().map(|bar| bar.failed).collect::<Vec<_>>(), [false, true, false, true]);
        let marks: Vec<_> = drawing.marks.iter().map(|mark| mark.label.as_str()).collect();
        assert_eq!((drawing.unit, marks), ("seconds", vec!["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]));
    }

    #[test]
    fn hours_are_told_in_hours_and_nothing_is_drawn_of_nothing() {
        let drawing = draw(&[call("a/0", "f", 0, Some(4 * 3_600_000 + 2_400_000), "succeeded")], 0).unwrap();
        assert_eq!((drawing.unit, drawing.marks.last().unwrap().label.as_str()), ("hours", "4.5"));
        assert_eq!(duration(16_800.0), "4 h 40 min");
        assert_eq!(duration(59.97), "1 min 0 s");
        assert!(draw(&[], 0).is_none());
    }
}
