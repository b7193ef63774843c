//! Which answers may be stored: RFC 9111, 3, and stricter where a mistake would give one client's answer to another. Pure.

use std::time::{Duration, SystemTime};

use http::header::{self, HeaderMap};
use http::{Method, StatusCode};

use super::control::Control;
use super::{freshness, vary};

/// Statuses whose meaning is known here, so that they can be stored (RFC 9111, 3). A part is not stored, and neither is an error
/// of the origin itself, which would take the place of what may stand in for it.
const UNDERSTOOD: [u16; 15] = [200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 405, 410, 414, 451, 501];

/// What is asked and answered.
pub struct Exchange<'a> {
    /// Header of the request.
    pub request: &'a HeaderMap,
    /// Status of the answer.
    pub status: StatusCode,
    /// Header of the answer.
    pub response: &'a HeaderMap,
    /// When the answer came.
    pub now: SystemTime,
    /// For how long it was waited for.
    pub delay: Duration,
}

/// Bounds on what is stored.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// One body, in bytes.
    pub body_bytes_max: usize,
    /// Lifetime that nobody said.
    pub heuristic_max: Duration,
    /// For how long an answer may stand in for an error where nothing is said.
    pub stale_if_error: Duration,
}

/// How an answer is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Its age when it came.
    pub age: Duration,
    /// For how long it is fresh from now on; zero when it has to be fetched anew while it is used.
    pub fresh: Duration,
    /// Usable for so long after that, while it is fetched anew.
    pub stale_while_revalidate: Duration,
    /// Usable for so long after that, when it cannot be fetched anew.
    pub stale_if_error: Duration,
}

/// Why an answer is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Because of what it is: the next one is likely to be the same.
    Answer,
    /// Because of who asked, or how: the answer to somebody else may be stored.
    Request,
    /// Because the origin failed.
    Failure,
}

/// Whether an answer to GET may be stored, and on which terms.
pub fn terms(exchange: &Exchange<'_>, bounds: &Bounds) -> Result<Terms, Refusal> {
    let control = Control::of_response(exchange.response);
    let forbidden = (control.no_store && !control.must_understand)
        || control.private.everything()
        || control.no_cache.everything();
    if exchange.status.is_server_error() && exchange.status != StatusCode::NOT_IMPLEMENTED {
        return Err(Refusal::Failure);
    }
    if forbidden
        || !UNDERSTOOD.contains(&exchange.status.as_u16())
        || sets_cookie(exchange.response, &control)
        || !vary::storable(exchange.response)
        || !fits(exchange, bounds)
    {
        return Err(Refusal::Answer);
    }
    if !shareable(exchange.request, &control) {
        return Err(Refusal::Request);
    }
    timed(exchange, &control, bounds)
}

fn timed(exchange: &Exchange<'_>, control: &Control, bounds: &Bounds) -> Result<Terms, Refusal> {
    let (headers, now) = (exchange.response, exchange.now);
    let age = freshness::age_on_arrival(headers, now, exchange.delay);
    let lifetime = freshness::lifetime(exchange.status, headers, control, now, bounds.heuristic_max);
    let (stale_while_revalidate, stale_if_error) = stale(control, bounds);
    let fresh = lifetime.saturating_sub(age);
    if fresh.is_zero() && stale_while_revalidate.is_zero() {
        // To store it would save a body, and let those wait for each other who ask at the same time.
        return Err(Refusal::Answer);
    }
    Ok(Terms { age, fresh, stale_while_revalidate, stale_if_error })
}

/// `s-maxage` forbids to use what is stale unless the answer itself says for how long (RFC 9111, 5.2.2.10; RFC 5861).
fn stale(control: &Control, bounds: &Bounds) -> (Duration, Duration) {
    if control.must_revalidate || control.proxy_revalidate {
        return (Duration::ZERO, Duration::ZERO);
    }
    let unsaid = if control.s_maxage.is_some() { Duration::ZERO } else { bounds.stale_if_error };
    (control.stale_while_revalidate.unwrap_or_default(), control.stale_if_error.unwrap_or(unsaid))
}

