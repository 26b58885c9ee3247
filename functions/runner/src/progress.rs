//! How far a program says it is, in the forms that `docs/runner.md` lists.

/// Starts a line of the form that any program may print.
const OWN_FORM: &str = "progress: ";
/// GDAL's bar has a tick for each 2.5 %: a number for every fourth, a dot for the others.
const GDAL_TICKS: usize = 40;

/// What a program said last.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// From 0 to 100, of this step.
    pub percent: f64,
    /// What it is doing.
    pub step: Option<String>,
}

/// The progress that a line starts with, and what follows it there.
pub fn split(line: &str) -> Option<(Reading, &str)> {
    own_form(line).or_else(|| otb(line)).or_else(|| gdal(line))
}

/// Whether a line says nothing but progress, in the form that any program may print.
pub fn is_own_form(line: &str) -> bool {
    own_form(line).is_some()
}

/// `progress: 42.5% reading tiles`
fn own_form(line: &str) -> Option<(Reading, &str)> {
    let (percent, step) = line.strip_prefix(OWN_FORM)?.split_once('%')?;
    reading(percent, step, "")
}

/// `Writing o.tif...: 94% [*****   ]`
fn otb(line: &str) -> Option<(Reading, &str)> {
    let (head, bar) = line.split_once("% [")?;
    let (bar, rest) = bar.split_once(']')?;
    let (step, percent) = head.rsplit_once(": ")?;
    bar.bytes().all(|b| matches!(b, b'*' | b' ')).then_some(())?;
    reading(percent, step, rest)
}

/// `0...10...20..`, after `Processing in.tif [1/1] : ` where gdalwarp prints it
fn gdal(line: &str) -> Option<(Reading, &str)> {
    let (step, bar) = line.rsplit_once(" : ").unwrap_or(("", line));
    let mut rest = bar.strip_prefix('0')?;
    let mut done = 0;
    for tick in 1..=GDAL_TICKS {
        let number = (tick * 100 / GDAL_TICKS).to_string();
        let text = if tick % 4 == 0 { &number } else { "." };
        let Some(after) = rest.strip_prefix(text) else { break };
        (rest, done) = (after, tick);
    }
    // One dot alone is a decimal point.
    let percent = (done > 1).then(|| done as f64 * 100.0 / GDAL_TICKS as f64)?;
    reading(&percent.to_string(), step, rest)
}

fn reading<'a>(percent: &str, step: &str, rest: &'a str) -> Option<(Reading, &'a str)> {
    let percent = percent.trim().parse().ok().filter(|percent| (0.0..=100.0).contains(percent))?;
    let step = step.trim();
    Some((Reading { percent, step: (!step.is_empty()).then(|| step.to_owned()) }, rest))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::{prop_assert, proptest};

    fn told(line: &str) -> Option<(f64, Option<String>, &str)> {
        split(line).map(|(reading, rest)| (reading.percent, reading.step, rest))
    }

    #[test]
    fn otbs_bar_is_read_with_what_follows_it() {
        let writing = Some("Writing o.tif...".to_owned());
        assert_eq!(told("Writing o.tif...: 0% [          ]"), Some((0.0, writing.clone(), "")));
        assert_eq!(told("Writing o.tif...: 94% [***   ]"), Some((94.0, writing.clone(), "")));
        assert_eq!(told("Writing o.tif...: 100% [****] (27s)"), Some((100.0, writing.clone(), " (27s)")));
        assert_eq!(told("Writing o.tif...: 74% [** ]ERROR 1: TIFF"), Some((74.0, writing, "ERROR 1: TIFF")));
        assert_eq!(told("Writing o.tif...: 94% [***   "), None, "the rest has yet to come");
    }

    #[test]
    fn gdals_bar_is_read_while_it_grows() {
        assert_eq!(told("0...10..."), Some((17.5, None, "")));
        assert_eq!(told("0...10...20"), Some((20.0, None, "")));
        assert_eq!(
            told("0...10...20...30...40...50...60...70...80...90...100 - done."),
            Some((100.0, None, " - done."))
        );
        assert_eq!(told("0...10..ERROR 2: no memory"), Some((15.0, None, "ERROR 2: no memory")));
        let step = Some("Processing s.tif [1/1]".to_owned());
        assert_eq!(told("Processing s.tif [1/1] : 0...10...20...30...4"), Some((37.5, step, "4")));
    }

    #[test]
    fn the_documented_form_has_a_percentage_and_a_step_or_none() {
        assert_eq!(told("progress: 42.5% reading tiles"), Some((42.5, Some("reading tiles".into()), "")));
        assert_eq!(told("progress: 7%"), Some((7.0, None, "")));
    }

    #[test]
    fn what_only_looks_like_progress_is_none() {
        for line in [
            "",
            "0",
            "0.5",
            "0 features",
            "50% of it",
            "progress: 10",
            "progress: 101% x",
            "progress: -1%",
            "progress: NaN%",
            "progress: inf% x",
            "a: 12% [of all]",
            "in progress: 5%",
        ] {
            assert_eq!(told(line), None, "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn no_line_gives_a_percentage_outside_0_to_100(line in "(progress: |a: |0\\.\\.)?-?[0-9.e]{0,6}(% \\[\\*\\]|%)?.{0,9}") {
            prop_assert!(split(&line).is_none_or(|(reading, _)| (0.0..=100.0).contains(&reading.percent)));
        }
    }

    #[test]
    fn a_rest_is_a_part_of_its_line() {
        assert!("0...10 ä".ends_with(split("0...10 ä").unwrap().1));
    }
}
