//! What is said about a request when it is over: counts and a line. It must not change anything.

use std::time::Instant;

use pingora::Error;
use pingora::proxy::Session;

use super::Gateway;
use super::request::Request;
use super::tunnel::End;
use crate::cache::status::Outcome;
use crate::operate::access_log::{Line, OpenLine, milliseconds};
use crate::operate::metrics::route::{Labels, RouteCounts};

/// In a second.
const MILLISECONDS: f64 = 1e3;

impl Gateway {
    /// Counts it.
    pub(super) fn observe(&self, session: &Session, request: &Request, now: Instant) {
        let labels = Labels { route: request.route_name(), pool: request.pool_name() };
        let status = session.response_written().map(|response| response.status);
        // An upgraded connection lives as long as its user; its time says nothing about us.
        let seconds = request.upgrade.is_none().then(|| (now - request.started).as_secs_f64());
        let counts = request.route_index().map(|index| &request.snapshot.counts[index]);
        let unknown = RouteCounts::default();
        let counts = counts.unwrap_or(&unknown);
        counts.count(&self.metrics, labels, status, seconds);
        if let Some(milliseconds) = request.tries.first_byte_ms {
            counts.answered(&self.metrics, labels, milliseconds / MILLISECONDS);
        }
        if let Some(outcome) = request.cache {
            self.metrics.cache_requests.with_label_values(&[outcome.name()]).inc();
            self.metrics.cache.count(outcome, session.body_bytes_sent(), request.passage.age_seconds);
        }
    }

    /// What is left to be done when its tunnel is over: until then the connection counts, here and for its endpoint.
    pub(super) fn end_of_tunnel(&self, request: &mut Request, line: Option<OpenLine>) -> End {
        let counted = (request.upgrade.take(), request.tries.endpoint.take(), request.socket.take());
        let (access_log, started) = (self.access_log.clone(), request.started);
        Box::new(move |bytes| {
            drop(counted);
            if let Some(line) = line {
                access_log.end(line, bytes, started.elapsed());
            }
        })
    }
}

/// Describes it.
pub(super) fn line<'a>(
    session: &'a Session,
    error: Option<&Error>,
    request: &'a Request,
    now: Instant,
) -> Line<'a> {
    let header = session.req_header();
    let duration = now - request.started;
    let began =
        jiff::Timestamp::now().checked_sub(jiff::SignedDuration::try_from(duration).unwrap_or_default());
    Line {
        time: began.unwrap_or_else(|_| jiff::Timestamp::now()),
        request_id: request.identity.request_id.as_str(),
        trace_id: request.identity.trace.trace_id(),
        client: request.identity.client_text(),
        method: header.method.as_str(),
        path: header.uri.path(),
        route: request.route_name(),
        pool: request.pool_name(),
        endpoint: request.tries.endpoint.as_ref().map_or("", |endpoint| endpoint.name.as_str()),
        status: session.response_written().map_or(0, |response| response.status.as_u16()),
        bytes: session.body_bytes_sent(),
        duration_ms: milliseconds(duration),
        upstream_ms: request.tries.first_byte_ms,
        retries: request.tries.count.saturating_sub(1),
        cache: request.cache.map(Outcome::name),
        error: error.map(ToString::to_string),
    }
}
