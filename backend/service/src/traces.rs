//! Traces: what a request did, what it caused and how long each took, sent by OTLP to a collector when one is configured.
//!
//! A span here is a `tracing` span of the target [`TARGET`], at a level that no log shows, so that without a collector nobody listens
//! and it costs one look at a flag. The balancer decides which requests are recorded; what they cause follows them: work in other
//! tasks, calls to other services, events, and the frames on live sockets that tell of them.

mod export;
mod sampler;

use opentelemetry::trace::{SpanContext, TraceContextExt, TraceFlags, TraceState};
use opentelemetry::{Context, SpanId, TraceId};
use serde::Deserialize;
use std::sync::atomic::{AtomicBool, Ordering};
use tracing::{Instrument, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

pub use export::Exporting;
pub(crate) use export::{Counts, start};

use crate::config::Validate;
use crate::traceparent::Traceparent;

/// The target of all spans that are sent.
pub const TARGET: &str = "marquee::trace";
/// Spans that may be made to wait at most.
const QUEUE_SPANS_MAX: usize = 1 << 20;

/// Whether anybody listens.
static ON: AtomicBool = AtomicBool::new(false);

/// Where traces go.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TracesConfig {
    /// The collector's base URL (`OTEL_EXPORTER_OTLP_ENDPOINT`), OTLP over HTTP; empty for no traces.
    pub endpoint: String,
    /// Of requests that nobody has decided about, this part is recorded: 0 for none, 1 for all.
    pub sample_ratio: f64,
    /// Spans that may wait to be sent; others are dropped and counted.
    pub queue_spans_max: usize,
}

impl Default for TracesConfig {
    fn default() -> Self {
        Self { endpoint: String::new(), sample_ratio: 0.01, queue_spans_max: 8_192 }
    }
}

impl Validate for TracesConfig {
    fn validate(&self) -> Result<(), String> {
        if !self.endpoint.is_empty() && !self.endpoint.starts_with("http://") {
            let way_out = "write \"http://127.0.0.1:4318\"; a collector nearby can speak TLS to others";
            return Err(format!("`traces.endpoint` must be http: {way_out}"));
        }
        if !(0.0..=1.0).contains(&self.sample_ratio) {
            return Err("`traces.sample_ratio` must be 0 to 1".to_owned());
        }
        if !(1..=QUEUE_SPANS_MAX).contains(&self.queue_spans_max) {
            return Err(format!("`traces.queue_spans_max` must be 1 to {QUEUE_SPANS_MAX}"));
        }
        Ok(())
    }
}

/// Whether spans are listened to.
pub fn on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// The `traceparent` of what is done now, when it is recorded: for a call, or an event that it causes.
pub fn current() -> Option<String> {
    if on() { traceparent(&Span::current().context().span().span_context().clone()) } else { None }
}

/// The trace of a span, when it is recorded.
pub(crate) fn trace_id(span: &Span) -> Option<String> {
    let context = span.context().span().span_context().clone();
    context.is_sampled().then(|| context.trace_id().to_string())
}

fn traceparent(context: &SpanContext) -> Option<String> {
    context.is_sampled().then(|| format!("00-{}-{}-01", context.trace_id(), context.span_id()))
}

/// Makes a span the child of one elsewhere.
pub(crate) fn follow(span: &Span, cause: Traceparent<'_>) {
    if let Some(context) = elsewhere(cause) {
        // It was made a moment ago, and nothing has begun in it.
        drop(span.set_parent(Context::new().with_remote_span_context(context)));
    }
}

fn elsewhere(cause: Traceparent<'_>) -> Option<SpanContext> {
    let trace_id = TraceId::from_hex(cause.trace_id()).ok()?;
    let span_id = SpanId::from_hex(cause.span_id()).ok()?;
    let flags = if cause.sampled() { TraceFlags::SAMPLED } else { TraceFlags::default() };
    Some(SpanContext::new(trace_id, span_id, flags, true, TraceState::default()))
}

/// Does what an event caused: in a span of the event's trace, and with its id in every line of the log.
pub async fn caused_by<F: Future>(cause: Option<&str>, kind: &str, work: F) -> F::Output {
    let Some(cause) = cause.and_then(Traceparent::parse) else { return work.await };
    let line = tracing::info_span!("event", trace_id = cause.trace_id());
    let span = line.in_scope(|| consumer(cause, kind));
    work.instrument(span).instrument(line).await
}

fn consumer(cause: Traceparent<'_>, kind: &str) -> Span {
    if !on() {
        return Span::none();
    }
    let span = tracing::debug_span!(
        target: TARGET,
        "event",
        otel.name = format!("process {kind}"),
        otel.kind = "consumer",
        messaging.system = "redis",
        messaging.operation.name = "process",
        event.kind = kind
    );
    follow(&span, cause);
    span
}

/// Sends something to a client that nobody asked for, because of what happened elsewhere.
pub fn push<T>(cause: Option<&str>, kind: &str, send: impl FnOnce() -> T) -> T {
    let Some(cause) = cause.filter(|_| on()).and_then(Traceparent::parse) else { return send() };
    let name = format!("push {kind}");
    let span = tracing::debug_span!(target: TARGET, "push", otel.name = name, otel.kind = "producer", event.kind = kind);
    follow(&span, cause);
    span.in_scope(send)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nobody_listens_nothing_is_said() {
        assert_eq!((on(), current()), (false, None));
        let cause = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert!(push(Some(cause), "Sold", || Span::current().is_none()));
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        let with = |endpoint: &str, sample_ratio, queue_spans_max| {
            TracesConfig { endpoint: endpoint.to_owned(), sample_ratio, queue_spans_max }.validate()
        };
        assert_eq!(with("http://127.0.0.1:4318", 0.5, 1), Ok(()));
        for (wrong, key) in [
            (with("https://collector:4318", 0.5, 1), "endpoint"),
            (with("", 1.5, 1), "sample_ratio"),
            (with("", f64::NAN, 1), "sample_ratio"),
            (with("", 0.5, 0), "queue_spans_max"),
        ] {
            assert!(wrong.is_err_and(|message| message.contains(key)));
        }
    }
}
