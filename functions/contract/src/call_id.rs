use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr};

const LENGTH: usize = 26;
/// RFC 4648 base32, in lower case so that an id is a legal DNS label.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Names one try of one Zeebe job: 26 characters of lower-case base32, a legal DNS label and file name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CallId(Box<str>);

/// The text is not a call id.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a call id: it has 26 characters of a-z and 2-7")]
pub struct InvalidCallId(String);

impl CallId {
    /// The id of the given try of a job: the first 26 characters of base32(SHA-256(cluster, job key, try)).
    ///
    /// `cluster` is the configured installation name: a wiped broker hands out the same job keys again.
    pub fn new(cluster: &str, job_key: i64, attempt: u32) -> Self {
        let mut hash = Sha256::new();
        hash.update((cluster.len() as u64).to_be_bytes());
        hash.update(cluster);
        hash.update(job_key.to_be_bytes());
        hash.update(attempt.to_be_bytes());
        let digest = hash.finalize();
        let bit = |i: usize| (digest[i / 8] >> (7 - i % 8)) & 1;
        let character = |n: usize| (0..5).fold(0, |value, i| value << 1 | usize::from(bit(5 * n + i)));
        Self((0..LENGTH).map(|n| char::from(ALPHABET[character(n)])).collect::<String>().into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CallId {
    type Err = InvalidCallId;

    fn from_str(text: &str) -> Result<Self, InvalidCallId> {
        if text.len() == LENGTH && text.bytes().all(|b| ALPHABET.contains(&b)) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidCallId(text.chars().take(LENGTH + 1).collect()))
        }
    }
}

impl TryFrom<String> for CallId {
    type Error = InvalidCallId;

    fn try_from(text: String) -> Result<Self, InvalidCallId> {
        text.parse()
    }
}

impl From<CallId> for String {
    fn from(id: CallId) -> Self {
        id.0.into()
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_dns_label_of_26_characters_and_parses_back() {
        let id = CallId::new("toulouse", 2_251_799_813_685_312, 1);
        assert_eq!(id.as_str().len(), 26);
        assert_eq!(id.as_str().parse::<CallId>().ok(), Some(id));
    }

    #[test]
    fn cluster_job_and_try_each_change_the_id() {
        let id = CallId::new("a", 1, 1);
        assert_eq!(id, CallId::new("a", 1, 1));
        for other in [CallId::new("b", 1, 1), CallId::new("a", 2, 1), CallId::new("a", 1, 2)] {
            assert_ne!(id, other);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "../../etc/passwd", "abcdefghijklmnopqrstuvwxy1", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"] {
            assert!(text.parse::<CallId>().is_err(), "{text}");
        }
    }
}
