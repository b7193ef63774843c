//! How long an answer is fresh and how old it is: RFC 9111, 4.2. Pure.

use std::time::{Duration, SystemTime};

use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName};

use super::control::{Control, SECONDS_MAX, delta_seconds};

/// The part of its time since the last change that an answer without a lifetime is taken for fresh.
const HEURISTIC_SHARE: u32 = 10;

/// Statuses that may be stored without being told for how long (RFC 9110, 15.1), but for the one of a part.
const HEURISTIC: [u16; 11] = [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501];

/// For how long an answer is fresh, from when the origin made it.
pub fn lifetime(
    status: StatusCode,
    headers: &HeaderMap,
    control: &Control,
    now: SystemTime,
    heuristic_max: Duration,
) -> Duration {
    let said = control.s_maxage.or(control.max_age).or_else(|| until_expires(headers, control, now));
    let lifetime = said.unwrap_or_else(|| heuristic(status, headers, control, now).min(heuristic_max));
    lifetime.min(Duration::from_secs(SECONDS_MAX))
}

/// How old an answer is as it arrives, `delay` after it was asked for (RFC 9111, 4.2.3).
pub fn age_on_arrival(headers: &HeaderMap, now: SystemTime, delay: Duration) -> Duration {
    // `Date` has no parts of a second, so neither has what is told by it.
    let passed = date(headers).and_then(|date| now.duration_since(date).ok());
    let apparent = Duration::from_secs(passed.map_or(0, |passed| passed.as_secs()));
    // Of several values the first one counts, and one that is no number does not (RFC 9111, 5.1).
    let field = headers.get(header::AGE).and_then(|age| age.to_str().ok());
    let said = field.and_then(|age| delta_seconds(age.split(',').next().unwrap_or_default().trim()));
    // Without caches on the way, the time it took does not make it older than the day it carries.
    said.map_or(apparent, |age| apparent.max(age + delay))
}

/// When the origin made it, if it says so.
pub fn date(headers: &HeaderMap) -> Option<SystemTime> {
    time(headers, &header::DATE)
}

/// The time in a field; none when there is none, or several, or it cannot be read.
pub fn time(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (Some(only), None) => only.to_str().ok().and_then(|text| httpdate::parse_http_date(text).ok()),
        _ => None,
    }
}

/// `Expires` is not read beside a targeted field, and what it says wrongly is in the past.
fn until_expires(headers: &HeaderMap, control: &Control, now: SystemTime) -> Option<Duration> {
    if control.targeted || !headers.contains_key(header::EXPIRES) {
        return None;
    }
    let made = date(headers).unwrap_or(now);
    let lifetime = time(headers, &header::EXPIRES).and_then(|expires| expires.duration_since(made).ok());
    Some(lifetime.unwrap_or_default())
}

fn heuristic(status: StatusCode, headers: &HeaderMap, control: &Control, now: SystemTime) -> Duration {
    if !control.public && !HEURISTIC.contains(&status.as_u16()) {
        return Duration::ZERO;
    }
    let changed = time(headers, &header::LAST_MODIFIED);
    let made = date(headers).unwrap_or(now);
    let unchanged = changed.and_then(|changed| made.duration_since(changed).ok());
    unchanged.unwrap_or_default() / HEURISTIC_SHARE
}

/// How long the body will be, where that is known before it comes.
pub fn body_length(status: StatusCode, headers: &HeaderMap) -> Option<usize> {
    if matches!(status, StatusCode::NO_CONTENT) {
        return Some(0);
    }
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1994-11-06T08:49:37Z.
    const NOW_SECONDS: u64 = 784_111_777;

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(NOW_SECONDS)
    }

    fn at(offset: i64) -> String {
        let seconds = NOW_SECONDS.checked_add_signed(offset).expect("test time");
        httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
    }

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().expect("test value"));
        }
        headers
    }

    fn seconds(status: u16, fields: &[(&'static str, &str)]) -> u64 {
        let (status, headers) = (StatusCode::from_u16(status).expect("test status"), headers(fields));
        let control = Control::of_response(&headers);
        lifetime(status, &headers, &control, now(), Duration::from_mins(5)).as_secs()
    }

    fn age(fields: &[(&'static str, &str)]) -> u64 {
        age_on_arrival(&headers(fields), now(), Duration::from_secs(2)).as_secs()
    }

    #[test]
    fn rfc9111_4_2_1_s_maxage_before_max_age_before_expires() {
        let expires = at(30);
        let cdn = ("cdn-cache-control", "max-age=50");
        let all = ("cache-control", "max-age=60, s-maxage=5");
        assert_eq!(seconds(200, &[cdn, all, ("expires", &expires)]), 50);
        assert_eq!(seconds(200, &[all, ("expires", &expires)]), 5);
        assert_eq!(seconds(200, &[("cache-control", "max-age=60"), ("expires", &expires)]), 60);
        assert_eq!(seconds(200, &[("expires", &expires)]), 30);
        assert_eq!(seconds(200, &[("cdn-cache-control", "public"), ("expires", &expires)]), 0);
    }

    #[test]
    fn rfc9111_5_3_expires_counts_from_date_and_is_past_when_it_cannot_be_read() {
        assert_eq!(seconds(200, &[("date", &at(-100)), ("expires", &at(20))]), 120);
        assert_eq!(seconds(200, &[("date", &at(0)), ("expires", &at(-20))]), 0);
        let modified = at(-1_000);
        for expires in ["0", "-1", "tomorrow", ""] {
            assert_eq!(seconds(200, &[("expires", expires), ("last-modified", &modified)]), 0, "{expires:?}");
        }
        assert_eq!(seconds(200, &[("expires", &at(20)), ("expires", &at(30))]), 0);
    }

    #[test]
    fn rfc9111_4_2_2_a_tenth_of_the_time_unchanged_within_a_bound() {
        assert_eq!(seconds(200, &[("date", &at(-100)), ("last-modified", &at(-1_100))]), 100);
        assert_eq!(seconds(404, &[("last-modified", &at(-1_000))]), 100);
        assert_eq!(seconds(200, &[("last-modified", &at(-1_000_000))]), 300);
        assert_eq!(seconds(200, &[("last-modified", &at(10))]), 0);
        assert_eq!(seconds(302, &[("last-modified", &at(-1_000))]), 0);
        assert_eq!(seconds(302, &[("last-modified", &at(-1_000)), ("cache-control", "public")]), 100);
        assert_eq!(seconds(200, &[]), 0);
    }

    #[test]
    fn rfc9111_4_2_3_age_is_the_greater_of_what_date_and_age_say() {
        assert_eq!(age(&[]), 0);
        assert_eq!(age(&[("date", &at(-10))]), 10);
        assert_eq!(age(&[("date", &at(10))]), 0);
        assert_eq!(age(&[("age", "20"), ("date", &at(-10))]), 22);
        assert_eq!(age(&[("age", "3"), ("date", &at(-10))]), 10);
        assert_eq!(age(&[("age", "20, 5")]), 22);
        assert_eq!(age(&[("age", "x"), ("date", &at(-10))]), 10);
    }
}
