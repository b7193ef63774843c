//! What happens to a request: Pingora's callbacks in the order they are called, each a few lines.
//! They decide nothing; deciding is done by the modules below them.

mod admit;
pub mod affinity;
pub mod answer;
mod body;
mod choose;
pub mod deadline;
mod dial;
pub mod edge;
mod failure;
pub mod hash_key;
pub mod identity;
pub mod lent;
pub mod limit;
pub mod pace;
mod report;
pub mod request;
pub mod retry;
pub mod route;
pub mod silence;
mod span;
mod stored;
pub mod tunnel;
pub mod upgrade;

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use http::{StatusCode, header};
use pingora::cache::key::HashBinary;
use pingora::cache::{CacheKey, CacheMeta, ForcedFreshness, HitHandler, RespCacheable};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::Digest;
use pingora::proxy::{FailToProxy, ProxyHttp, RangeType, Session, range_header_filter};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType, Result};

use self::admit::Admitted;
use self::identity::Identity;
use self::request::{Heard, OpenUpgrade, Request};
use self::silence::{Silence, Turn};
use crate::cache::status::Outcome;
use crate::cache::{self, Cache, key, validation, validity};
use crate::fields::{self, X_REQUEST_ID};
use crate::fleet::Fleet;
use crate::fleet::endpoint::Busy;
use crate::fleet::outlier;
use crate::limit::open::Open;
use crate::operate::access_log::AccessLog;
use crate::operate::drain::Drain;
use crate::operate::metrics::Metrics;
use crate::operate::metrics::known::RetryReason;
use crate::operate::traces::Traces;

/// So many parts of one answer may be asked for at once; who asks for more gets all of it.
const RANGES_MAX: usize = 16;

/// The proxy: the rest of the balancer, as seen from a request.
pub struct Gateway {
    /// The configuration and the endpoints.
    pub fleet: Arc<Fleet>,
    /// The stored answers.
    pub cache: Cache,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The access log.
    pub access_log: Arc<AccessLog>,
    /// Where traces go, when somebody collects them.
    pub traces: Option<Arc<Traces>>,
    /// The way down.
    pub drain: Arc<Drain>,
    /// Sockets that clients have open.
    pub sockets: Open,
    /// Connections to endpoints.
    pub silence: Arc<Silence>,
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = Request;

    fn new_ctx(&self) -> Request {
        Request::new(self.fleet.snapshot())
    }

    async fn early_request_filter(&self, session: &mut Session, request: &mut Request) -> Result<()> {
        deadline::lift();
        edge::unify(session.req_header_mut())?;
        request.in_flight = Some(self.drain.enter());
        request.identity = Identity::of(session, &request.config().edge, self.traces.as_deref());
        self.set_timeouts(session, &request.config().edge);
        // Off, a next request that comes early is taken for a fault of the one before it.
        session.set_pipelining_enabled(true);
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, request: &mut Request) -> Result<bool> {
        let admitted = match self.admit(session, request) {
            Ok(admitted) => self.take_shared(session, request).await.map(|()| admitted),
            Err(problem) => Err(problem),
        };
        match admitted {
            Ok(Admitted::ToRoute) => Ok(false),
            Ok(Admitted::Healthy) => {
                answer::json(session, r#"{"status":"ok"}"#, &request.identity.request_id).await?;
                Ok(true)
            }
            Err(problem) => {
                if problem.status == StatusCode::BAD_REQUEST {
                    // Where one request cannot be read in one way, nobody knows where the next begins.
                    session.set_keepalive(None);
                }
                answer::problem(session, &problem, &request.identity.request_id).await?;
                Ok(true)
            }
        }
    }

    fn request_cache_filter(&self, session: &mut Session, request: &mut Request) -> Result<()> {
        let Some(route) = request.route().filter(|route| route.cache) else { return Ok(()) };
        let names = &route.cache_with_cookies;
        let known = names.is_empty() || hash_key::has_cookie(&session.req_header().headers, names);
        request.cache = Some(Outcome::Bypassed);
        if known {
            request.moments.came = self.cache.tags.now();
            self.cache.enable(session);
        }
        Ok(())
    }

    fn cache_key_callback(&self, session: &Session, request: &mut Request) -> Result<CacheKey> {
        request.passage.asked = self.cache.now();
        Ok(key::of(session.req_header(), request.identity.secure))
    }

    fn cache_vary_filter(
        &self,
        stored: &CacheMeta,
        _: &mut Request,
        header: &RequestHeader,
    ) -> Option<HashBinary> {
        key::variance(stored, header)
    }

    async fn cache_hit_filter(
        &self,
        session: &mut Session,
        stored: &CacheMeta,
        _: &mut HitHandler,
        _fresh: bool,
        request: &mut Request,
    ) -> Result<Option<ForcedFreshness>> {
        let judged = validity::judge(self.cache.tags, stored, session, request.moments, &self.metrics.purge);
        Ok(validity::stricter(judged, self.cache.unusable(session, stored)))
    }

    fn cache_not_modified_filter(
        &self,
        session: &Session,
        response: &ResponseHeader,
        _: &mut Request,
    ) -> Result<bool> {
        let request = session.req_header();
        Ok(validation::not_modified(&request.method, &request.headers, response.status, &response.headers))
    }

    fn range_header_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        _: &mut Request,
    ) -> RangeType {
        let request = session.req_header();
        let asked = request.headers.contains_key(header::RANGE);
        if asked && validation::range_applies(&request.method, &request.headers, &response.headers) {
            range_header_filter(request, response, Some(RANGES_MAX + 1))
        } else {
            RangeType::None
        }
    }

