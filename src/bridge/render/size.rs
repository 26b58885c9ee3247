//! Amounts of memory as users write them in templates.

const HOW: &str = "write for example `8Gi`, `512Mi` or `2G`";
/// Binary and decimal, as Kubernetes has them.
const UNITS: [(&str, u64); 8] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
];
/// Less is a forgotten unit, more a slip of the pen.
const LEAST_BYTES: u64 = 1 << 20;
const MOST_BYTES: u64 = 1 << 50;

/// Reads `8Gi`, `512Mi`, `2G` or plain bytes: a whole number of 1 MiB to 1,024 TiB. The error says what to write.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = match unit {
        "" => Some(1),
        unit => UNITS.iter().find(|(name, _)| *name == unit).map(|(_, bytes)| *bytes),
    };
    let bytes = unit.and_then(|unit| number.parse::<u64>().ok()?.checked_mul(unit));
    match bytes {
        None => Err(format!("`{text}` is not an amount of memory; {HOW}")),
        Some(bytes) if (LEAST_BYTES..=MOST_BYTES).contains(&bytes) => Ok(bytes),
        Some(bytes) => Err(format!("`{text}` is {bytes} bytes, and must be from 1Mi to 1024Ti; {HOW}")),
    }
}

#[cfg(test)]
mod tests {
    use super::parse_size;

    #[test]
    fn amounts_read_as_kubernetes_reads_them() {
        for (text, bytes) in [
            ("8Gi", 8 << 30),
            ("512Mi", 512 << 20),
            ("2G", 2_000_000_000),
            ("1500000k", 1_500_000_000),
            ("1Ti", 1 << 40),
            (" 1048576 ", 1 << 20),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused_with_an_example() {
        for text in ["", "Gi", "8 Gi", "8gi", "8GB", "1.5Gi", "-1Gi", "8", "0Gi", "2048Ti", "99999999999999999999Gi"] {
            let error = parse_size(text).err().unwrap_or_default();
            assert!(error.contains("`8Gi`"), "{text}: {error}");
        }
    }
}
