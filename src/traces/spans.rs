//! The spans of a call, from what the ledger knows of its way. Pure.

use super::proto::{
    AnyValue, ExportTraceServiceRequest, InstrumentationScope, KeyValue, Resource, ResourceSpans, ScopeSpans, Span,
    Status, any_value::Value, span::Kind, status::Code,
};
use crate::ledger::Journey;
use std::collections::BTreeMap;
use zeebe2faas_contract::{Step, TraceParent};

/// Characters of an outcome's message in a trace.
const MESSAGE_CHARS: usize = 1000;

/// Whom a collector sees.
pub(super) struct Service {
    pub(super) name: String,
    pub(super) instance: String,
    pub(super) version: &'static str,
}

/// The bridge's spans, and those of each function as a service of its own.
pub(super) fn request(journeys: &[&Journey], service: &Service) -> ExportTraceServiceRequest {
    let mut runs: BTreeMap<&str, Vec<Span>> = BTreeMap::new();
    let mut own = Vec::new();
    for journey in journeys {
        own.extend([Some(call(journey)), submit(journey), wait(journey), Some(deliver(journey))].into_iter().flatten());
        if let Some(run) = run(journey) {
            runs.entry(&journey.function).or_default().push(run);
        }
    }
    let bridge = vec![
        text("service.name", &service.name),
        text("service.instance.id", &service.instance),
        text("service.version", service.version),
    ];
    let functions = runs.into_iter().map(|(function, spans)| of_resource(vec![text("service.name", function)], spans));
    ExportTraceServiceRequest { resource_spans: std::iter::once(of_resource(bridge, own)).chain(functions).collect() }
}

fn of_resource(attributes: Vec<KeyValue>, spans: Vec<Span>) -> ResourceSpans {
    let scope = InstrumentationScope { name: env!("CARGO_PKG_NAME").to_owned(), version: String::new() };
    ResourceSpans {
        resource: Some(Resource { attributes }),
        scope_spans: vec![ScopeSpans { scope: Some(scope), spans }],
    }
}

/// From the job to the delivered outcome.
fn call(journey: &Journey) -> Span {
    let number = |key, value| attribute(key, Value::IntValue(value));
    let mut span = span(journey, Step::Call, Kind::Consumer, journey.accepted_ms, journey.delivered_ms);
    span.parent_span_id = journey.parent.map_or_else(Vec::new, |parent| parent.span_id.to_vec());
    span.attributes.extend([
        text("zeebe.process_id", &journey.bpmn_process_id),
        number("zeebe.process_instance_key", journey.process_instance_key),
        text("zeebe.element_id", &journey.element_id),
        number("zeebe.job_key", journey.job_key),
        number("zeebe2faas.try", journey.attempt.into()),
        text("zeebe2faas.status", &journey.status),
    ]);
    span.status = status(journey);
    span
}

/// Until OpenFaaS has it.
fn submit(journey: &Journey) -> Option<Span> {
    let submitted_ms = journey.submitted_ms?;
    Some(span(journey, Step::Submit, Kind::Producer, journey.accepted_ms, submitted_ms))
}

/// Until the program starts, where a runner told when that was.
fn wait(journey: &Journey) -> Option<Span> {
    let (submitted_ms, started_ms) = (journey.submitted_ms?, journey.started_at_ms?);
    // The clocks may differ, and a program may start before the 202 arrives.
    (started_ms > submitted_ms).then(|| span(journey, Step::Wait, Kind::Internal, submitted_ms, started_ms))
}

/// While the function runs: as its runner or OpenFaaS measured it, else as long as it can have been.
fn run(journey: &Journey) -> Option<Span> {
    let took_ms = journey.duration_seconds.map(|seconds| (seconds * 1000.0) as u64);
    let (start_ms, end_ms) = match (journey.started_at_ms, took_ms) {
        (Some(start_ms), took_ms) => (start_ms, took_ms.map_or(journey.ended_ms, |took| start_ms.saturating_add(took))),
        (None, Some(took_ms)) if took_ms > 0 => (journey.ended_ms.saturating_sub(took_ms), journey.ended_ms),
        _ if ["refused", "cancelled"].contains(&journey.status.as_str()) => return None,
        _ => (journey.submitted_ms.unwrap_or(journey.accepted_ms), journey.ended_ms),
    };
    let mut span = span(journey, Step::Run, Kind::Consumer, start_ms, end_ms);
    span.status = status(journey);
    Some(span)
}

