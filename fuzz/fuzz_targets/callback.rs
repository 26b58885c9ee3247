//! Callbacks, header lines, an empty line, the body: nothing unsigned ends a guarded call, and only a success succeeds.
#![no_main]

use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use zeebe2faas::bridge::{
    classify::{Callback, Rule, Verdict, classify},
    outcome::Status,
};
use zeebe2faas_contract::{CallId, KeyRing, random_key_line, signature::Answer};

static RING: LazyLock<KeyRing> = LazyLock::new(|| KeyRing::parse(&random_key_line("a")).expect("a key"));

fuzz_target!(|data: &[u8]| {
    let (head, body) = match data.windows(2).position(|pair| pair == b"\n\n") {
        Some(at) => (&data[..at], &data[at + 2..]),
        None => (data, &b""[..]),
    };
    let mut headers = HeaderMap::new();
    for line in head.split(|byte| *byte == b'\n').take(50) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (HeaderName::from_bytes(&line[..colon]), HeaderValue::from_bytes(&line[colon + 1..]));
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let id = CallId::new("c", 1, 1);
    let callback = Callback::new(&headers, body, false);
    let guarded = |callback: &Callback<'_>| classify(&id, "f", Rule::SignedReport(Some(&RING)), callback);
    assert!(matches!(guarded(&callback), Verdict::Provisional(_)), "ended without a signature");
    if succeeded(&classify(&id, "f", Rule::OwnStatus, &callback)) {
        assert!(callback.status.is_some_and(|status| (200..300).contains(&status)));
    }
    // As if the runner had said it.
    let status = callback.status.unwrap_or(200);
    let signature = Answer { function: "f", call_id: &id, status, question: "", body }.sign(&RING);
    let signed = Callback { status: Some(status), signature: Some(&signature), ..callback };
    if succeeded(&guarded(&signed)) {
        assert_eq!(status, 200);
    }
});

fn succeeded(verdict: &Verdict) -> bool {
    let Verdict::Final(outcome) = verdict else { return false };
    serde_json::to_string(outcome).expect("an outcome is JSON");
    outcome.status == Status::Succeeded
}
