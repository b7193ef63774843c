//! What follows from a try that failed: an endpoint goes out, another one is tried, or the client gets a problem.
//! The rule of what may be sent twice is [`super::retry`]'s.

use std::io;
use std::time::Instant;

use http::{HeaderMap, HeaderName, StatusCode};
use pingora::proxy::Session;
use pingora::{Error, ErrorSource, ErrorType};
use sfv::{List, ListEntry, Parser};

use super::Gateway;
use super::answer::Problem;
use super::limit;
use super::request::{Heard, Request};
use super::retry::{self, Failure};
use crate::fleet::health;
use crate::fleet::outlier::Outcome;
use crate::operate::metrics::known::RetryReason;

/// What a hop says of those behind it (RFC 9209).
const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

impl Gateway {
    /// Whether a request that was sent and got no answer goes to another endpoint.
    pub(super) fn may_send_again(&self, session: &Session, error: &Error, request: &Request) -> bool {
        *error.esource() == ErrorSource::Upstream
            && may_be_sent_again(session, request)
            && self.withdraw(request)
    }

    /// Whether a request that an endpoint answered with 503 goes to another one: that one may have what the first one lacks. Where
    /// there is none, the client gets the first one's own answer, which knows best when to come back.
    pub(super) fn another_may_be_able(&self, session: &Session, request: &Request) -> bool {
        may_be_sent_again(session, request)
            && request.pool().is_some_and(|pool| pool.another_serves(request.tries.tried))
            && self.withdraw(request)
    }

    /// A refused connect takes its endpoint out at once.
    pub(super) fn take_out(&self, request: &Request) {
        let (Some(pool), Some(endpoint)) = (request.pool(), &request.tries.endpoint) else { return };
        if let Some(state) = endpoint.record_refusal(Instant::now()) {
            self.metrics.endpoint_changed(&pool.settings.name, &endpoint.name, state);
            tracing::warn!(
                pool = pool.settings.name,
                endpoint = endpoint.name,
                "endpoint refused a connection"
            );
        }
    }

    /// Tells the pool how a try has ended, once; the endpoint may be ejected for it. A client that leaves says nothing about it.
    pub(super) fn record(&self, request: &mut Request, outcome: Outcome, now: Instant) {
        let (Some(index), Some(sent_at)) = (request.tries.undecided.take(), request.tries.started) else {
            return;
        };
        let Some(pool) = request.pool() else { return };
        if let Some(ejection) = pool.record(index, outcome, sent_at, now) {
            health::ejected(pool, index, ejection, &self.metrics);
        }
    }

    fn withdraw(&self, request: &Request) -> bool {
        let granted = request.pool().is_some_and(|pool| pool.budget.withdraw());
        if !granted {
            self.metrics.retries_refused.with_label_values(&[request.pool_name()]).inc();
        }
        granted
    }

    /// Counts a try on another endpoint.
    pub(super) fn count_retry(&self, request: &Request, reason: RetryReason) {
        self.metrics.retries.with_label_values(&[request.pool_name(), reason.name()]).inc();
    }

    /// Counts a client that let us wait for its body, or for it to take its answer.
    pub(super) fn count_slow_client(&self, error: &Error, problem: Option<&Problem>) {
        let not_taken =
            *error.etype() == ErrorType::WriteTimedout && *error.esource() == ErrorSource::Downstream;
        if not_taken {
            self.metrics.slow_client("answer").inc();
        } else if problem.is_some_and(|problem| problem.status == StatusCode::REQUEST_TIMEOUT) {
            self.metrics.slow_client("body").inc();
        }
    }
}

fn may_be_sent_again(session: &Session, request: &Request) -> bool {
    let failure = Failure {
        repeatable: request.tries.repeatable,
        answer_begun: request.tries.heard == Heard::Answer || session.response_written().is_some(),
        body_kept: !session.as_ref().retry_buffer_truncated(),
        attempts: request.tries.count,
    };
    retry::may_send_again(failure, request.attempts_max())
}

