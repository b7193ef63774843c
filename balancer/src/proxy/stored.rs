//! What the cache is told of a request that goes on to the upstream, and when it answers in the upstream's place.

use std::time::Instant;

use http::StatusCode;
use http::header::{self, HeaderMap};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorSource, ErrorType, Result};

use super::answer::{self, Problem};
use super::request::Request;
use super::{Gateway, failure, limit};
use crate::cache;
use crate::cache::control::Control;
use crate::cache::status::{Forward, Outcome, Status};

impl Gateway {
    /// Whether a request that the cache has no answer for may go on; if not, it was told so (RFC 9111, 5.2.1.7).
    pub(super) async fn may_forward(&self, session: &mut Session, request: &mut Request) -> Result<bool> {
        let (phase, variant) = (session.cache.phase(), cache::variant(session));
        let header = session.req_header();
        request.passage.forward = Some(Forward::of(phase, &header.method, variant));
        if !only_if_cached(&header.headers) {
            return Ok(true);
        }
        let problem = Problem::not_cached().with_cache_status(status(request));
        answer::problem(session, &problem, &request.identity.request_id).await?;
        Ok(false)
    }

    /// The upstream has answered.
    pub(super) fn tell_cache(&self, session: &Session, response: &ResponseHeader, request: &mut Request) {
        if response.status.is_informational() {
            return;
        }
        if !session.req_header().method.is_safe() {
            self.cache.invalidate(request.identity.secure, session.req_header(), response);
        }
        if request.cache.is_some() {
            let stored = session.cache.maybe_cache_meta().map(pingora::cache::CacheMeta::headers);
            request.passage.heard(response, stored);
        }
    }

    /// Whether what is stored is given in place of an error. The endpoint is held to account for it all the same.
    pub(super) fn stands_in_for(&self, session: &mut Session, request: &mut Request, error: &Error) -> bool {
        let failed = *error.esource() == ErrorSource::Upstream;
        if let (true, ErrorType::HTTPStatus(status)) = (failed, error.etype())
            && !self.upstream_failed(request, *status)
        {
            return false;
        }
        let stands_in = failed || limit::is_refused(error);
        if stands_in {
            // Pingora closes the connection after such an answer, so the client must be told.
            session.set_keepalive(None);
        }
        stands_in
    }

    /// Whether an answer with this status is one that something else may stand in for (RFC 5861, 4).
    fn upstream_failed(&self, request: &mut Request, status: u16) -> bool {
        let status = StatusCode::from_u16(status).ok().filter(|_| matches!(status, 500 | 502 | 503 | 504));
        request.passage.upstream_status = status.or(request.passage.upstream_status);
        if let Some(outcome) = status.and_then(failure::outcome_of) {
            self.record(request, outcome, Instant::now());
        }
        status.is_some()
    }
}

/// What the cache has to say about an answer that the balancer makes itself; none on routes without a cache.
pub(super) fn status(request: &Request) -> Option<http::HeaderValue> {
    let outcome = request.cache?;
    let outcome = if outcome == Outcome::Bypassed { outcome } else { Outcome::Passed };
    let (forward, forward_status) = (request.passage.forward, request.passage.upstream_status);
    Some(Status { outcome, forward, forward_status, ttl: None }.header())
}

fn only_if_cached(request: &HeaderMap) -> bool {
    request.contains_key(header::CACHE_CONTROL) && Control::of(request).only_if_cached
}