    /// Only reached when the cache has no answer. What waits here holds back nobody else.
    async fn proxy_upstream_filter(&self, session: &mut Session, request: &mut Request) -> Result<bool> {
        if request.cache.is_some() && !self.may_forward(session, request).await? {
            return Ok(false);
        }
        body::receive(session, request).await?;
        self.let_in(session, request).await
    }

    async fn upstream_peer(&self, session: &mut Session, request: &mut Request) -> Result<Box<HttpPeer>> {
        self.choose(session, request)
    }

    fn fail_to_connect(
        &self,
        _: &mut Session,
        _: &HttpPeer,
        request: &mut Request,
        mut error: Box<Error>,
    ) -> Box<Error> {
        request.tries.count_break();
        if matches!(error.etype(), ErrorType::ConnectRefused | ErrorType::ConnectNoRoute) {
            self.take_out(request);
        }
        if failure::unreachable(&error) {
            self.record(request, outlier::Outcome::Failed, Instant::now());
        }
        // Nothing was sent, so this costs the pool nothing and needs no budget.
        let again = request.tries.count < request.attempts_max();
        if again {
            self.count_retry(request, RetryReason::Connect);
        }
        error.set_retry(again);
        error
    }

    async fn connected_to_upstream(
        &self,
        _: &mut Session,
        _reused: bool,
        _: &HttpPeer,
        _: std::os::fd::RawFd,
        digest: Option<&Digest>,
        request: &mut Request,
    ) -> Result<()> {
        request.tries.sent = true;
        let left = request.route().and_then(|route| request.time_left(route.total, Instant::now()));
        request.tries.turn = Turn::begin(digest, left.unwrap_or_default());
        request.expect_more();
        Ok(())
    }

    async fn upstream_request_filter(
        &self,
        _: &mut Session,
        upstream: &mut RequestHeader,
        request: &mut Request,
    ) -> Result<()> {
        // What `Connection` names is gone here: only what the endpoint sees can make it safe to ask twice.
        request.tries.repeatable = retry::repeatable(upstream);
        if request.cache.is_some() {
            cache::ask_for_key(upstream);
        }
        let identity = &request.identity;
        fields::change_request(upstream, |fields| identity.tell(fields))
    }

