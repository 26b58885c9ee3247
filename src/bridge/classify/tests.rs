#![expect(clippy::unwrap_used, reason = "tests")]

mod table;

use super::*;
use proptest::prelude::*;
use zeebe2faas_contract::{Outcome as Reported, random_key_line};

fn id() -> CallId {
    CallId::new("c", 1, 1)
}

fn ring() -> KeyRing {
    KeyRing::parse(&random_key_line("a")).unwrap()
}

fn report(outcome: Reported) -> Report {
    let text =
        format!(r#"{{"callId":"{}","function":"f","outcome":{}}}"#, id(), serde_json::to_string(&outcome).unwrap());
    serde_json::from_str(&text).unwrap()
}

fn signed(ring: &KeyRing, status: u16, body: &[u8]) -> String {
    Answer { function: "f", call_id: &id(), status, question: "", body }.sign(ring)
}

fn succeeded(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Final(outcome) if outcome.status == Status::Succeeded)
}

#[test]
fn a_signed_report_is_final_and_the_same_without_its_signature_is_not() {
    let ring = ring();
    let rule = Rule::SignedReport(Some(&ring));
    let body = serde_json::to_vec(&report(Reported::Succeeded)).unwrap();
    let signature = signed(&ring, 200, &body);
    let callback = Callback { status: Some(200), signature: Some(&signature), body: &body, ..Callback::default() };
    assert!(succeeded(&classify(&id(), "f", rule, &callback)));
    for doubtful in [
        Callback { signature: None, ..callback },
        Callback { status: Some(500), ..callback },
        Callback { truncated: true, ..callback },
        Callback { body: b"{}", ..callback },
    ] {
        assert!(matches!(classify(&id(), "f", rule, &doubtful), Verdict::Provisional(_)));
    }
    for (other_id, function, rule) in [
        (CallId::new("c", 2, 1), "f", rule),
        (id(), "g", rule),
        (id(), "f", Rule::SignedReport(None)),
        (id(), "f", Rule::SignedReport(Some(&self::ring()))),
    ] {
        assert!(matches!(classify(&other_id, function, rule, &callback), Verdict::Provisional(_)));
    }
}

#[test]
fn a_callback_s_headers_are_read_and_nonsense_in_them_is_nothing() {
    let headers = |pairs: &[(&'static str, &'static str)]| -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    };
    let good = headers(&[
        ("x-function-status", "429"),
        ("x-duration-seconds", "1.5"),
        ("x-openfaas-internal", "faas-middleware"),
        ("x-retry", "10"),
        ("x-retry-max", "10"),
    ]);
    let callback = Callback::new(&good, b"", false);
    assert_eq!((callback.status, callback.duration_seconds), (Some(429), Some(1.5)));
    assert!(callback.internal && callback.exhausted);

    let nonsense = headers(&[("x-function-status", "20o"), ("x-retry", "-1"), ("x-retry-max", "many")]);
    let callback = Callback::new(&nonsense, b"", false);
    assert_eq!((callback.status, callback.exhausted, callback.internal), (None, false, false));
    assert!(!Callback::new(&headers(&[("x-retry", "3"), ("x-retry-max", "10")]), b"", false).exhausted);
    assert!(!Callback::new(&headers(&[("x-retry-max", "0")]), b"", false).exhausted);
}

fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let reports = [Reported::Succeeded, Reported::Failed].map(|outcome| serde_json::to_vec(&report(outcome)).unwrap());
    prop_oneof![any::<Vec<u8>>(), Just(Vec::new()), proptest::sample::select(reports.to_vec())]
}

fn statuses() -> impl Strategy<Value = Option<u16>> {
    proptest::option::of(prop_oneof![100u16..600, any::<u16>()])
}

proptest! {
    /// Total: whatever comes, something comes out.
    #[test]
    fn a_plain_function_succeeds_by_a_2xx_of_its_own_and_by_nothing_else(
        status in statuses(), internal: bool, exhausted: bool, body in bodies(), truncated: bool, signature: Option<String>,
        duration_seconds: Option<f64>,
    ) {
        let signature = signature.as_deref();
        let callback = Callback { status, signature, duration_seconds, internal, exhausted, body: &body, truncated };
        let verdict = classify(&id(), "f", Rule::OwnStatus, &callback);
        let good = !internal && status.is_some_and(|status| (200..300).contains(&status));
        prop_assert_eq!(succeeded(&verdict), good);
        if let Verdict::Final(outcome) = verdict {
            prop_assert_eq!(outcome.message.is_empty(), good, "only a success needs no words");
            prop_assert!(!(good && outcome.retryable));
        }
    }

    #[test]
    fn nothing_unsigned_ends_a_guarded_call(
        status in statuses(), internal: bool, exhausted: bool, body in bodies(), truncated: bool,
        signature: Option<String>, has_ring: bool,
    ) {
        let ring = ring();
        let rule = Rule::SignedReport(has_ring.then_some(&ring));
        let signature = signature.as_deref();
        let callback =
            Callback { status, signature, duration_seconds: None, internal, exhausted, body: &body, truncated };
        prop_assert!(matches!(classify(&id(), "f", rule, &callback), Verdict::Provisional(_)));
    }

    #[test]
    fn a_cut_report_never_verifies_nor_does_a_signed_one_of_another_status(
        outcome in proptest::sample::select(vec![
            Reported::Succeeded, Reported::Failed, Reported::Refused, Reported::TimedOut, Reported::Cancelled,
        ]),
        status in 100u16..600, cut: bool, at in 0usize..1000,
    ) {
        let ring = ring();
        let report = report(outcome);
        let body = serde_json::to_vec(&report).unwrap();
        let signature = signed(&ring, status, &body);
        let kept = if cut { &body[..at % body.len()] } else { &body[..] };
        let callback = Callback { status: Some(status), signature: Some(&signature), body: kept, ..Callback::default() };
        let verdict = classify(&id(), "f", Rule::SignedReport(Some(&ring)), &callback);
        let whole = !cut && status == report.http_status();
        prop_assert_eq!(matches!(verdict, Verdict::Final(_)), whole);
        prop_assert_eq!(succeeded(&verdict), whole && outcome == Reported::Succeeded);
        let marked = Callback { truncated: true, ..callback };
        let verdict = classify(&id(), "f", Rule::SignedReport(Some(&ring)), &marked);
        prop_assert!(matches!(verdict, Verdict::Provisional(_)));
    }
}
