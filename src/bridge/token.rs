//! The token in a callback URL: all that delivery needs, signed, for one call and not for ever.

use super::context;
use crate::ledger::{HeldJob, Pending, Reply};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use tracing::Span;
use zeebe2faas_contract::{CallId, KeyRing};

/// What is signed besides the claims, so that no other signature of the same key can pass for a token.
const CONTEXT: &[u8] = b"zeebe2faas-token-v1\n";

/// What a token says. Field names are one letter: OpenFaaS logs and queues the whole URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    #[serde(rename = "c")]
    call_id: CallId,
    #[serde(rename = "f")]
    function: String,
    #[serde(rename = "s", default, skip_serializing_if = "std::ops::Not::not")]
    signed_report: bool,
    #[serde(rename = "k", default, skip_serializing_if = "std::ops::Not::not")]
    as_job: bool,
    #[serde(rename = "o")]
    owner: String,
    #[serde(rename = "j")]
    job_key: i64,
    /// Absent: the job itself is open.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(rename = "v")]
    result: String,
    #[serde(rename = "t", default, skip_serializing_if = "String::is_empty")]
    tenant: String,
    #[serde(rename = "p", default)]
    process_instance_key: i64,
    #[serde(rename = "n", default)]
    element_id: String,
    #[serde(rename = "d")]
    deadline_ms: u64,
    #[serde(rename = "e")]
    expires_ms: u64,
}

impl Claims {
    /// The claims of a call that this replica submits.
    pub fn new(pending: Pending, job_key: i64, owner: String, expires_ms: u64) -> Self {
        let Pending {
            id,
            function,
            run_once,
            as_job,
            reply,
            result,
            tenant,
            deadline_ms,
            process_instance_key,
            element_id,
        } = pending;
        let message = match reply {
            Reply::Message(name) => Some(name),
            Reply::Job(_) => None,
        };
        Self {
            call_id: id,
            function,
            signed_report: run_once,
            as_job,
            owner,
            job_key,
            message,
            result,
            tenant,
            process_instance_key,
            element_id,
            deadline_ms,
            expires_ms,
        }
    }

    /// The token as it stands in the URL: `CLAIMS.ID.MAC`.
    pub fn seal(&self, ring: &KeyRing) -> Result<String, serde_json::Error> {
        let claims = URL_SAFE_NO_PAD.encode(serde_json::to_vec(self)?);
        let signature = ring.sign(&[CONTEXT, claims.as_bytes()]);
        Ok(format!("{claims}.{signature}"))
    }

    /// The claims of a genuine token that has not expired; nothing says why another is not.
    pub fn open(token: &str, ring: &KeyRing, now_ms: u64) -> Option<Self> {
        let (claims, signature) = token.split_once('.')?;
        if !ring.verify(&[CONTEXT, claims.as_bytes()], signature) {
            return None;
        }
        Self::of_kept(token).filter(|claims| now_ms < claims.expires_ms)
    }

    /// The claims of a token that was opened before and kept since: its time may be over, its key gone.
    pub fn of_kept(token: &str) -> Option<Self> {
        let (claims, _) = token.split_once('.')?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
    }

    /// The call.
    pub const fn call_id(&self) -> &CallId {
        &self.call_id
    }

    /// The replica that submitted the call.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Until when the token is good, in milliseconds since 1970.
    pub const fn expires_ms(&self) -> u64 {
        self.expires_ms
    }

    /// What the log says of the work on this call.
    pub fn span(&self) -> Span {
        context::span(&self.call_id, self.process_instance_key, &self.element_id)
    }

    /// What delivery needs.
    pub fn into_pending(self) -> Pending {
        Pending {
            id: self.call_id,
            function: self.function,
            run_once: self.signed_report,
            as_job: self.as_job,
            reply: match self.message {
                Some(name) => Reply::Message(name),
                None => Reply::Job(HeldJob { key: self.job_key, terms: None }),
            },
            result: self.result,
            tenant: self.tenant,
            deadline_ms: self.deadline_ms,
            process_instance_key: self.process_instance_key,
            element_id: self.element_id,
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zeebe2faas_contract::random_key_line;

    fn claims() -> Claims {
        let pending = Pending {
            id: CallId::new("c", 1, 1),
            function: "otbcli".into(),
            run_once: true,
            as_job: false,
            reply: Reply::Message("faas-done".into()),
            result: "call".into(),
            tenant: String::new(),
            deadline_ms: 500,
            process_instance_key: 7,
            element_id: "task".into(),
        };
        Claims::new(pending, 1, "bridge-0".into(), 1000)
    }

    #[test]
    fn a_token_opens_until_it_expires_and_with_its_own_key_only() {
        let ring = KeyRing::parse(&random_key_line("a")).unwrap();
        let token = claims().seal(&ring).unwrap();
        assert_eq!(Claims::open(&token, &ring, 999), Some(claims()));
        assert_eq!(Claims::open(&token, &ring, 1000), None);
        assert_eq!(Claims::open(&token, &KeyRing::parse(&random_key_line("a")).unwrap(), 999), None);
    }

    proptest! {
        #[test]
        fn no_changed_token_opens(at in 0usize..1000, byte: u8) {
            let ring = KeyRing::parse(&random_key_line("a")).unwrap();
            let token = claims().seal(&ring).unwrap();
            let mut changed = token.clone().into_bytes();
            let at = at % changed.len();
            changed[at] = byte;
            if let Ok(changed) = String::from_utf8(changed) && changed != token {
                prop_assert_eq!(Claims::open(&changed, &ring, 0), None);
            }
        }
    }
}
