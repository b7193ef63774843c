//! What surrounds every request: its id and trace, its metrics, its time limit, and a net under panics.

use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use tracing::Instrument;

use crate::drain::Drain;
use crate::metrics::HttpMetrics;
use crate::problem::Problem;
use crate::request_id;

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
    let span = tracing::info_span!(
        "request",
        request_id = %id,
        trace = request.headers().get("traceparent").and_then(|value| value.to_str().ok()),
        method = %request.method(),
        path = request.uri().path(),
    );
    let mut response = request_id::scope(id, answer(around, request, next)).instrument(span).await;
    if let Some(header) = header {
        response.headers_mut().insert(request_id::HEADER, header);
    }
    response
}

async fn answer(around: Surrounding, request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    let method = request.method().as_str().to_owned();
    let started = Instant::now();
    let in_flight = around.metrics.enter();
    let response = tokio::time::timeout(around.timeout, next.run(request)).await.unwrap_or_else(|_| {
        tracing::warn!("request timed out");
        Problem::unavailable("the answer took too long").into_response()
    });
    drop(in_flight);
    around.metrics.observe(&route, &method, response.status(), started.elapsed());
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
