use crate::CallId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr};

/// Carries a [`TraceParent`] between HTTP peers.
pub const TRACEPARENT_HEADER: &str = "traceparent";
/// Carries it to a program.
pub const TRACEPARENT_VARIABLE: &str = "TRACEPARENT";

const LENGTH: usize = 55;

/// A span that others hang theirs below: version 00 of the W3C Trace Context's `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TraceParent {
    /// The trace.
    pub trace_id: [u8; 16],
    /// The span.
    pub span_id: [u8; 8],
    /// Whether somebody records it.
    pub sampled: bool,
}

/// The text is not a `traceparent`.
#[derive(Debug, thiserror::Error)]
#[error("not a traceparent: it has the form 00-TRACE-SPAN-FLAGS in lower-case hexadecimal digits")]
pub struct InvalidTraceParent;

/// The parts of a call's way that are spans of its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// All of it, from the job to the delivered outcome.
    Call,
    /// Until OpenFaaS has it.
    Submit,
    /// Until the program starts.
    Wait,
    /// While the program runs. Spans of the program hang below this one.
    Run,
    /// Until Zeebe has the outcome.
    Deliver,
}

impl Step {
    /// Its name in a trace.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Submit => "submit",
            Self::Wait => "wait",
            Self::Run => "run",
            Self::Deliver => "deliver",
        }
    }
}

impl TraceParent {
    /// The span of one step of a call. It is made of the call's id, so that whoever submits it again, or tells of it
    /// after a restart, means the same span. It is in the trace of `parent`, or else in the call's own.
    pub fn of(call_id: &CallId, step: Step, parent: Option<&Self>) -> Self {
        let hash = |what: &str| Sha256::new().chain_update(call_id.as_str()).chain_update(what).finalize();
        let (trace, span) = (hash(""), hash(step.as_str()));
        let mut own = Self { trace_id: [0; 16], span_id: [0; 8], sampled: true };
        own.trace_id.copy_from_slice(&trace[..16]);
        own.span_id.copy_from_slice(&span[..8]);
        match parent {
            Some(parent) => Self { trace_id: parent.trace_id, sampled: parent.sampled, ..own },
            None => own,
        }
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace_id, span_id, sampled } = self;
        write!(
            f,
            "00-{:032x}-{:016x}-{:02x}",
            u128::from_be_bytes(*trace_id),
            u64::from_be_bytes(*span_id),
            u8::from(*sampled)
        )
    }
}

impl FromStr for TraceParent {
    type Err = InvalidTraceParent;

    fn from_str(text: &str) -> Result<Self, InvalidTraceParent> {
        let digits = |part: &str, length: usize| {
            let good = part.len() == length && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
            good.then(|| u128::from_str_radix(part, 16).ok()).flatten().ok_or(InvalidTraceParent)
        };
        let parts: Vec<&str> = text.split('-').collect();
        let ["00", trace, span, flags] = parts[..] else { return Err(InvalidTraceParent) };
        let (trace, span, flags) = (digits(trace, 32)?, digits(span, 16)?, digits(flags, 2)?);
        let span = u64::try_from(span).map_err(|_| InvalidTraceParent)?;
        if text.len() != LENGTH || trace == 0 || span == 0 {
            return Err(InvalidTraceParent);
        }
        Ok(Self { trace_id: trace.to_be_bytes(), span_id: span.to_be_bytes(), sampled: flags & 1 == 1 })
    }
}

impl TryFrom<String> for TraceParent {
    type Error = InvalidTraceParent;

    fn try_from(text: String) -> Result<Self, InvalidTraceParent> {
        text.parse()
    }
}

impl From<TraceParent> for String {
    fn from(parent: TraceParent) -> Self {
        parent.to_string()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_reads_as_it_was_written() {
        let parent: TraceParent = EXAMPLE.parse().unwrap();
        assert_eq!((parent.to_string().as_str(), parent.sampled), (EXAMPLE, true));
        let not_sampled: TraceParent = EXAMPLE.replace("-01", "-00").parse().unwrap();
        assert!(!not_sampled.sampled);
    }

    #[test]
    fn anything_else_is_refused() {
        let zero = "0".repeat(32);
        for text in [
            "",
            "00",
            &EXAMPLE.replace("00-4b", "01-4b"),
            &EXAMPLE.to_uppercase(),
            &format!("{EXAMPLE}-x"),
            &EXAMPLE[..54],
            &EXAMPLE.replace("00f067aa0ba902b7", &zero[..16]),
            &EXAMPLE.replace("4bf92f3577b34da6a3ce929d0e0e4736", &zero),
            &EXAMPLE.replace("4bf9", "+bf9"),
        ] {
            assert!(text.parse::<TraceParent>().is_err(), "{text}");
        }
    }

    #[test]
    fn each_step_of_a_call_has_its_own_span_in_one_trace_that_a_parent_decides() {
        let id = CallId::new("test", 1, 1);
        let steps = [Step::Call, Step::Submit, Step::Wait, Step::Run, Step::Deliver];
        let spans: Vec<TraceParent> = steps.iter().map(|step| TraceParent::of(&id, *step, None)).collect();
        for (n, span) in spans.iter().enumerate() {
            assert_eq!(span.trace_id, spans[0].trace_id);
            assert!(spans[..n].iter().all(|other| other.span_id != span.span_id));
        }
        let parent: TraceParent = EXAMPLE.parse().unwrap();
        let below = TraceParent::of(&id, Step::Run, Some(&parent));
        assert_eq!((below.trace_id, below.span_id), (parent.trace_id, spans[3].span_id));
    }
}
