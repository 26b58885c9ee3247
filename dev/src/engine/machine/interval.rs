//! ISO 8601 durations, dates and cycles, as Zeebe reads them; calendar arithmetic is in UTC.

use jiff::{Span, Timestamp, Zoned, tz::TimeZone};

/// A period of the calendar and an exact time, perhaps from a start on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Interval {
    start: Option<i64>,
    months: i64,
    days: i64,
    milliseconds: i64,
}

impl Interval {
    /// Parses `[start/]P…`; a sign may stand before the `P` and before each number.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (start, text) = match text.rsplit_once('/') {
            Some((start, text)) if !start.is_empty() => (Some(date_time(start)?), text),
            Some((_, text)) => (None, text),
            None => (None, text),
        };
        let (sign, unsigned) = match text.as_bytes().first()? {
            b'-' => (-1, &text[1..]),
            b'+' => (1, &text[1..]),
            _ => (1, text),
        };
        let rest = unsigned.strip_prefix(['P', 'p'])?;
        let (calendar, clock) = match rest.split_once('T') {
            Some((_, "")) => return None,
            Some((calendar, clock)) => (calendar, Some(clock)),
            None if rest.is_empty() => return None,
            None => (rest, None),
        };
        let [years, months, weeks, days] = numbers(calendar, ['Y', 'M', 'W', 'D'], false)?;
        let [hours, minutes, seconds] = numbers(clock.unwrap_or_default(), ['H', 'M', 'S'], true)?;
        let months = years.checked_mul(12)?.checked_add(months)?;
        let days = weeks.checked_mul(7)?.checked_add(days)?;
        let milliseconds = hours.checked_mul(60)?.checked_add(minutes)?.checked_mul(60)?.checked_add(seconds)?;
        Some(Self {
            start,
            months: months / 1000 * sign,
            days: days / 1000 * sign,
            milliseconds: milliseconds.checked_mul(sign)?,
        })
    }

    /// The start where it is still to come, else one interval after `now`.
    pub(super) fn after(&self, now: i64) -> i64 {
        self.start.filter(|start| *start > now).unwrap_or_else(|| self.once_after(now))
    }

    /// One interval after `from`, both in milliseconds since 1970.
    pub(super) fn once_after(&self, from: i64) -> i64 {
        self.in_calendar(from).unwrap_or(from).saturating_add(self.milliseconds)
    }

    fn in_calendar(&self, from: i64) -> Option<i64> {
        if self.months == 0 && self.days == 0 {
            return Some(from);
        }
        let from = Timestamp::from_millisecond(from).ok()?.to_zoned(TimeZone::UTC);
        let months = Span::new().try_months(self.months).ok()?;
        let days = Span::new().try_days(self.days).ok()?;
        let to: Zoned = from.checked_add(months).ok()?.checked_add(days).ok()?;
        Some(to.timestamp().as_millisecond())
    }
}

/// Numbers with units in this order, each at most once, in thousandths; the last unit may have a fraction.
fn numbers<const N: usize>(mut text: &str, units: [char; N], fraction: bool) -> Option<[i64; N]> {
    let mut values = [0_i64; N];
    for (index, unit) in units.into_iter().enumerate() {
        let Some(end) = text.find([unit, unit.to_ascii_lowercase()]) else { continue };
        let number = &text[..end];
        if number.is_empty() || number.contains(|other: char| other.is_alphabetic()) {
            return None;
        }
        values[index] = if fraction && index == N - 1 {
            thousandths(number)?
        } else {
            number.parse::<i64>().ok()?.checked_mul(1000)?
        };
        text = &text[end + 1..];
    }
    text.is_empty().then_some(values)
}

fn thousandths(number: &str) -> Option<i64> {
    let (whole, fraction) = number.split_once(['.', ',']).unwrap_or((number, ""));
    if fraction.len() > 9 || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    let fraction = digits.parse::<i64>().ok()?;
    let signed = if whole.starts_with('-') { -fraction } else { fraction };
    whole.parse::<i64>().ok()?.checked_mul(1000)?.checked_add(signed)
}

/// Parses a date and time with an offset or a zone; milliseconds since 1970.
pub(super) fn date_time(text: &str) -> Option<i64> {
    if text.contains('[') {
        return text.parse::<Zoned>().ok().map(|zoned| zoned.timestamp().as_millisecond());
    }
    match text.split_once('@') {
        Some((local, zone)) => {
            let local: jiff::civil::DateTime = local.parse().ok()?;
            Some(local.in_tz(zone).ok()?.timestamp().as_millisecond())
        }
        None => text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond),
    }
}

/// Parses a date and time without an offset, in UTC; milliseconds since 1970.
pub(super) fn local(text: &str) -> Option<i64> {
    let local: jiff::civil::DateTime = text.parse().ok()?;
    local.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp().as_millisecond())
}

/// Parses `R[n]/interval`: how often, -1 for ever, and what.
///
/// # Errors
///
/// The text for people.
pub(super) fn cycle(text: &str) -> Result<(i32, Interval), String> {
    let Some(rest) = text.strip_prefix('R') else {
        return Err(format!("'{text}': cron expressions are not supported by this engine"));
    };
    let (repetitions, interval) = rest.split_once('/').ok_or("No interval given")?;
    let repetitions = match repetitions {
        "" => -1,
        number => number.parse().map_err(|_| "Cannot parse repetitions count")?,
    };
    let parsed = Interval::parse(interval).ok_or_else(|| format!("Invalid duration format '{interval}'"))?;
    Ok((repetitions, parsed))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const DAY: i64 = 86_400_000;

    fn after(text: &str, from: i64) -> Option<i64> {
        Interval::parse(text).map(|interval| interval.after(from))
    }

    #[test]
    fn durations_are_read_as_java_reads_them() {
        assert_eq!(after("PT1H2M3.5S", 0), Some(3_723_500));
        assert_eq!(after("PT-5S", 10_000), Some(5_000));
        assert_eq!(after("-PT5S", 10_000), Some(5_000));
        assert_eq!(after("P1DT1S", 0), Some(DAY + 1000));
        assert_eq!(after("P1W", 0), Some(7 * DAY));
        assert_eq!(after("P1M", 30 * DAY), Some(58 * DAY), "the end of February");
        for wrong in ["", "P", "PT", "1H", "pt5s", "PT5", "P5S", "PTS", "PT5S5M", "PT1.5M", "PT5S "] {
            assert_eq!(Interval::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn cycles_are_read_as_zeebe_reads_them() {
        assert_eq!(cycle("R3/PT5S").unwrap().0, 3);
        assert_eq!(cycle("R/PT5S").unwrap().0, -1);
        let (_, from) = cycle("R/1970-01-02T00:00:00Z/PT1H").unwrap();
        assert_eq!((from.after(0), from.after(DAY)), (DAY, DAY + 3_600_000));
        assert!(cycle("0 0 * * * *").unwrap_err().contains("cron"));
        assert!(cycle("R").is_err() && cycle("Rx/PT5S").is_err() && cycle("R3/5S").is_err());
    }

    #[test]
    fn dates_need_an_offset_or_a_zone() {
        assert_eq!(date_time("1970-01-02T01:00:00+01:00"), Some(DAY));
        assert_eq!(date_time("1970-01-02T00:00Z"), Some(DAY));
        assert_eq!(date_time("1970-01-02T00:00:00"), None);
    }
}
