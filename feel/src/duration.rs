//! Durations (FEEL 1.3, 10.3.2.3.7 and 10.3.2.3.8): of days and time, and of years and months.

use jiff::SignedDuration;
use std::fmt;

const SECONDS_PER_DAY: i64 = 24 * 60 * 60;

/// Which spellings are read: those of the literal `duration("…")`, or only FEEL's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// All that Java reads: in small letters, with `+` too.
    Java,
    /// FEEL's.
    Feel,
}

/// `P1Y2M` in months.
pub(super) fn parse_years_months(text: &str) -> Option<i64> {
    let mut rest = text;
    let total_sign = take_sign(&mut rest, Spelling::Feel)?;
    rest = rest.strip_prefix('P')?;
    let years = take_component(&mut rest, 'Y', Spelling::Feel);
    let months = take_component(&mut rest, 'M', Spelling::Feel);
    if !rest.is_empty() || (years.is_none() && months.is_none()) {
        return None;
    }
    let total = years.unwrap_or(0).checked_mul(12)?.checked_add(months.unwrap_or(0))?;
    Some(total_sign * total).filter(|total| i32::try_from(*total).is_ok())
}

/// `P1DT2H3M4.5S`.
pub(super) fn parse_days_time(text: &str, spelling: Spelling) -> Option<SignedDuration> {
    let upper = if spelling == Spelling::Java { text.to_ascii_uppercase() } else { text.to_owned() };
    let mut rest = upper.as_str();
    let total_sign = take_sign(&mut rest, spelling)?;
    rest = rest.strip_prefix('P')?;
    let days = take_component(&mut rest, 'D', spelling);
    let mut parts = [None, None, None];
    let mut nanoseconds = 0;
    if let Some(time) = rest.strip_prefix('T') {
        rest = time;
        parts[0] = take_component(&mut rest, 'H', spelling);
        parts[1] = take_component(&mut rest, 'M', spelling);
        if let Some((seconds, fraction)) = take_seconds(&mut rest, spelling) {
            parts[2] = Some(seconds);
            nanoseconds = fraction;
        }
        if parts == [None; 3] {
            return None;
        }
    }
    if !rest.is_empty() || (days.is_none() && parts == [None; 3]) {
        return None;
    }
    let [hours, minutes, seconds] = parts.map(|part| part.unwrap_or(0));
    let total = days.unwrap_or(0).checked_mul(SECONDS_PER_DAY)?;
    let total =
        total.checked_add(hours.checked_mul(3600)?)?.checked_add(minutes.checked_mul(60)?)?.checked_add(seconds)?;
    let total = SignedDuration::from_secs(total).checked_add(SignedDuration::from_nanos(nanoseconds))?;
    if total_sign < 0 { total.checked_neg() } else { Some(total) }
}

fn take_sign(text: &mut &str, spelling: Spelling) -> Option<i64> {
    if let Some(rest) = text.strip_prefix('-') {
        *text = rest;
        return Some(-1);
    }
    if let Some(rest) = text.strip_prefix('+') {
        *text = rest;
        return (spelling == Spelling::Java).then_some(1);
    }
    Some(1)
}

/// Takes a number and its unit from the front; leaves all where it is when they are not there.
fn take_component(text: &mut &str, unit: char, spelling: Spelling) -> Option<i64> {
    let mut rest = *text;
    let sign = take_sign(&mut rest, spelling)?;
    let count = rest.bytes().take_while(u8::is_ascii_digit).count();
    let number: i64 = rest[..count].parse().ok()?;
    *text = rest[count..].strip_prefix(unit)?;
    Some(sign * number)
}

fn take_seconds(text: &mut &str, spelling: Spelling) -> Option<(i64, i64)> {
    let mut rest = *text;
    let sign = take_sign(&mut rest, spelling)?;
    let (number, after) = rest.split_once('S')?;
    let (whole, fraction) = number.split_once(['.', ',']).unwrap_or((number, ""));
    if fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) || whole.starts_with(['+', '-']) {
        return None;
    }
    *text = after;
    let nanoseconds: i64 = format!("{fraction:0<9}").parse().ok()?;
    Some((sign * whole.parse::<i64>().ok()?, sign * nanoseconds))
}

/// Days, hours, minutes and seconds as FEEL's properties count them: seconds are rounded down.
pub(super) fn parts(duration: SignedDuration) -> [i64; 4] {
    let seconds = whole_seconds(duration);
    [seconds / SECONDS_PER_DAY, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60]
}

/// Whole seconds, rounded down.
pub(super) fn whole_seconds(duration: SignedDuration) -> i64 {
    duration.as_secs() - i64::from(duration.subsec_nanos() < 0)
}

/// As FEEL's `string()` spells it; fractions of seconds are lost, as there.
pub(super) struct FeelDaysTime(pub SignedDuration);

impl fmt::Display for FeelDaysTime {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = parts(self.0);
        if parts == [0; 4] {
            return write!(out, "P0D");
        }
        if parts.iter().all(|part| *part <= 0) {
            write!(out, "-")?;
            parts = parts.map(|part| -part);
        }
        write!(out, "P")?;
        for (part, unit) in parts.into_iter().zip(["D", "H", "M", "S"]) {
            if unit == "H" && parts[1..] != [0; 3] {
                write!(out, "T")?;
            }
            if part != 0 {
                write!(out, "{part}{unit}")?;
            }
        }
        Ok(())
    }
}

/// As Zeebe writes it into a variable: Java's `Duration.toString`.
pub(super) struct JavaDaysTime(pub SignedDuration);

impl fmt::Display for JavaDaysTime {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanoseconds) = (self.0.as_secs(), self.0.subsec_nanos());
        if self.0.is_zero() {
            return write!(out, "PT0S");
        }
        write!(out, "PT")?;
        if seconds / 3600 != 0 {
            write!(out, "{}H", seconds / 3600)?;
        }
        if seconds % 3600 / 60 != 0 {
            write!(out, "{}M", seconds % 3600 / 60)?;
        }
        if seconds % 60 == 0 && nanoseconds == 0 {
            return Ok(());
        }
        let sign = if self.0.is_negative() { "-" } else { "" };
        write!(out, "{sign}{}", (seconds % 60).unsigned_abs())?;
        if nanoseconds != 0 {
            write!(out, ".{}", format!("{:09}", nanoseconds.unsigned_abs()).trim_end_matches('0'))?;
        }
        write!(out, "S")
    }
}

/// Years and months; `zero` is how none at all is spelled.
pub(super) struct YearsMonths {
    pub months: i64,
    pub zero: &'static str,
    /// Whether a minus is written once before all, as FEEL does, or at each part, as Java does.
    pub sign_first: bool,
}

impl fmt::Display for YearsMonths {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.months == 0 {
            return write!(out, "{}", self.zero);
        }
        let front = self.months < 0 && self.sign_first;
        let months = if front { -self.months } else { self.months };
        write!(out, "{}P", if front { "-" } else { "" })?;
        for (part, unit) in [(months / 12, "Y"), (months % 12, "M")] {
            if part != 0 {
                write!(out, "{part}{unit}")?;
            }
        }
        Ok(())
    }
}
