//! `s3://bucket/key`, and which of them a command may name.

use std::{fmt, str::FromStr};

/// How a location begins.
pub const SCHEME: &str = "s3://";
/// S3 takes no longer key.
const MAX_KEY_BYTES: usize = 1024;
const BUCKET_BYTES: std::ops::RangeInclusive<usize> = 3..=63;

/// An object, or everything below a folder where the key ends with `/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Location {
    /// The bucket.
    pub bucket: String,
    /// The object's key.
    pub key: String,
}

impl Location {
    /// The last part of the key, without the `/` of a folder.
    pub fn name(&self) -> &str {
        self.key.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
    }

    /// The key up to its last part, with the `/` at its end; empty at the top of a bucket.
    pub fn folder(&self) -> &str {
        &self.key[..self.key.trim_end_matches('/').rfind('/').map_or(0, |slash| slash + 1)]
    }

    /// Whether it stands for everything below it.
    pub fn is_folder(&self) -> bool {
        self.key.ends_with('/')
    }

    /// Another object of the same bucket.
    pub fn with_key(&self, key: String) -> Self {
        Self { bucket: self.bucket.clone(), key }
    }
}

impl FromStr for Location {
    type Err = String;

    /// Refuses keys that a program, a file system or a server could understand as another one.
    fn from_str(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix(SCHEME).ok_or("it does not begin with s3://")?;
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        check_bucket(bucket)?;
        if key.is_empty() {
            return Err("it names no object: s3://BUCKET/KEY".to_owned());
        }
        if key.len() > MAX_KEY_BYTES {
            return Err(format!("its key is longer than {MAX_KEY_BYTES} bytes"));
        }
        if key.chars().any(|c| c.is_control() || c == '\\') {
            return Err("its key holds a control character or a backslash".to_owned());
        }
        // Some servers decode a key before they look.
        let lower = key.to_ascii_lowercase();
        if ["%2e", "%2f", "%5c"].iter().any(|trick| lower.contains(trick)) {
            return Err("its key holds an encoded `.`, `/` or `\\`".to_owned());
        }
        match key.strip_suffix('/').unwrap_or(key).split('/').find(|part| matches!(*part, "" | "." | "..")) {
            Some(part) => Err(format!("its key has the part `{part}`, which leads elsewhere")),
            None => Ok(Self { bucket: bucket.to_owned(), key: key.to_owned() }),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.bucket, self.key)
    }
}

fn check_bucket(bucket: &str) -> Result<(), String> {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    if BUCKET_BYTES.contains(&bucket.len()) && bucket.bytes().all(legal) && !bucket.contains("..") {
        return Ok(());
    }
    Err(format!("`{bucket}` is no bucket's name: 3 to 63 of a-z, 0-9, `-` and `.`"))
}

/// Buckets, or folders in them, that a command may name: `products,results/2026`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedBuckets(Vec<(String, String)>);

impl AllowedBuckets {
    /// Whether nothing is allowed, and `s3://` is nothing to this runner.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// # Errors
    /// What is allowed.
    pub fn check(&self, location: &Location) -> Result<(), String> {
        let is_below = |(bucket, folder): &(String, String)| {
            *bucket == location.bucket && (folder.is_empty() || location.key.starts_with(folder.as_str()))
        };
        if self.0.iter().any(is_below) {
            return Ok(());
        }
        Err(format!("is not allowed here; the function's RUNNER_ALLOW_BUCKETS has: {self}"))
    }

    /// The buckets' names.
    pub fn buckets(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(bucket, _)| bucket.as_str())
    }
}

impl FromStr for AllowedBuckets {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut allowed = Vec::new();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let entry = entry.strip_prefix(SCHEME).unwrap_or(entry).trim_end_matches('/');
            let (bucket, folder) = entry.split_once('/').unwrap_or((entry, ""));
            check_bucket(bucket)?;
            let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
            if !folder.is_empty() {
                format!("{SCHEME}{bucket}/{folder}").parse::<Location>()?;
            }
            allowed.push((bucket.to_owned(), folder));
        }
        Ok(Self(allowed))
    }
}

/// As in the setting.
impl fmt::Display for AllowedBuckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.0.iter().map(|(bucket, folder)| format!("{bucket}/{folder}"));
        f.write_str(&entries.map(|entry| entry.trim_end_matches('/').to_owned()).collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::{AllowedBuckets, Location};

    #[test]
    fn a_location_has_a_bucket_and_a_key() {
        let location: Location = "s3://products/2026/year=1/o.tif".parse().unwrap();
        assert_eq!((location.bucket.as_str(), location.key.as_str()), ("products", "2026/year=1/o.tif"));
        assert_eq!((location.name(), location.folder(), location.is_folder()), ("o.tif", "2026/year=1/", false));
        let folder: Location = "s3://products/dem/".parse().unwrap();
        assert_eq!((folder.name(), folder.folder(), folder.is_folder()), ("dem", "", true));
        assert_eq!(folder.to_string(), "s3://products/dem/");
    }

    #[test]
    fn what_could_lead_elsewhere_is_refused() {
        for text in [
            "s3://products",
            "s3://products/",
            "s3://a/k",
            "s3://Products/k",
            "s3://pro..ducts/k",
            "s3://products/../k",
            "s3://products/a/..",
            "s3://products/./k",
            "s3://products//k",
            "s3://products/a//k",
            "s3://products/a\\k",
            "s3://products/%2e%2e/k",
            "s3://products/a%2Fk",
            "s3://products/a\u{7}",
            "s3:///k",
            "/vsis3/products/k",
            "s3://user@products/k",
            "s3://products:80/k",
        ] {
            assert!(text.parse::<Location>().is_err(), "{text}");
        }
        assert!(format!("s3://products/{}", "k".repeat(1025)).parse::<Location>().is_err());
    }

    #[test]
    fn a_bucket_is_allowed_as_a_whole_or_below_a_folder() {
        let allowed: AllowedBuckets = "products, s3://results/2026/".parse().unwrap();
        let check = |text: &str| allowed.check(&text.parse().unwrap());
        assert_eq!(check("s3://products/a/b"), Ok(()));
        assert_eq!(check("s3://results/2026/b"), Ok(()));
        for text in ["s3://results/2025/b", "s3://results/20261/b", "s3://products2/b", "s3://results/2026"] {
            assert!(check(text).unwrap_err().contains("products, results/2026"), "{text}");
        }
        for text in ["Products", "a", "products/../x", "products//x"] {
            assert!(text.parse::<AllowedBuckets>().is_err(), "{text}");
        }
    }
}
