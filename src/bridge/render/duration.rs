//! Durations as users write them in templates and task headers.

use std::time::Duration;

const HOW: &str = "write for example `90s`, `30m`, `4h`, `1h30m` or `PT4H`";

/// Reads what [`parse_pause`] reads but zero, since no call can end at once. The error says what to write.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    match parse_pause(text)? {
        Duration::ZERO => Err(format!("a duration of zero leaves no time; {HOW}")),
        duration => Ok(duration),
    }
}

/// Reads `90s`, `30m`, `4h`, `1h30m`, `2d`, `500ms`, or ISO 8601 with days and time (`PT4H`, `P1DT12H`, `P2W`); `0s`
/// is none.
///
/// Whole numbers only, each unit once, largest first; months and years have no fixed length and are refused. The error
/// says what to write.
pub fn parse_pause(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let parsed = match text.strip_prefix('P') {
        Some(rest) => iso(rest),
        None => units(text, &[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)]),
    };
    parsed.map(Duration::from_millis).ok_or_else(|| format!("`{text}` is not a duration; {HOW}"))
}

fn iso(rest: &str) -> Option<u64> {
    let (date, time) = match rest.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (rest, None),
    };
    let date_millis = if date.is_empty() { None } else { Some(units(date, &[("W", 604_800_000), ("D", 86_400_000)])?) };
    let time_millis = match time {
        Some(time) => Some(units(time, &[("H", 3_600_000), ("M", 60_000), ("S", 1_000)])?),
        None => None,
    };
    if date_millis.is_none() && time_millis.is_none() {
        return None;
    }
    date_millis.unwrap_or(0).checked_add(time_millis.unwrap_or(0))
}

/// Milliseconds of numbers with units, which must come in the table's order.
fn units(mut text: &str, mut table: &[(&str, u64)]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let mut millis = 0_u64;
    while !text.is_empty() {
        let digits = text.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = text[..digits].parse().ok()?;
        let letters = text[digits..].find(|c: char| c.is_ascii_digit()).map_or(text.len(), |length| digits + length);
        let place = table.iter().position(|(unit, _)| *unit == &text[digits..letters])?;
        millis = millis.checked_add(number.checked_mul(table[place].1)?)?;
        table = &table[place + 1..];
        text = &text[letters..];
    }
    Some(millis)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::parse_duration;
    use std::time::Duration;

    #[test]
    fn durations_read_as_users_write_them() {
        for (text, seconds) in [
            ("90s", 90),
            ("30m", 1_800),
            ("4h", 14_400),
            ("1h30m", 5_400),
            ("2d", 172_800),
            ("PT4H", 14_400),
            ("PT1H30M", 5_400),
            ("P1DT12H", 129_600),
            ("P2W", 1_209_600),
            (" 4h ", 14_400),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
    }

    #[test]
    fn what_is_no_duration_is_refused_with_an_example() {
        for text in [
            "", "4", "h", "-4h", "4 h", "1m1h", "1h1h", "P", "PT", "P1M", "P1Y", "PT-5S", "pt5s", "4hours", "0s",
            "PT0S",
        ] {
            let error = parse_duration(text).unwrap_err();
            assert!(error.contains("`4h`"), "{text}: {error}");
        }
        assert!(parse_duration("99999999999999999999h").is_err());
        assert!(parse_duration("18446744073709551615d").is_err());
    }
}
