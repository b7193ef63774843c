//! What a request is held to before it goes anywhere: how often its client may ask, what it may have open, and whether
//! its pool has room. Whoever is refused had no effect and is told when to come back.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use http::{HeaderMap, StatusCode, header};
use pingora::proxy::Session;
use pingora::{Error, ErrorSource, ErrorType, Result};

use super::Gateway;
use super::answer::{self, Problem};
use super::request::Request;
use crate::config::Key;
use crate::fleet::policy::hash::hash;
use crate::fleet::pool::Pool;
use crate::fleet::rates::Rate;
use crate::limit::admission::{Permit, Refused, Waiting};
use crate::limit::open::{OneMore, OneOpen};
use crate::limit::rate;
use crate::limit::shed::Reason;

/// Counts a socket until it is dropped.
pub struct CountedSocket {
    _of_pool: OneMore,
    _of_client: OneOpen,
}

/// Takes a token of this client for each of these limits, or tells how long there is none.
fn take<'a>(
    rates: impl Iterator<Item = &'a Rate>,
    client: IpAddr,
    headers: &HeaderMap,
    now: Instant,
) -> Result<(), Duration> {
    for rate in rates {
        let (buckets, quota) = (&rate.buckets, rate.settings.quota);
        match value(&rate.settings.key, headers) {
            Some(value) => buckets.take(value, quota, now)?,
            None => buckets.take(rate::client(client), quota, now)?,
        }
    }
    Ok(())
}

/// The cookie or header by which a client is known; an empty one makes nobody known.
fn value<'a>(key: &Key, headers: &'a HeaderMap) -> Option<&'a [u8]> {
    let value = match key {
        Key::Address => None,
        Key::Header(name) => headers.get(name).map(|value| value.as_bytes().trim_ascii()),
        Key::Cookie(name) => headers
            .get_all(header::COOKIE)
            .iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b';'))
            .find_map(|pair| pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"=")),
    };
    value.filter(|value| !value.is_empty())
}

/// The same client under the same name on every balancer. Values are secrets of their clients, so only their hash leaves.
fn name(key: &Key, client: IpAddr, headers: &HeaderMap) -> String {
    match value(key, headers) {
        Some(value) => format!("{:016x}", hash(value)),
        None => rate::client(client).to_string(),
    }
}

impl Gateway {
    /// Asks for a token in the buckets of all balancers; where Redis is away, this one's own have decided.
    pub(super) async fn take_shared(&self, session: &Session, request: &Request) -> Result<(), Problem> {
        let rates = &request.snapshot.rates;
        let Some(shared) = &rates.shared else { return Ok(()) };
        let named = |rate: &Rate| {
            let name = name(&rate.settings.key, request.identity.client, &session.req_header().headers);
            (rate.settings.name.clone(), name, rate.settings.quota)
        };
        let of_route = request.route_index().into_iter().flat_map(|route| rates.for_route(route));
        let takes: Vec<_> =
            rates.for_all().chain(of_route).filter(|rate| rate.settings.shared).map(named).collect();
        for (limit, client, quota) in takes {
            if let Some(Err(wait)) = shared.take(&limit, &client, quota).await {
                return Err(self.rate_limited(request, wait));
            }
        }
        Ok(())
    }

    /// Holds a request to these limits, in this balancer's own buckets.
    pub(super) fn hold_to<'a>(
        &self,
        rates: impl Iterator<Item = &'a Rate>,
        session: &Session,
        request: &Request,
    ) -> Result<(), Problem> {
        let taken = take(rates, request.identity.client, &session.req_header().headers, request.started);
        taken.map_err(|wait| self.rate_limited(request, wait))
    }

    fn rate_limited(&self, request: &Request, wait: Duration) -> Problem {
        self.count_shed(request, Reason::RateLimited);
        Problem::rate_limited(wait)
    }

    fn count_shed(&self, request: &Request, reason: Reason) {
        self.metrics.limits.shed.with_label_values(&[request.pool_name(), reason.name()]).inc();
    }

    /// Lets a request into its pool, when there is room at once or soon enough. False when it was refused.
    pub(super) async fn let_in(&self, session: &mut Session, request: &mut Request) -> Result<bool> {
        let Err(shed) = self.enter_pool(session, request).await else { return Ok(true) };
        let problem = match shed {
            Shed::Gone(error) => return Err(error),
            Shed::Refused(reason) => {
                self.count_shed(request, reason);
                if session.cache.can_serve_stale_error() {
                    // A stored answer is better than none; Pingora gives it when asking has failed.
                    request.shed = true;
                    return Ok(true);
                }
                Problem::overloaded()
            }
            Shed::ClientSockets => {
                self.count_shed(request, Reason::ClientSockets);
                Problem::too_many_sockets()
            }
        };
        answer::problem(session, &problem, &request.identity.request_id).await?;
        Ok(false)
    }

    async fn enter_pool(&self, session: &mut Session, request: &mut Request) -> Result<(), Shed> {
        let (Some(route), Some(pool)) = (request.route(), request.pool().cloned()) else { return Ok(()) };
        let priority = route.priority;
        if session.is_upgrade_req() {
            request.socket = Some(self.count_socket(request, &pool)?);
        }
        let permit = match pool.door.requests.ask(priority, pool.in_flight_max()) {
            Ok(permit) => permit,
            Err(waiting) => {
                let _timer =
                    self.metrics.limits.queue_wait.with_label_values(&[&pool.settings.name]).start_timer();
                wait(session, waiting, pool.settings.limits.queue_wait).await?
            }
        };
        request.permit = Some(permit);
        Ok(())
    }

    fn count_socket(&self, request: &Request, pool: &Pool) -> Result<CountedSocket, Shed> {
        let client = rate::client(request.identity.client);
        let of_client = self.sockets.enter(client, request.config().limits.client_sockets_max);
        let of_pool = pool.door.sockets.enter(pool.settings.limits.sockets_max);
        Ok(CountedSocket {
            _of_client: of_client.ok_or(Shed::ClientSockets)?,
            _of_pool: of_pool.ok_or(Shed::Refused(Reason::Sockets))?,
        })
    }

    /// No endpoint may have one more request.
    pub(super) fn endpoints_full<T>(&self, request: &Request) -> Result<T> {
        self.count_shed(request, Reason::EndpointLimit);
        refused("every endpoint has as many requests as it may")
    }
}

