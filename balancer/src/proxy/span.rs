//! What a trace has of a request when it is over. It must not change anything.

use std::time::{Instant, SystemTime};

use opentelemetry::trace::{SpanContext, SpanKind, Status, TraceFlags, TraceState};
use opentelemetry::{KeyValue, SpanId, TraceId};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use pingora::Error;
use pingora::proxy::Session;

use super::identity::Trace;
use super::report;
use super::request::Request;
use crate::operate::access_log::{Line, milliseconds};

/// From its header to the end of its answer. A service has its part of it in spans of its own.
pub(super) fn of(session: &Session, error: Option<&Error>, request: &Request, now: Instant) -> SpanData {
    let line = report::line(session, error, request, now);
    let end_time = SystemTime::now();
    let chosen_ms =
        request.tries.started.map(|chosen| milliseconds(chosen.saturating_duration_since(request.started)));
    let trace = &request.identity.trace;
    SpanData {
        span_context: context(trace),
        parent_span_id: trace
            .cause()
            .map_or(SpanId::INVALID, |cause| SpanId::from_bytes(cause.to_be_bytes())),
        parent_span_is_remote: trace.cause().is_some(),
        span_kind: SpanKind::Server,
        name: format!("{} {}", line.method, line.route).into(),
        start_time: end_time.checked_sub(now - request.started).unwrap_or(end_time),
        end_time,
        status: status(&line),
        attributes: attributes(&line, chosen_ms),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        instrumentation_scope: opentelemetry::InstrumentationScope::builder("balancer").build(),
    }
}

fn context(trace: &Trace) -> SpanContext {
    let trace_id = TraceId::from_hex(trace.trace_id()).unwrap_or(TraceId::INVALID);
    let span_id = SpanId::from_hex(trace.span_id()).unwrap_or(SpanId::INVALID);
    SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED, false, TraceState::default())
}

fn status(line: &Line<'_>) -> Status {
    match &line.error {
        Some(error) => Status::error(error.clone()),
        None if line.status >= 500 => Status::error(""),
        None => Status::Unset,
    }
}

/// Which way it went and how long each stage took. No query, and no address of a client.
fn attributes(line: &Line<'_>, chosen_ms: Option<f64>) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::new("http.request.method", line.method.to_owned()),
        KeyValue::new("http.route", line.route.to_owned()),
        KeyValue::new("http.response.status_code", i64::from(line.status)),
        KeyValue::new("url.path", line.path.to_owned()),
        KeyValue::new("request_id", line.request_id.to_owned()),
        KeyValue::new("marquee.pool", line.pool.to_owned()),
        KeyValue::new("marquee.endpoint", line.endpoint.to_owned()),
        KeyValue::new("marquee.retries", i64::try_from(line.retries).unwrap_or(i64::MAX)),
    ];
    attributes.extend(line.cache.map(|cache| KeyValue::new("marquee.cache", cache.to_owned())));
    // Until an endpoint was chosen: limits, the body, the queue of the pool, and tries before.
    attributes.extend(chosen_ms.map(|ms| KeyValue::new("marquee.chosen_ms", ms)));
    attributes.extend(line.upstream_ms.map(|ms| KeyValue::new("marquee.upstream_ms", ms)));
    attributes
}
