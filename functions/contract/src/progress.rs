use crate::{CallId, KeyRing, signature::Request};
use serde::{Deserialize, Serialize};

/// How far a running program is: the JSON body of `POST /progress/TOKEN` to the bridge, at most once a second.
///
/// Nothing depends on it. A lost one harms nothing; it is also a heartbeat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// The call.
    pub call_id: CallId,
    /// The function that runs it.
    pub function: String,
    /// Counts this run's posts from 1; a smaller one that comes later is old.
    pub sequence: u64,
    /// When the program was started, in milliseconds since 1970 (UTC).
    pub started_at_ms: u64,
    /// Wall-clock time so far, in seconds.
    pub elapsed_seconds: f64,
    /// How much is done, from 0 to 100, where the program says so.
    #[serde(default)]
    pub percent: Option<f64>,
    /// What the program is doing, in its own words; at most [`MAX_STEP_CHARACTERS`](Self::MAX_STEP_CHARACTERS).
    #[serde(default)]
    pub step: Option<String>,
    /// CPU time of the whole process group so far, in seconds.
    pub cpu_seconds: f64,
    /// Resident memory of the process group now, in bytes.
    pub memory_bytes: u64,
    /// Its peak so far, in bytes.
    pub peak_memory_bytes: u64,
}

/// The path that a progress report's signature covers: the bridge's own may have a prefix, and has the token.
const PATH: &str = "/progress";

impl Progress {
    /// Longest `step`.
    pub const MAX_STEP_CHARACTERS: usize = 200;

    /// The value of the signature header for `body`, under the function's ring, valid until `expires_ms`.
    pub fn sign(call_id: &CallId, function: &str, body: &[u8], ring: &KeyRing, expires_ms: u64) -> String {
        Request { method: "POST", path: PATH, function, call_id, body }.sign(ring, expires_ms)
    }

    /// Whether `signature` is genuine for `body` and has not expired at `now_ms`.
    pub fn verify(call_id: &CallId, function: &str, body: &[u8], ring: &KeyRing, signature: &str, now_ms: u64) -> bool {
        let request = Request { method: "POST", path: PATH, function, call_id, body };
        request.verify(ring, signature).is_some_and(|expires_ms| now_ms < expires_ms)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::random_key_line;

    #[test]
    fn a_signature_holds_for_its_body_and_its_time() {
        let ring = KeyRing::parse(&random_key_line("a")).unwrap();
        let id = CallId::new("c", 1, 1);
        let signature = Progress::sign(&id, "f", b"body", &ring, 1000);
        assert!(Progress::verify(&id, "f", b"body", &ring, &signature, 999));
        assert!(!Progress::verify(&id, "f", b"body", &ring, &signature, 1000));
        assert!(!Progress::verify(&id, "f", b"Body", &ring, &signature, 999));
        assert!(!Progress::verify(&id, "g", b"body", &ring, &signature, 999));
    }
}