/// What becomes of a request that no endpoint gets, for the sake of others.
pub(super) fn refused<T>(why: &'static str) -> Result<T> {
    Err(Error::explain(ErrorType::HTTPStatus(503), why).into_in())
}

/// Whether that is what this is.
pub(super) fn is_refused(error: &Error) -> bool {
    matches!((error.etype(), error.esource()), (ErrorType::HTTPStatus(503), ErrorSource::Internal))
}

/// Why a request was not let into its pool.
enum Shed {
    /// Its client has left.
    Gone(Box<Error>),
    /// By the pool, for a reason that is counted.
    Refused(Reason),
    /// Its client has as many sockets as it may.
    ClientSockets,
}

/// Waits for its turn, not longer than it may and not longer than the client does.
async fn wait(session: &mut Session, waiting: Waiting, longest: Duration) -> Result<Permit, Shed> {
    tokio::select! {
        biased;
        answer = waiting => answer.map_err(|refused| Shed::Refused(match refused {
            Refused::QueueFull => Reason::QueueFull,
            Refused::Displaced => Reason::Displaced,
        })),
        () = tokio::time::sleep(longest) => Err(Shed::Refused(Reason::QueueTimeout)),
        error = gone(session) => Err(Shed::Gone(error)),
    }
}

/// Ends when the client has closed its connection. It cannot be seen behind a body that nobody has read yet.
async fn gone(session: &mut Session) -> Box<Error> {
    if !session.as_downstream_mut().is_body_done() {
        return std::future::pending().await;
    }
    loop {
        if let Err(error) = session.as_downstream_mut().read_body_or_idle(true).await {
            return error.into_down();
        }
    }
}

impl Request {
    /// What the adaptive limit learns: the time from the endpoint having all of the request to its answer. Refusals and
    /// failures are quick for reasons of their own.
    pub(super) fn tell_latency(&mut self, status: StatusCode, now: Instant) {
        if !status.is_server_error() && !status.is_informational() {
            self.tell_elapsed(now);
        }
    }

    /// As [`Request::tell_latency`], when no answer came in time.
    pub(super) fn tell_elapsed(&mut self, now: Instant) {
        let (Some(route), Some(permit)) = (self.route_index(), &mut self.permit) else { return };
        let Some(sent_at) = self.tries.started.max(self.tries.body_sent_at) else { return };
        permit.answered(route, now.saturating_duration_since(sent_at), now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cookie: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::COOKIE, http::HeaderValue::from_static(cookie))])
    }

    #[test]
    fn a_cookie_is_found_among_others_and_an_empty_one_is_none() {
        let key = Key::Cookie("session".into());
        assert_eq!(value(&key, &headers("a=b; session=x; c=d")), Some(&b"x"[..]));
        assert_eq!(value(&key, &headers("mysession=x; session=")), None);
        assert_eq!(value(&Key::Address, &headers("session=x")), None);
    }

    #[test]
    fn no_value_leaves_the_balancer() {
        let client = [192, 0, 2, 1].into();
        let key = Key::Cookie("session".into());
        assert_eq!(name(&key, client, &headers("a=b")), "192.0.2.1");
        let hashed = name(&key, client, &headers("session=secret"));
        assert!(!hashed.contains("secret") && hashed.len() == 16, "{hashed}");
    }
}
