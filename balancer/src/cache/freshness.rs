//! Which answers may be stored and for how long: RFC 9111, read strictly. Pure.
//!
//! Stored is only a 200 to GET or HEAD that says `public` and a lifetime, sets no cookie, has a known length, comes
//! straight from its origin (no `Age`), varies by nothing but `Accept-Encoding`, and whose request carried no
//! `Authorization`.

use std::time::{Duration, SystemTime};

use http::{Method, StatusCode, header};
use pingora::cache::cache_control::{CacheControl, InterpretCacheControl};
use pingora::cache::{CacheMeta, NoCacheReason, RespCacheable};
use pingora::http::{RequestHeader, ResponseHeader};

use crate::config;

/// Longer lifetimes are cut to this: a year is what caches agree to call for ever.
const LIFETIME_MAX: Duration = Duration::from_hours(365 * 24);

/// Whether a stored answer could serve this request at all.
pub fn request_may_use_cache(request: &RequestHeader) -> bool {
    matches!(request.method, Method::GET | Method::HEAD)
        && !request.headers.contains_key(header::AUTHORIZATION)
        && !request.headers.contains_key(header::UPGRADE)
        && !request.headers.contains_key(header::TRANSFER_ENCODING)
        && !request.headers.contains_key(header::CONTENT_LENGTH)
}

/// Whether, and until when, an answer may be stored.
pub fn admit(request: &RequestHeader, response: &ResponseHeader, settings: &config::Cache) -> RespCacheable {
    let Some(lifetime) = lifetime(request, response, settings.object_bytes_max) else {
        return RespCacheable::Uncacheable(NoCacheReason::OriginNotCache);
    };
    let stale_if_error = CacheControl::from_resp_headers(response)
        .and_then(|control| control.serve_stale_if_error_duration())
        .map_or(settings.stale_if_error_seconds, |said| u32::try_from(said.as_secs()).unwrap_or(u32::MAX));
    let now = SystemTime::now();
    RespCacheable::Cacheable(CacheMeta::new(now + lifetime, now, 0, stale_if_error, response.clone()))
}

fn lifetime(request: &RequestHeader, response: &ResponseHeader, bytes_max: usize) -> Option<Duration> {
    let headers = &response.headers;
    let storable = request_may_use_cache(request)
        && response.status == StatusCode::OK
        && !headers.contains_key(header::SET_COOKIE)
        && !headers.contains_key(header::AGE)
        && varies_by_encoding_at_most(response)
        && length(response).is_some_and(|length| length <= bytes_max);
    if !storable {
        return None;
    }
    let control = CacheControl::from_resp_headers(response)?;
    if !control.public() || control.private() || control.no_store() || control.no_cache() {
        return None;
    }
    // `s-maxage` is meant for shared caches, and this is one. What cannot be read is not stored.
    let seconds = match control.s_maxage().ok()? {
        Some(seconds) => seconds,
        None => control.max_age().ok()??,
    };
    (seconds > 0).then(|| Duration::from_secs(seconds.into()).min(LIFETIME_MAX))
}

fn length(response: &ResponseHeader) -> Option<usize> {
    response.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn varies_by_encoding_at_most(response: &ResponseHeader) -> bool {
    let values = response.headers.get_all(header::VARY).iter();
    values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).all(|name| {
        let name = name.trim_ascii();
        name.is_empty() || name.eq_ignore_ascii_case(b"accept-encoding")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 2] = [("cache-control", "public, max-age=60"), ("content-length", "2")];

    fn stored_seconds(request: &[(&'static str, &str)], response: &[(&'static str, &str)]) -> Option<u64> {
        let mut asked = RequestHeader::build("GET", b"/", None).expect("test request");
        for (name, value) in request {
            asked.append_header(*name, *value).expect("test header");
        }
        let mut answered = ResponseHeader::build(200, None).expect("test response");
        for (name, value) in response {
            answered.append_header(*name, *value).expect("test header");
        }
        lifetime(&asked, &answered, 1_000).map(|lifetime| lifetime.as_secs())
    }

    fn with(extra: (&'static str, &'static str)) -> Option<u64> {
        stored_seconds(&[], &[GOOD[0], GOOD[1], extra])
    }

    #[test]
    fn public_with_a_lifetime_is_stored() {
        assert_eq!(stored_seconds(&[], &GOOD), Some(60));
        assert_eq!(with(("vary", "Accept-Encoding")), Some(60));
        let shared = [("cache-control", "public, max-age=60, s-maxage=5"), ("content-length", "2")];
        assert_eq!(stored_seconds(&[], &shared), Some(5));
    }

    #[test]
    fn what_belongs_to_one_client_is_not() {
        assert_eq!(with(("set-cookie", "a=b")), None);
        assert_eq!(with(("vary", "Cookie")), None);
        assert_eq!(with(("vary", "*")), None);
        assert_eq!(with(("cache-control", "private")), None);
        assert_eq!(with(("cache-control", "no-store")), None);
        assert_eq!(with(("cache-control", "no-cache")), None);
        assert_eq!(stored_seconds(&[("authorization", "x")], &GOOD), None);
    }

    #[test]
    fn neither_is_what_is_doubtful() {
        assert_eq!(with(("age", "3")), None);
        assert_eq!(stored_seconds(&[], &[GOOD[0]]), None);
        assert_eq!(stored_seconds(&[], &[GOOD[0], ("content-length", "1001")]), None);
        assert_eq!(stored_seconds(&[], &[("cache-control", "max-age=60"), GOOD[1]]), None);
        assert_eq!(stored_seconds(&[], &[("cache-control", "public"), GOOD[1]]), None);
        assert_eq!(stored_seconds(&[], &[("cache-control", "public, max-age=0"), GOOD[1]]), None);
        assert_eq!(stored_seconds(&[], &[("cache-control", "public, max-age=x"), GOOD[1]]), None);
    }
}