/// Until Zeebe has the outcome.
fn deliver(journey: &Journey) -> Span {
    span(journey, Step::Deliver, Kind::Producer, journey.ended_ms, journey.delivered_ms)
}

fn span(journey: &Journey, step: Step, kind: Kind, start_ms: u64, end_ms: u64) -> Span {
    let own = TraceParent::of(&journey.call_id, step, journey.parent.as_ref());
    let call = TraceParent::of(&journey.call_id, Step::Call, journey.parent.as_ref());
    let nanos = |ms: u64| ms.saturating_mul(1_000_000);
    Span {
        trace_id: own.trace_id.to_vec(),
        span_id: own.span_id.to_vec(),
        parent_span_id: call.span_id.to_vec(),
        name: format!("{} {}", step.as_str(), journey.function),
        kind: kind.into(),
        start_time_unix_nano: nanos(start_ms),
        end_time_unix_nano: nanos(end_ms.max(start_ms)),
        attributes: vec![
            text("faas.invocation_id", journey.call_id.as_str()),
            text("faas.invoked_name", &journey.function),
        ],
        status: None,
    }
}

fn status(journey: &Journey) -> Option<Status> {
    (journey.status != "succeeded")
        .then(|| Status { message: journey.message.chars().take(MESSAGE_CHARS).collect(), code: Code::Error.into() })
}

fn text(key: &'static str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

fn attribute(key: &'static str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }) }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use prost::Message;
    use zeebe2faas_contract::CallId;

    /// What `tests/monitoring` has OpenTelemetry's own decoder read.
    const SAMPLE: &[u8] = include_bytes!("../../tests/monitoring/trace.binpb");

    fn journey() -> Journey {
        Journey {
            call_id: CallId::new("test", 1, 1),
            function: "otbcli".into(),
            job_key: 1,
            attempt: 2,
            bpmn_process_id: "phr-pair".into(),
            process_instance_key: 7,
            element_id: "ortho".into(),
            parent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap()),
            accepted_ms: 1000,
            submitted_ms: Some(1010),
            started_at_ms: Some(3000),
            duration_seconds: Some(60.5),
            ended_ms: 63_600,
            delivered_ms: 63_700,
            status: "failed".into(),
            message: "exit code 1".into(),
        }
    }

    fn times(span: Option<Span>) -> Option<(u64, u64)> {
        span.map(|span| (span.start_time_unix_nano / 1_000_000, span.end_time_unix_nano / 1_000_000))
    }

    #[test]
    fn a_sample_is_made_as_opentelemetrys_decoder_was_given_it() {
        let service = Service { name: "zeebe2faas".into(), instance: "bridge-0".into(), version: "0" };
        let made = request(&[&journey()], &service).encode_to_vec();
        if made != SAMPLE {
            let path = std::env::temp_dir().join("trace.binpb");
            std::fs::write(&path, made).unwrap();
            assert_eq!(
                path.display().to_string(),
                "",
                "another one: move it to tests/monitoring, then `make monitoring-check`"
            );
        }
    }

    #[test]
    fn a_run_lasts_as_long_as_somebody_measured_and_else_as_it_can_have() {
        let unmeasured = || Journey { started_at_ms: None, duration_seconds: None, ..journey() };
        for (journey, expected) in [
            (journey(), Some((3000, 63_500))),
            (Journey { duration_seconds: None, ..journey() }, Some((3000, 63_600))),
            (Journey { started_at_ms: None, ..journey() }, Some((3100, 63_600))),
            (unmeasured(), Some((1010, 63_600))),
            (Journey { submitted_ms: None, ..unmeasured() }, Some((1000, 63_600))),
            (Journey { status: "refused".into(), ..unmeasured() }, None),
            (Journey { status: "cancelled".into(), ..unmeasured() }, None),
            (Journey { started_at_ms: Some(9), duration_seconds: Some(-1.0), ..journey() }, Some((9, 9))),
        ] {
            assert_eq!(times(run(&journey)), expected, "{journey:?}");
        }
    }

    #[test]
    fn a_call_waits_only_where_its_program_started_after_the_submission() {
        assert_eq!(times(wait(&journey())), Some((1010, 3000)));
        for journey in [
            Journey { started_at_ms: Some(1000), ..journey() },
            Journey { started_at_ms: None, ..journey() },
            Journey { submitted_ms: None, ..journey() },
        ] {
            assert_eq!(times(wait(&journey)), None, "{journey:?}");
        }
    }
}