    async fn request_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        request: &mut Request,
    ) -> Result<()> {
        request.expect_more();
        request.body_bytes += body.as_ref().map_or(0, Bytes::len);
        request.body_ended = end;
        if end && request.body_bytes > 0 && request.tries.body_sent_at.is_none() {
            request.tries.body_sent_at = Some(Instant::now());
        }
        if end && body.as_ref().is_some_and(Bytes::is_empty) {
            // Pingora writes the end of a chunked body twice when it comes with nothing in it (its issue 935, open).
            *body = None;
        }
        let most = request.route().map_or(usize::MAX, |route| route.body_bytes_max);
        if request.upgrade.is_none() && request.body_bytes > most {
            return body::too_large();
        }
        let pace = request.snapshot.config.edge.body_pace;
        if !end && request.upgrade.is_none() && !pace.kept(request.body_bytes, request.try_elapsed()) {
            return body::too_slow();
        }
        Ok(())
    }

    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        session: &mut Session,
        mut error: Box<Error>,
        request: &mut Request,
        _reused: bool,
    ) -> Box<Error> {
        if *error.esource() == ErrorSource::Upstream && request.tries.fell_silent() {
            error = failure::silence();
        }
        if failure::broken(&error, request) {
            self.record(request, outlier::Outcome::Failed, Instant::now());
        }
        if *error.esource() == ErrorSource::Upstream && request.tries.heard == Heard::Nothing {
            request.tries.count_break();
        }
        let reason = if request.tries.heard == Heard::Unable {
            request.tries.heard = Heard::Nothing;
            Some(RetryReason::Unable)
        } else {
            self.may_send_again(session, &error, request).then_some(RetryReason::Broken)
        };
        if let Some(reason) = reason {
            self.count_retry(request, reason);
        }
        error.set_retry(reason.is_some());
        error
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        request: &mut Request,
    ) -> Result<()> {
        let now = Instant::now();
        request.tries.count_answer(response.status, now);
        let lies_behind = response.status.is_server_error() && failure::lies_behind(&response.headers);
        let failed = failure::outcome_of(response.status);
        if let Some(outcome) = if lies_behind { Some(outlier::Outcome::Answered) } else { failed } {
            self.record(request, outcome, now);
        }
        let unable = response.status == StatusCode::SERVICE_UNAVAILABLE && !lies_behind;
        if unable && self.another_may_be_able(session, request) {
            request.tries.heard = Heard::Unable;
            return Err(
                Error::explain(ErrorType::HTTPStatus(503), "the endpoint is not able to answer").into_up()
            );
        }
        request.answer_begun(now);
        request.expect_more();
        request.tell_latency(response.status, now);
        if !response.status.is_informational() || response.status == StatusCode::SWITCHING_PROTOCOLS {
            // How fast the client takes the answer is between it and us.
            request.permit = None;
        }
        edge::strip_hop_by_hop(response)?;
        self.tell_cache(session, response, request);
        if response.status == StatusCode::SWITCHING_PROTOCOLS {
            open_tunnel(session, request);
            request.upgrade = Some(OpenUpgrade::new(&self.metrics.upgrades_open, self.drain.open_socket()));
            request.tries.endpoint.iter_mut().for_each(Busy::upgraded);
            request.in_flight = None;
        }
        Ok(())
    }

    fn upstream_response_body_filter(
        &self,
        _: &mut Session,
        _: &mut Option<Bytes>,
        end: bool,
        request: &mut Request,
    ) -> Result<Option<Duration>> {
        if !end {
            request.expect_more();
        } else if request.tries.fell_silent() {
            // An answer without a length would look whole.
            return Err(failure::silence());
        } else if let Some(turn) = &request.tries.turn {
            turn.heard_all();
        }
        Ok(None)
    }

    fn response_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        _end: bool,
        request: &mut Request,
    ) -> Result<Option<Duration>> {
        if let (Some(tunnel), Some(bytes)) = (&request.tries.tunnel, body)
            && tunnel.is_open()
        {
            tunnel.follow(bytes);
        }
        let total = request.route().and_then(|route| route.total).filter(|_| request.upgrade.is_none());
        if total.is_some() && request.time_left(total, Instant::now()).is_none() {
            return Error::e_explain(ErrorType::HTTPStatus(504), "the request's time is over");
        }
        Ok(None)
    }

    fn response_cache_filter(
        &self,
        session: &Session,
        response: &ResponseHeader,
        request: &mut Request,
    ) -> Result<RespCacheable> {
        let (asked, delay) = ((session.req_header(), request.identity.secure), request.try_elapsed());
        let admitted = self.cache.admit(asked.0, response, &mut request.passage, delay);
        Ok(validity::mark(self.cache.tags, admitted, asked, response, request.moments.asked))
    }

    /// Without an error, it is asked whether to use what is stale while it is fetched anew: as long as the answer itself allows that.
    fn should_serve_stale(
        &self,
        session: &mut Session,
        request: &mut Request,
        error: Option<&Error>,
    ) -> bool {
        error.is_none_or(|error| self.stands_in_for(session, request, error))
    }

    /// Runs for stored answers too, after they were stored: what is added here is for this client alone.
    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        request: &mut Request,
    ) -> Result<()> {
        if response.status.is_informational() && response.status != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(());
        }
        if self.drain.draining() {
            session.set_keepalive(None);
        }
        if request.cache.is_some() {
            request.cache = Some(cache::describe(session, response, &mut request.passage));
        }
        let (config, secure) = (&request.snapshot.config, request.identity.secure);
        fields::change_response(response, |fields| {
            fields.insert(&X_REQUEST_ID, request.identity.request_id.value().clone());
            if !config.purge.tags_shown {
                validity::hide(fields);
            }
            edge::add_security(fields, &config.edge, secure);
            let affinity = request.affinity.as_ref();
            if let Some(cookie) = affinity.and_then(|affinity| affinity.set_cookie(&config.affinity, secure))
            {
                fields.append(header::SET_COOKIE, cookie);
            }
        })
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        request: &mut Request,
    ) -> FailToProxy {
        let problem = failure::problem_of(session, error, request)
            .map(|problem| problem.with_cache_status(stored::status(request)));
        if problem.as_ref().is_some_and(|problem| problem.status == StatusCode::GATEWAY_TIMEOUT) {
            request.tell_elapsed(Instant::now());
        }
        self.count_slow_client(error, problem.as_ref());
        let error_code = problem.as_ref().map_or(0, |problem| problem.status.as_u16());
        if let Some(problem) = problem {
            session.set_keepalive(None);
            if let Err(failed) = answer::problem(session, &problem, &request.identity.request_id).await {
                tracing::debug!(error = %failed, "the client left before the error answer");
            }
        }
        FailToProxy { error_code, can_reuse_downstream: false }
    }

    fn suppress_error_log(&self, _: &Session, _: &Request, _: &Error) -> bool {
        self.access_log.enabled()
    }

    fn persist_connection_context(&self, _: &Session, _: &Request) -> Option<Box<dyn Any + Send + Sync>> {
        Some(Box::new(deadline::Reused))
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, request: &mut Request) {
        request.permit = None;
        let now = Instant::now();
        if request.tries.heard == Heard::Answer {
            self.record(request, outlier::Outcome::Answered, now);
        }
        self.observe(session, request, now);
        if let Some(traces) = &self.traces
            && request.identity.trace.sampled()
        {
            traces.leave(span::of(session, error, request, now));
        }
        let tunnel = request.tries.tunnel.take().filter(|tunnel| tunnel.is_open() && error.is_none());
        let line = self.access_log.enabled().then(|| report::line(session, error, request, now));
        match (tunnel, line) {
            (Some(tunnel), line) => {
                let line = line.map(|line| line.open());
                tunnel.take_end(self.end_of_tunnel(request, line));
            }
            (None, Some(line)) => self.access_log.write(&line),
            (None, None) => {}
        }
    }
}

/// The endpoint agreed to an upgrade. Both connections go over into the tunnel as soon as Pingora has passed that on.
fn open_tunnel(session: &Session, request: &Request) {
    let borrower = session.downstream_session.as_http1().and_then(lent::borrower);
    if let (Some(borrower), Some(tunnel)) = (borrower, &request.tries.tunnel) {
        borrower.set(tunnel);
        tunnel.open();
    }
}
