//! A callback as it arrived, and as one replica hands it on to another: signed with the token key, so that nobody else
//! can. Pure.

use super::classify::Callback;
use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderName, HeaderValue},
};
use std::collections::BTreeMap;
use zeebe2faas_contract::KeyRing;

/// Carries the signature of a callback that was handed on; such a one is never handed on again.
pub const HANDED_ON_HEADER: &str = "x-zeebe2faas-handed-on";
/// Stands beside it where the callback's body is not whole.
const CUT_HEADER: &str = "x-zeebe2faas-cut";
/// Stands beside it where Zeebe has the outcome already, or somebody sees to that.
const DELIVERED_HEADER: &str = "x-zeebe2faas-delivered";
/// What is signed besides, so that no other signature of the same key can pass for this one.
const CONTEXT: &str = "zeebe2faas-handed-on-v1";

/// A callback, as far as its outcome depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// Those of [`Callback::HEADERS`] that it has.
    headers: HeaderMap,
    /// Its body, perhaps cut.
    pub body: Bytes,
    /// Whether that is not whole.
    pub cut: bool,
}

impl Arrived {
    /// A request's headers and what was read of its body.
    pub fn new(all: &HeaderMap, body: Bytes, cut: bool) -> Self {
        let known = |name| Some((HeaderName::from_static(name), all.get(name)?.clone()));
        let headers = Callback::HEADERS.into_iter().filter_map(known).collect();
        let cut_before = all.contains_key(HANDED_ON_HEADER) && all.contains_key(CUT_HEADER);
        Self { headers, body, cut: cut || cut_before }
    }

    /// What decides the outcome.
    pub fn callback(&self) -> Callback<'_> {
        Callback::new(&self.headers, &self.body, self.cut)
    }

    /// The headers as JSON, for the ledger.
    pub fn head(&self) -> Result<String, serde_json::Error> {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let head: BTreeMap<&str, String> =
            self.headers.iter().map(|(name, value)| (name.as_str(), text(value))).collect();
        serde_json::to_string(&head)
    }

    /// From the ledger; nothing where [`Arrived::head`] did not write the headers.
    pub fn from_kept(head: &str, body: Bytes, cut: bool) -> Option<Self> {
        let head: BTreeMap<String, String> = serde_json::from_str(head).ok()?;
        let pair = |(name, value): (String, String)| Some((name.parse().ok()?, value.parse().ok()?));
        Some(Self { headers: head.into_iter().map(pair).collect::<Option<_>>()?, body, cut })
    }

    /// The headers with which it is handed on. `delivered`: the owner is only told.
    pub fn sealed(&self, token: &str, delivered: bool, ring: &KeyRing) -> HeaderMap {
        let mut headers = self.headers.clone();
        let flags = [(self.cut, CUT_HEADER), (delivered, DELIVERED_HEADER)];
        headers.extend(
            flags
                .into_iter()
                .filter(|(is_set, _)| *is_set)
                .map(|(_, name)| (HeaderName::from_static(name), HeaderValue::from_static("true"))),
        );
        let signature = ring.sign(&[&self.signed_head(token, delivered), &self.body]);
        // A key's id and base64 are always a header's value.
        headers.extend(
            HeaderValue::from_str(&signature).ok().map(|value| (HeaderName::from_static(HANDED_ON_HEADER), value)),
        );
        headers
    }

    /// Whether another replica handed it on with these headers; if so, whether the owner is only told.
    pub fn open(&self, token: &str, headers: &HeaderMap, ring: &KeyRing) -> Option<bool> {
        let signature = headers.get(HANDED_ON_HEADER)?.to_str().ok()?;
        let delivered = headers.contains_key(DELIVERED_HEADER);
        ring.verify(&[&self.signed_head(token, delivered), &self.body], signature).then_some(delivered)
    }

    fn signed_head(&self, token: &str, delivered: bool) -> Vec<u8> {
        let mut head = format!("{CONTEXT}\n{token}\n{}\n{delivered}\n", self.cut).into_bytes();
        for name in Callback::HEADERS {
            head.extend_from_slice(self.headers.get(name).map_or(b"-", |value| value.as_bytes()));
            head.push(b'\n');
        }
        head
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use zeebe2faas_contract::random_key_line;

    fn arrived() -> Arrived {
        let headers = [("x-function-status", "500"), ("x-retry", "2"), ("host", "bridge")];
        let pair = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        Arrived::new(&headers.into_iter().map(pair).collect(), Bytes::from_static(b"body"), false)
    }

    #[test]
    fn every_part_of_what_is_handed_on_is_covered() {
        let ring = KeyRing::parse(&random_key_line("a")).unwrap();
        let (arrived, token) = (arrived(), "token");
        let sealed = arrived.sealed(token, true, &ring);
        assert_eq!(Arrived::new(&sealed, arrived.body.clone(), false).open(token, &sealed, &ring), Some(true));
        assert_eq!(arrived.open("other", &sealed, &ring), None);
        assert_eq!(arrived.open(token, &sealed, &KeyRing::parse(&random_key_line("a")).unwrap()), None);
        let with = |name: &'static str, value: Option<&'static str>| {
            let mut headers = sealed.clone();
            headers.remove(name);
            headers.extend(value.map(|value| (HeaderName::from_static(name), HeaderValue::from_static(value))));
            Arrived::new(&headers, arrived.body.clone(), false).open(token, &headers, &ring)
        };
        assert_eq!(with("host", Some("other")), Some(true), "what decides nothing is not covered");
        for (name, value) in [
            ("x-function-status", Some("200")),
            ("x-retry", None),
            ("x-retry-max", Some("2")),
            ("x-openfaas-internal", Some("1")),
            (CUT_HEADER, Some("true")),
            (DELIVERED_HEADER, None),
            (HANDED_ON_HEADER, Some("a.AAAA")),
        ] {
            assert_eq!(with(name, value), None, "{name}");
        }
        let changed = Arrived { body: Bytes::from_static(b"Body"), ..arrived };
        assert_eq!(changed.open(token, &sealed, &ring), None);
    }

    #[test]
    fn what_the_ledger_kept_is_what_arrived() {
        let arrived = arrived();
        let kept = Arrived::from_kept(&arrived.head().unwrap(), arrived.body.clone(), arrived.cut);
        assert_eq!(kept, Some(arrived));
    }
}