/// What is answered to one who shows who he is, is for others only when it says so (RFC 9111, 3.5, and the same for cookies).
fn shareable(request: &HeaderMap, control: &Control) -> bool {
    let asks_to_forget = Control::of(request).no_store;
    let authorized = !request.contains_key(header::AUTHORIZATION)
        || control.public
        || control.s_maxage.is_some()
        || control.must_revalidate;
    let for_everybody = !request.contains_key(header::COOKIE) || control.shared();
    !asks_to_forget && authorized && for_everybody
}

/// A cookie is for one client; the rest is for others when the answer names the field as private.
fn sets_cookie(response: &HeaderMap, control: &Control) -> bool {
    let named = |fields: &[http::HeaderName]| fields.contains(&header::SET_COOKIE);
    response.contains_key(header::SET_COOKIE)
        && !named(control.private.fields())
        && !named(control.no_cache.fields())
}

fn fits(exchange: &Exchange<'_>, bounds: &Bounds) -> bool {
    let length = freshness::body_length(exchange.status, exchange.response);
    length.is_some_and(|length| length <= bounds.body_bytes_max)
}

/// Whether a stored answer can be of use to this request, or the other way round. A precondition that only the origin can check
/// goes to the origin (RFC 9111, 4.3.2).
pub fn may_use_cache(method: &Method, request: &HeaderMap) -> bool {
    let others = [
        header::UPGRADE,
        header::TRANSFER_ENCODING,
        header::CONTENT_LENGTH,
        header::IF_MATCH,
        header::IF_UNMODIFIED_SINCE,
    ];
    matches!(*method, Method::GET | Method::HEAD) && !others.iter().any(|name| request.contains_key(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        body_bytes_max: 1_000,
        heuristic_max: Duration::from_mins(5),
        stale_if_error: Duration::from_mins(1),
    };

    fn map(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().expect("test value"));
        }
        headers
    }

    fn exchange(
        request: &[(&'static str, &str)],
        status: u16,
        response: &[(&'static str, &str)],
    ) -> Result<Terms, Refusal> {
        let (request, mut response) = (map(request), map(response));
        response.entry("content-length").or_insert(http::HeaderValue::from_static("2"));
        let status = StatusCode::from_u16(status).expect("test status");
        let (now, delay) = (SystemTime::now(), Duration::ZERO);
        terms(&Exchange { request: &request, status, response: &response, now, delay }, &BOUNDS)
    }

    fn refused(control: &str, more: (&'static str, &str)) -> Option<Refusal> {
        exchange(&[], 200, &[("cache-control", control), more]).err()
    }

    fn fresh(request: &[(&'static str, &str)], control: &str) -> Result<u64, Refusal> {
        exchange(request, 200, &[("cache-control", control)]).map(|terms| terms.fresh.as_secs())
    }

    #[test]
    fn rfc9111_3_a_lifetime_is_enough() {
        assert_eq!(fresh(&[], "max-age=60"), Ok(60));
        assert_eq!(fresh(&[], "public"), Err(Refusal::Answer));
        assert_eq!(exchange(&[], 200, &[]), Err(Refusal::Answer));
    }

    #[test]
    fn rfc9111_3_statuses_that_are_understood_and_none_else() {
        for status in UNDERSTOOD {
            assert!(exchange(&[], status, &[("cache-control", "max-age=60")]).is_ok(), "{status}");
        }
        for status in [206, 304, 401, 403, 407, 416, 429] {
            let answer = exchange(&[], status, &[("cache-control", "public, max-age=60")]);
            assert_eq!(answer, Err(Refusal::Answer), "{status}");
        }
        for status in [500, 502, 503, 504] {
            let answer = exchange(&[], status, &[("cache-control", "public, max-age=60")]);
            assert_eq!(answer, Err(Refusal::Failure), "{status}");
        }
    }

    #[test]
    fn rfc9111_5_2_2_what_forbids_to_store() {
        let none = ("x-none", "");
        for control in ["no-store", "private", "no-cache", "max-age=0", "max-age=x", "s-maxage=0"] {
            assert_eq!(refused(&format!("max-age=60, {control}"), none), Some(Refusal::Answer), "{control}");
        }
        assert_eq!(refused("max-age=60", ("age", "60")), Some(Refusal::Answer));
        assert_eq!(refused("max-age=60", ("content-length", "1001")), Some(Refusal::Answer));
        assert_eq!(refused("max-age=60", ("vary", "*")), Some(Refusal::Answer));
    }

    #[test]
    fn rfc9111_5_2_2_3_must_understand_overrules_no_store() {
        assert_eq!(fresh(&[], "must-understand, no-store, max-age=60"), Ok(60));
        let unknown = exchange(&[], 299, &[("cache-control", "must-understand, no-store, max-age=60")]);
        assert_eq!(unknown, Err(Refusal::Answer));
    }

    #[test]
    fn rfc9111_3_5_authorization_and_cookies_need_a_word_for_it() {
        let authorized = [("authorization", "Bearer x")];
        for control in ["public, max-age=60", "s-maxage=60", "must-revalidate, max-age=60"] {
            assert_eq!(fresh(&authorized, control), Ok(60), "{control}");
        }
        assert_eq!(fresh(&authorized, "max-age=60"), Err(Refusal::Request));
        let known = [("cookie", "session=x")];
        assert_eq!(fresh(&known, "public, max-age=60"), Ok(60));
        assert_eq!(fresh(&known, "max-age=60"), Err(Refusal::Request));
        assert_eq!(fresh(&known, "must-revalidate, max-age=60"), Err(Refusal::Request));
    }

    #[test]
    fn rfc9111_5_2_1_5_a_request_may_ask_not_to_be_remembered() {
        assert_eq!(fresh(&[("cache-control", "no-store")], "public, max-age=60"), Err(Refusal::Request));
    }

    #[test]
    fn rfc9111_7_3_cookies_are_for_one_client() {
        let cookie = ("set-cookie", "a=b");
        assert_eq!(refused("public, max-age=60", cookie), Some(Refusal::Answer));
        assert_eq!(refused("max-age=60, private=\"set-cookie\"", cookie), None);
        assert_eq!(refused("max-age=60, no-cache=\"Set-Cookie\"", cookie), None);
    }

    #[test]
    fn rfc5861_3_and_4_for_how_long_what_is_stale_may_be_used() {
        let stale = |control: &str| {
            let terms = exchange(&[], 200, &[("cache-control", control)]).expect("stored");
            (terms.stale_while_revalidate.as_secs(), terms.stale_if_error.as_secs())
        };
        assert_eq!(stale("max-age=60"), (0, 60));
        assert_eq!(stale("max-age=60, stale-while-revalidate=5, stale-if-error=7"), (5, 7));
        assert_eq!(stale("s-maxage=60"), (0, 0));
        assert_eq!(stale("s-maxage=60, stale-while-revalidate=5, stale-if-error=7"), (5, 7));
        for never in ["must-revalidate", "proxy-revalidate"] {
            let control = format!("max-age=60, stale-while-revalidate=5, stale-if-error=7, {never}");
            assert_eq!(stale(&control), (0, 0), "{never}");
        }
        assert_eq!(stale("max-age=0, stale-while-revalidate=5"), (5, 60));
    }

    #[test]
    fn rfc9111_4_what_is_answered_from_the_store() {
        assert!(may_use_cache(&Method::GET, &map(&[])) && may_use_cache(&Method::HEAD, &map(&[])));
        assert!(!may_use_cache(&Method::POST, &map(&[])));
        for name in ["if-match", "if-unmodified-since", "content-length", "transfer-encoding", "upgrade"] {
            assert!(!may_use_cache(&Method::GET, &map(&[(name, "1")])), "{name}");
        }
    }
}
