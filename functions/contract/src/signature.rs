//! Signatures of requests to a runner and of its answers, each the value of one header.
//!
//! A request's is `EXPIRES.ID.MAC`: EXPIRES in milliseconds since 1970, for `POST /` the call's deadline. An answer's
//! is `ID.MAC`; that to a question (`GET`, `DELETE`) covers the question's own signature, so that an old answer is
//! worthless later.

use crate::{CallId, KeyRing};

/// A request as the runner sees it: no gateway prefix in the path, the query included.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// `POST`, `GET` or `DELETE`.
    pub method: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// The function that is spoken to.
    pub function: &'a str,
    /// The call that it is about.
    pub call_id: &'a CallId,
    /// The body; empty for a question.
    pub body: &'a [u8],
}

/// An answer as it left the runner.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The function that speaks.
    pub function: &'a str,
    /// The call that it is about.
    pub call_id: &'a CallId,
    /// The HTTP status.
    pub status: u16,
    /// The signature of the question that it answers; empty for an answer to `POST /`.
    pub question: &'a str,
    /// The body.
    pub body: &'a [u8],
}

impl Request<'_> {
    /// The value of the signature header, under the function's ring, valid until `expires_ms`.
    pub fn sign(&self, ring: &KeyRing, expires_ms: u64) -> String {
        format!("{expires_ms}.{}", ring.sign(&[self.head(expires_ms).as_bytes(), self.body]))
    }

    /// Whether `signature` is genuine; if so, when it expires, in milliseconds since 1970. The caller compares.
    pub fn verify(&self, ring: &KeyRing, signature: &str) -> Option<u64> {
        let (expires, code) = signature.split_once('.')?;
        let expires_ms = expires.parse().ok()?;
        ring.verify(&[self.head(expires_ms).as_bytes(), self.body], code).then_some(expires_ms)
    }

    fn head(&self, expires_ms: u64) -> String {
        let Self { method, path, function, call_id, .. } = self;
        format!("zeebe2faas-request-v1\n{method}\n{path}\n{function}\n{call_id}\n{expires_ms}\n")
    }
}

impl Answer<'_> {
    /// The value of the signature header, under the function's ring.
    pub fn sign(&self, ring: &KeyRing) -> String {
        ring.sign(&[self.head().as_bytes(), self.body])
    }

    /// Whether `signature` is genuine.
    pub fn verify(&self, ring: &KeyRing, signature: &str) -> bool {
        ring.verify(&[self.head().as_bytes(), self.body], signature)
    }

    fn head(&self) -> String {
        let Self { function, call_id, status, question, .. } = self;
        format!("zeebe2faas-answer-v1\n{function}\n{call_id}\n{status}\n{question}\n")
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::random_key_line;

    #[test]
    fn every_part_of_a_request_is_covered() {
        let ring = KeyRing::parse(&random_key_line("a")).unwrap();
        let (id, other) = (CallId::new("c", 1, 1), CallId::new("c", 2, 1));
        let request = Request { method: "POST", path: "/", function: "f", call_id: &id, body: b"body" };
        let signature = request.sign(&ring, 1000);
        assert_eq!(request.verify(&ring, &signature), Some(1000));
        for changed in [
            Request { method: "GET", ..request },
            Request { path: "/x", ..request },
            Request { function: "g", ..request },
            Request { call_id: &other, ..request },
            Request { body: b"Body", ..request },
        ] {
            assert_eq!(changed.verify(&ring, &signature), None, "{changed:?}");
        }
        assert_eq!(request.verify(&ring, &signature.replacen("1000", "2000", 1)), None);
    }

    #[test]
    fn every_part_of_an_answer_is_covered() {
        let ring = KeyRing::parse(&random_key_line("a")).unwrap();
        let (id, other) = (CallId::new("c", 1, 1), CallId::new("c", 2, 1));
        let answer = Answer { function: "f", call_id: &id, status: 200, question: "", body: b"body" };
        let signature = answer.sign(&ring);
        assert!(answer.verify(&ring, &signature));
        for changed in [
            Answer { function: "g", ..answer },
            Answer { call_id: &other, ..answer },
            Answer { status: 500, ..answer },
            Answer { question: "q", ..answer },
            Answer { body: b"Body", ..answer },
        ] {
            assert!(!changed.verify(&ring, &signature), "{changed:?}");
        }
    }
}
