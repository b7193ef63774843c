//! What surrounds every request: its id and trace, its metrics, its time limit, and a net under panics.

use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode};
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::drain::Drain;
use crate::metrics::HttpMetrics;
use crate::problem::Problem;
use crate::request_id;
use crate::{traceparent, traces};

/// What [`surround`] needs to know.
#[derive(Debug, Clone)]
pub struct Surrounding {
    /// Where requests are counted.
    pub metrics: HttpMetrics,
    /// How long one may take before it is answered 503.
    pub timeout: Duration,
}

/// The outermost middleware.
pub async fn surround(State(around): State<Surrounding>, request: Request, next: Next) -> Response {
    let id =
        request_id::given(request.headers()).unwrap_or_else(|| uuid::Uuid::new_v4().simple().to_string());
    let header = HeaderValue::from_str(&id).ok();
    let line = tracing::info_span!(
        "request",
        request_id = %id,
        trace_id = traceparent::given(request.headers()).map(|trace| trace.trace_id()),
        method = %request.method(),
        path = request.uri().path(),
    );
    let span = line.in_scope(|| recorded(&request, &id, &line));
    let answer = request_id::scope(id, answer(around, request, next));
    let mut response = answer.instrument(span).instrument(line).await;
    if let Some(header) = header {
        response.headers_mut().insert(request_id::HEADER, header);
    }
    response
}

/// The span of a request, where traces are on. One that begins a trace says so in `line`.
fn recorded(request: &Request, id: &str, line: &Span) -> Span {
    let cause = traceparent::given(request.headers());
    if !traces::on() || cause.is_some_and(|cause| !cause.sampled()) {
        return Span::none();
    }
    let route = route(request);
    let span = tracing::debug_span!(
        target: traces::TARGET,
        "request",
        otel.name = format!("{} {route}", request.method()),
        otel.kind = "server",
        http.request.method = %request.method(),
        http.route = route,
        url.path = request.uri().path(),
        request_id = id,
        http.response.status_code = Empty,
        otel.status_code = Empty,
    );
    match cause {
        Some(cause) => traces::follow(&span, cause),
        None => drop(line.record("trace_id", traces::trace_id(&span))),
    }
    span
}

/// How it ended.
fn note_status(status: StatusCode) {
    let span = Span::current();
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}

/// The pattern that matched.
fn route(request: &Request) -> &str {
    request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str)
}

async fn answer(around: Surrounding, request: Request, next: Next) -> Response {
    let route = route(&request).to_owned();
    let method = request.method().as_str().to_owned();
    let started = Instant::now();
    let in_flight = around.metrics.enter();
    let response = tokio::time::timeout(around.timeout, next.run(request)).await.unwrap_or_else(|_| {
        tracing::warn!("request timed out");
        Problem::unavailable("the answer took too long").into_response()
    });
    drop(in_flight);
    let (status, duration_ms) = (response.status(), started.elapsed().as_secs_f64() * 1e3);
    if traces::on() {
        note_status(status);
    }
    tracing::debug!(route, status = status.as_u16(), duration_ms, "answered");
    around.metrics.observe(&route, &method, status, started.elapsed());
    response
}

/// Runs `work` to its end even when the client goes away or the answer is late: what is half done would be worse. The drain
/// waits for it.
pub async fn detached<T: Send + 'static>(
    drain: Drain,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Problem> {
    let (answer, answered) = tokio::sync::oneshot::channel();
    let work = request_id::scope(request_id::id(), async move {
        // Nobody waits for it when the client is gone.
        drop(answer.send(work.await));
    });
    drain.spawn(work.in_current_span());
    answered.await.map_err(|_| {
        tracing::error!("detached work panicked");
        Problem::internal()
    })
}

/// The answer where a handler panicked.
pub fn panicked(_payload: Box<dyn std::any::Any + Send + 'static>) -> Response {
    tracing::error!("a handler panicked");
    Problem::internal().into_response()
}
