//! Which spans are recorded: those whose cause is; and a part of the requests that come without anybody having decided.

use opentelemetry::trace::{Link, SpanKind, TraceContextExt};
use opentelemetry::{Context, KeyValue, TraceId};
use opentelemetry_sdk::trace::{Sampler, SamplingResult, ShouldSample};

/// Follows the cause.
#[derive(Debug, Clone)]
pub(super) struct Following {
    /// Decides about requests that nobody has decided about.
    pub(super) undecided: Sampler,
}

impl ShouldSample for Following {
    fn should_sample(
        &self,
        cause: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let known =
            cause.filter(|cause| cause.has_active_span()).map(|cause| cause.span().span_context().clone());
        // What a process does of itself, again and again, is no trace.
        let sampler = match (&known, kind) {
            (Some(cause), _) if cause.is_sampled() => &Sampler::AlwaysOn,
            (None, SpanKind::Server) => &self.undecided,
            _ => &Sampler::AlwaysOff,
        };
        sampler.should_sample(cause, trace_id, name, kind, attributes, links)
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::SpanId;
    use opentelemetry::trace::{SpanContext, TraceFlags, TraceState};
    use opentelemetry_sdk::trace::SamplingDecision;

    use super::*;

    fn recorded(cause: Option<TraceFlags>, kind: &SpanKind) -> bool {
        let trace_id = TraceId::from_bytes([7; 16]);
        let cause = cause.map(|flags| {
            let span =
                SpanContext::new(trace_id, SpanId::from_bytes([7; 8]), flags, true, TraceState::default());
            Context::new().with_remote_span_context(span)
        });
        let sampler = Following { undecided: Sampler::AlwaysOn };
        let decision = sampler.should_sample(cause.as_ref(), trace_id, "", kind, &[], &[]).decision;
        decision == SamplingDecision::RecordAndSample
    }

    #[test]
    fn what_is_caused_follows_and_only_requests_begin_a_trace() {
        assert!(recorded(Some(TraceFlags::SAMPLED), &SpanKind::Internal));
        assert!(!recorded(Some(TraceFlags::default()), &SpanKind::Server));
        assert!(recorded(None, &SpanKind::Server));
        assert!(!recorded(None, &SpanKind::Internal));
    }
}
