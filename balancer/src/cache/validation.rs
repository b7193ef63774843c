//! Validators and what is checked with them: RFC 9110, 13, as far as a cache does it (RFC 9111, 3.2 and 4.3). Pure.

use std::time::Duration;

use http::header::{self, HeaderMap, HeaderName};
use http::{HeaderValue, Method, StatusCode};

use super::freshness::{date, time};

/// What a 304 never changes: it is about the body that is stored, or about the connection (RFC 9111, 3.2). By what an answer
/// varies is looked at before.
const KEPT: [HeaderName; 6] = [
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::CONTENT_TYPE,
    header::CONTENT_RANGE,
    header::TRANSFER_ENCODING,
    header::VARY,
];

/// Whether the client has what is stored.
pub fn not_modified(method: &Method, request: &HeaderMap, status: StatusCode, stored: &HeaderMap) -> bool {
    if status != StatusCode::OK || !matches!(*method, Method::GET | Method::HEAD) {
        return false;
    }
    if request.contains_key(header::IF_NONE_MATCH) {
        let mut lines = request.get_all(header::IF_NONE_MATCH).iter();
        return lines
            .any(|line| names_tag(line.as_bytes(), stored.get(header::ETAG).map(HeaderValue::as_bytes)));
    }
    let Some(since) = time(request, &header::IF_MODIFIED_SINCE) else { return false };
    let changed = time(stored, &header::LAST_MODIFIED).or_else(|| date(stored));
    changed.is_some_and(|changed| changed <= since)
}

/// Whether a list of entity tags has one in it, by weak comparison (RFC 9110, 8.8.3.2).
fn names_tag(list: &[u8], stored: Option<&[u8]>) -> bool {
    if list.trim_ascii() == b"*" {
        return true;
    }
    let Some(stored) = stored.map(opaque) else { return false };
    tags(list).any(|tag| opaque(tag) == stored)
}

fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// The tags of a list: from quote to quote, as there may be commas in them.
fn tags(mut list: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let begin = list.iter().position(|byte| !matches!(byte, b',' | b' ' | b'\t'))?;
        list = &list[begin..];
        let quote = list.iter().position(|byte| *byte == b'"')?;
        let end = quote + 2 + list[quote + 1..].iter().position(|byte| *byte == b'"')?;
        let (tag, rest) = list.split_at(end);
        list = rest;
        Some(tag)
    })
}

/// Whether a part may be sent: the client has the rest of the very same bytes, or does not ask (RFC 9110, 13.1.5).
pub fn range_applies(method: &Method, request: &HeaderMap, stored: &HeaderMap) -> bool {
    if *method != Method::GET {
        return false;
    }
    let Some(condition) = request.get(header::IF_RANGE) else { return true };
    if condition.as_bytes().ends_with(b"\"") {
        return !condition.as_bytes().starts_with(b"W/") && stored.get(header::ETAG) == Some(condition);
    }
    let changed = time(stored, &header::LAST_MODIFIED);
    // What changed within a second of being sent may have changed again in the same second (RFC 9110, 8.8.2.2).
    let settled = changed.zip(date(stored)).is_some_and(|(changed, sent)| {
        sent.duration_since(changed).is_ok_and(|quiet| quiet >= Duration::from_secs(1))
    });
    settled && stored.get(header::LAST_MODIFIED) == Some(condition)
}

/// Whether a 304 is about the answer that is stored (RFC 9111, 4.3.4).
pub fn confirms(fresh: &HeaderMap, stored: &HeaderMap) -> bool {
    match (fresh.get(header::ETAG), stored.get(header::ETAG)) {
        (Some(fresh), Some(stored)) => opaque(fresh.as_bytes()) == opaque(stored.as_bytes()),
        (Some(_), None) => false,
        (None, _) => true,
    }
}