/// The answer an error amounts to; none when the client is gone or already has an answer.
pub(super) fn problem_of(session: &Session, error: &Error, request: &Request) -> Option<Problem> {
    if session.response_written().is_some_and(|response| !response.status.is_informational()) {
        return None;
    }
    Some(match (error.etype(), error.esource()) {
        (ErrorType::HTTPStatus(413), _) => {
            Problem::body_too_large(request.route().map_or(0, |route| route.body_bytes_max))
        }
        _ if limit::is_refused(error) => Problem::overloaded(),
        (ErrorType::HTTPStatus(504), _) => Problem::upstream_timeout(),
        (ErrorType::HTTPStatus(408), _) | (ErrorType::ReadTimedout, ErrorSource::Downstream) => {
            Problem::request_timeout()
        }
        (_, ErrorSource::Upstream) if kept_waiting(error, request) => Problem::request_timeout(),
        (
            ErrorType::ReadError
            | ErrorType::WriteError
            | ErrorType::WriteTimedout
            | ErrorType::ConnectionClosed,
            ErrorSource::Downstream,
        ) => return None,
        (_, ErrorSource::Downstream) => Problem::bad_request("the request cannot be read"),
        (_, ErrorSource::Upstream) if timed_out(error) && request.tries.sent => Problem::upstream_timeout(),
        (_, ErrorSource::Upstream) if !request.tries.sent || request.tries.repeatable => {
            Problem::upstream_unavailable()
        }
        (_, ErrorSource::Upstream) => Problem::upstream_failed(),
        (_, ErrorSource::Internal | ErrorSource::Unset) => Problem::internal(),
    })
}

/// What a status says about the endpoint that answers with it; nothing yet, when its answer may still break off.
pub(super) fn outcome_of(status: StatusCode) -> Option<Outcome> {
    match status {
        StatusCode::INTERNAL_SERVER_ERROR => Some(Outcome::Error),
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            Some(Outcome::Failed)
        }
        _ => None,
    }
}

/// Whether an answer says of itself that it was something behind the endpoint that failed, such as a payment provider (`Proxy-Status`
/// with an `error`, RFC 9209): the endpoint did its part, and another one would get no further.
pub(super) fn lies_behind(answer: &HeaderMap) -> bool {
    answer.get_all(PROXY_STATUS).iter().any(|value| {
        let hops = Parser::new(value.as_bytes()).parse::<List>().unwrap_or_default();
        hops.iter().any(|hop| match hop {
            ListEntry::Item(hop) => hop.params.contains_key("error"),
            ListEntry::InnerList(_) => false,
        })
    })
}

/// Whether it is the endpoint, or the way to it, that a connect failed for, and not a lack of something here.
pub(super) fn unreachable(error: &Error) -> bool {
    matches!(error.etype(), ErrorType::ConnectTimedout | ErrorType::ConnectError)
}

/// What became of a request whose endpoint said nothing for too long.
#[expect(clippy::unnecessary_box_returns, reason = "so Pingora hands its errors around")]
pub(super) fn silence() -> Box<Error> {
    Error::explain(ErrorType::ReadTimedout, "the endpoint said nothing for too long").into_up()
}

/// Whether an endpoint broke off or fell silent.
pub(super) fn broken(error: &Error, request: &Request) -> bool {
    *error.esource() == ErrorSource::Upstream
        && !matches!(error.etype(), ErrorType::HTTPStatus(_))
        && !kept_waiting(error, request)
}

/// Whether the endpoint was silent because its client was: nobody can answer a request that has not come.
fn kept_waiting(error: &Error, request: &Request) -> bool {
    timed_out(error) && request.tries.sent && !request.body_ended
}

/// Whether time ran out, by Pingora's clock or by that of the connection.
fn timed_out(error: &Error) -> bool {
    let cause = error.root_cause().downcast_ref::<io::Error>();
    matches!(error.etype(), ErrorType::ReadTimedout | ErrorType::WriteTimedout)
        || cause.is_some_and(|cause| cause.kind() == io::ErrorKind::TimedOut)
}
