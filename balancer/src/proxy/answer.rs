//! Answers the balancer makes itself: `/healthz`, and problems (RFC 9457) with a stable `code`.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use serde::Serialize;
use serde_json::{Map, Value};

use super::identity::RequestId;
use crate::cache::status::CACHE_STATUS;

/// What clients are told to wait after a 503, in seconds.
const RETRY_AFTER_SECONDS: u64 = 1;
/// Whoever is refused for want of room is told to wait up to this, so that not all come back at the same time.
const RETRY_AFTER_SECONDS_MAX: u64 = 3;
/// Room for a problem without members of its own.
const BODY_BYTES: usize = 320;
/// How much of a refused body is read away, so that the client sees the answer and not a reset.
const DRAIN_BYTES_MAX: usize = 1024 * 1024;
/// And for how long.
const DRAIN_MAX: Duration = Duration::from_secs(2);

/// An error answer.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Its status.
    pub status: StatusCode,
    /// The stable word programs look at.
    pub code: &'static str,
    detail: Cow<'static, str>,
    /// What clients are told to wait, in seconds, after a 429 or 503.
    retry_after: u64,
    members: Map<String, Value>,
    cache_status: Option<HeaderValue>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        let (detail, retry_after) = (detail.into(), RETRY_AFTER_SECONDS);
        Self { status, code, detail, retry_after, members: Map::new(), cache_status: None }
    }

    /// The client asks too often; it is told when it may again.
    pub fn rate_limited(wait: Duration) -> Self {
        let detail = "more requests than one client may send; the next one is answered after Retry-After";
        let mut problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail);
        problem.retry_after = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        problem
    }

    /// The client has as many sockets as it may.
    pub fn too_many_sockets() -> Self {
        let detail = "as many sockets are open as one client may have; close one";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_sockets", detail)
    }

    /// The service has as much to do as it can; the request had no effect.
    pub fn overloaded() -> Self {
        let detail = "more is asked than can be answered right now; the request had no effect";
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail);
        problem.retry_after = rand::random_range(RETRY_AFTER_SECONDS..=RETRY_AFTER_SECONDS_MAX);
        problem
    }

    /// The request cannot be read in one way.
    pub fn bad_request(detail: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", detail)
    }

    /// It is not stored, and the client wants nothing else.
    pub fn not_cached() -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, "not_cached", "the answer is not stored")
    }

    /// What the cache did.
    #[must_use]
    pub fn with_cache_status(mut self, status: Option<HeaderValue>) -> Self {
        self.cache_status = status;
        self
    }

    /// No route.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path")
    }

    /// The body stopped coming.
    pub fn request_timeout() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", "the request body did not arrive in time")
    }

    /// The body is larger than the route allows.
    pub fn body_too_large(bytes_max: usize) -> Self {
        let detail = format!("the body may have {bytes_max} bytes here");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
    }

    /// Path and query are longer than any route allows.
    pub fn uri_too_long(bytes_max: usize) -> Self {
        let detail = format!("path and query may have {bytes_max} bytes");
        Self::new(StatusCode::URI_TOO_LONG, "uri_too_long", detail)
    }

    /// The header is larger than any route allows.
    pub fn headers_too_large(bytes_max: usize, fields_max: usize) -> Self {
        let detail = format!("a header may have {bytes_max} bytes and {fields_max} fields");
        Self::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", detail)
    }

    /// Our own fault.
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the balancer failed")
    }

    /// The request was sent and its connection broke; it may have had its effect.
    pub fn upstream_failed() -> Self {
        Self::new(StatusCode::BAD_GATEWAY, "upstream_failed", "the service broke off before it answered")
    }

    /// Nobody could be reached, so the request had no effect.
    pub fn upstream_unavailable() -> Self {
        let detail = "no instance of the service can be reached";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "upstream_unavailable", detail)
    }

    /// The request was sent and nothing came back in time.
    pub fn upstream_timeout() -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, "upstream_timeout", "the service did not answer in time")
    }

    /// Some pool has nobody who can serve.
    pub fn pools_unavailable(pools: &[String]) -> Self {
        let detail = format!("nobody can serve in: {}", pools.join(", "));
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "pool_unavailable", detail);
        problem.members.insert("pools".into(), pools.into());
        problem
    }

    fn body(&self, request_id: &RequestId) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body<'a> {
            r#type: &'static str,
            title: &'a str,
            status: u16,
            detail: &'a str,
            code: &'a str,
            request_id: &'a str,
            #[serde(flatten)]
            members: &'a Map<String, Value>,
        }
        let body = Body {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            request_id: request_id.as_str(),
            members: &self.members,
        };
        let mut bytes = Vec::with_capacity(BODY_BYTES);
        // It has no map with keys that are not text, and memory takes all that is written.
        drop(serde_json::to_writer(&mut bytes, &body));
        bytes
    }
}

/// Sends a problem in place of any other answer.
pub async fn problem(session: &mut Session, problem: &Problem, request_id: &RequestId) -> Result<()> {
    let body = problem.body(request_id);
    let mut response = head(problem.status, "application/problem+json", body.len(), request_id)?;
    if matches!(problem.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
        response.insert_header(header::RETRY_AFTER, problem.retry_after)?;
    }
    if let Some(status) = &problem.cache_status {
        response.insert_header(CACHE_STATUS, status)?;
    }
    send(session, response, body).await
}

/// Sends a small JSON answer.
pub async fn json(session: &mut Session, body: &'static str, request_id: &RequestId) -> Result<()> {
    let response = head(StatusCode::OK, "application/json", body.len(), request_id)?;
    send(session, response, body.as_bytes().to_vec()).await
}

fn head(
    status: StatusCode,
    content_type: &str,
    length: usize,
    request_id: &RequestId,
) -> Result<ResponseHeader> {
    let mut response = ResponseHeader::build(status, Some(8))?;
    response.insert_header(header::CONTENT_TYPE, content_type)?;
    response.insert_header(header::CONTENT_LENGTH, length)?;
    response.insert_header(header::CACHE_CONTROL, "private, no-store")?;
    response.insert_header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")?;
    response.insert_header("x-request-id", request_id.value())?;
    Ok(response)
}

async fn send(session: &mut Session, response: ResponseHeader, body: Vec<u8>) -> Result<()> {
    let bodiless = session.req_header().method == Method::HEAD;
    let unread = !session.as_mut().is_body_done();
    session.write_response_header(Box::new(response), bodiless).await?;
    if !bodiless {
        session.write_response_body(Some(Bytes::from(body)), true).await?;
    }
    if unread {
        // However it ends, the answer is written; the connection is closed after it.
        let _ = tokio::time::timeout(DRAIN_MAX, read_away(session)).await;
    }
    Ok(())
}

async fn read_away(session: &mut Session) {
    let mut bytes = 0;
    while let Ok(Some(chunk)) = session.read_request_body().await {
        bytes += chunk.len();
        if bytes > DRAIN_BYTES_MAX {
            return;
        }
    }
}
