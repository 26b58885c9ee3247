//! How amounts and times are shown to people, on the command line and on the page.

use std::time::Duration;
use zeebe2faas_contract::Resources;

/// `512 B`, `170.3 MiB`, `8.0 GiB`.
pub fn bytes(bytes: u64) -> String {
    let mut amount = bytes as f64;
    let mut units = ["B", "KiB", "MiB", "GiB", "TiB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    for larger in units {
        if amount < 1023.95 {
            break;
        }
        (amount, unit) = (amount / 1024.0, larger);
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{amount:.1} {unit}") }
}

/// `0:07`, `12:34`, `4:40:00`: hours (where there are any), minutes and seconds.
pub fn elapsed(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours == 0 { format!("{minutes}:{seconds:02}") } else { format!("{hours}:{minutes:02}:{seconds:02}") }
}

/// `12h5m`, `90s` as `1m30s`; below a second `250ms`.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let text: String = parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if text.is_empty() { format!("{}ms", time.as_millis()) } else { text }
}

/// A moment in UTC, `2026-11-23T01:31:05Z`; `-` where there is none.
pub fn time(milliseconds: Option<u64>) -> String {
    let time = milliseconds.and_then(|ms| jiff::Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok());
    time.map_or_else(|| "-".to_owned(), |time| time.to_string())
}

/// `memory 8.0 GiB, cores 4`; `-` where nothing is said.
pub fn resources(resources: &Resources) -> String {
    let memory = resources.memory_bytes.map(|memory| format!("memory {}", bytes(memory)));
    let cores = resources.cores.map(|cores| format!("cores {cores}"));
    let said: Vec<String> = memory.into_iter().chain(cores).collect();
    if said.is_empty() { "-".to_owned() } else { said.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_times_are_short() {
        assert_eq!(
            [0, 1023, 1024, 170 << 20, (1 << 30) - 1, 49 << 30].map(bytes),
            ["0 B", "1023 B", "1.0 KiB", "170.0 MiB", "1.0 GiB", "49.0 GiB"]
        );
        assert_eq!([0, 7_900, 754_000, 16_800_000].map(elapsed), ["0:00", "0:07", "12:34", "4:40:00"]);
        assert_eq!(time(Some(0)), "1970-01-01T00:00:00Z");
        assert_eq!(resources(&Resources { memory_bytes: Some(8 << 30), cores: Some(4) }), "memory 8.0 GiB, cores 4");
        assert_eq!(resources(&Resources::default()), "-");
    }
}