/// What a 304 changes in the header of the stored answer: every field it has, but for a few (RFC 9111, 3.2).
pub fn updates(fresh: &HeaderMap) -> impl Iterator<Item = &HeaderName> {
    fresh.keys().filter(|name| !KEPT.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EARLY: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const LATER: &str = "Sun, 06 Nov 1994 08:50:00 GMT";

    fn map(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().expect("test value"));
        }
        headers
    }

    fn has(request: &[(&'static str, &str)], stored: &[(&'static str, &str)]) -> bool {
        not_modified(&Method::GET, &map(request), StatusCode::OK, &map(stored))
    }

    #[test]
    fn rfc9110_13_1_2_if_none_match_compares_weakly() {
        let stored = [("etag", "\"a,b\"")];
        for tag in ["\"a,b\"", "W/\"a,b\"", "\"x\", \"a,b\"", "\"x\",W/\"a,b\" ", "*", "\"\", \"a,b\""] {
            assert!(has(&[("if-none-match", tag)], &stored), "{tag}");
        }
        for tag in ["\"a\"", "a,b", "\"x,\"a,b\"\"", "\"\"", "", "\"a,b", "\"*\""] {
            assert!(!has(&[("if-none-match", tag)], &stored), "{tag}");
        }
        assert!(has(&[("if-none-match", "\"a\"")], &[("etag", "W/\"a\"")]));
    }

    #[test]
    fn rfc9110_13_1_3_if_modified_since_counts_when_there_is_no_tag() {
        let stored = [("last-modified", EARLY), ("etag", "\"a\"")];
        assert!(
            has(&[("if-modified-since", EARLY)], &stored) && has(&[("if-modified-since", LATER)], &stored)
        );
        assert!(!has(&[("if-modified-since", EARLY)], &[("last-modified", LATER)]));
        assert!(!has(&[("if-modified-since", LATER), ("if-none-match", "\"b\"")], &stored));
        assert!(!has(&[("if-modified-since", "yesterday")], &stored));
        assert!(has(&[("if-modified-since", LATER)], &[("date", EARLY)]));
        assert!(!not_modified(
            &Method::GET,
            &map(&[("if-none-match", "\"a\"")]),
            StatusCode::NOT_FOUND,
            &map(&stored)
        ));
    }

    #[test]
    fn rfc9110_13_1_5_if_range_compares_strongly() {
        let applies = |condition: &str, stored: &[(&'static str, &str)]| {
            range_applies(&Method::GET, &map(&[("if-range", condition)]), &map(stored))
        };
        assert!(applies("\"a\"", &[("etag", "\"a\"")]));
        assert!(!applies("\"b\"", &[("etag", "\"a\"")]));
        assert!(!applies("W/\"a\"", &[("etag", "W/\"a\"")]));
        assert!(applies(EARLY, &[("last-modified", EARLY), ("date", LATER)]));
        assert!(!applies(LATER, &[("last-modified", EARLY), ("date", LATER)]));
        assert!(!applies(EARLY, &[("last-modified", EARLY), ("date", EARLY)]));
        assert!(range_applies(&Method::GET, &map(&[]), &map(&[])));
        assert!(!range_applies(&Method::HEAD, &map(&[]), &map(&[])));
    }

    #[test]
    fn rfc9111_4_3_4_a_304_is_about_the_answer_with_its_tag() {
        let stored = map(&[("etag", "\"a\"")]);
        assert!(confirms(&map(&[("etag", "\"a\"")]), &stored) && confirms(&map(&[]), &stored));
        assert!(!confirms(&map(&[("etag", "\"b\"")]), &stored));
        assert!(!confirms(&map(&[("etag", "\"b\"")]), &map(&[])));
    }

    #[test]
    fn rfc9111_3_2_what_a_304_changes() {
        let fresh = map(&[("date", EARLY), ("content-length", "0"), ("content-type", "a/b"), ("x-new", "1")]);
        let names: Vec<&str> = updates(&fresh).map(HeaderName::as_str).collect();
        assert_eq!(names, ["date", "x-new"]);
    }
}
