//! Which requests share an answer: scheme, host, method, path and query; and `Accept-Encoding` where an
//! answer says that it varies by it.

use http::header;
use pingora::cache::key::HashBinary;
use pingora::cache::{CacheKey, CacheMeta, VarianceBuilder};
use pingora::http::RequestHeader;

/// The key of a request. HEAD shares the answer to GET, which is what is fetched for it. By which scheme it was asked is told to the
/// service, which may send whoever comes without TLS elsewhere.
pub fn of(request: &RequestHeader, secure: bool) -> CacheKey {
    let scheme = if secure { "https" } else { "http" };
    let host = request.headers.get(header::HOST).map_or(&[][..], |host| host.as_bytes());
    let parts = [scheme.as_bytes(), &host.to_ascii_lowercase(), b"GET", request.raw_path()];
    let mut primary = Vec::with_capacity(64 + request.raw_path().len());
    for part in parts {
        // Lengths first, so that no two different lists of parts read the same.
        primary.extend_from_slice(&(part.len() as u64).to_be_bytes());
        primary.extend_from_slice(part);
    }
    CacheKey::new(primary, "")
}

/// Tells apart what one URL answers to different requests. Only `Accept-Encoding` ever gets this far.
pub fn variance(stored: &CacheMeta, request: &RequestHeader) -> Option<HashBinary> {
    stored.headers().get(header::VARY)?;
    let mut accepted = Vec::new();
    for value in request.headers.get_all(header::ACCEPT_ENCODING) {
        accepted.extend_from_slice(&value.as_bytes().to_ascii_lowercase());
        accepted.push(b',');
    }
    let mut variance = VarianceBuilder::new();
    variance.add_owned_value("accept-encoding", accepted);
    variance.finalize()
}

#[cfg(test)]
mod tests {
    use pingora::cache::key::CacheHashKey;

    use super::*;

    fn request(method: &str, path: &str, host: &str) -> RequestHeader {
        let mut request = RequestHeader::build(method, path.as_bytes(), None).expect("test request");
        request.insert_header("host", host).expect("test header");
        request
    }

    fn key(method: &str, path: &str, host: &str) -> HashBinary {
        of(&request(method, path, host), false).primary_bin()
    }

    #[test]
    fn what_was_asked_by_tls_is_kept_apart() {
        let request = request("GET", "/a", "x");
        assert_ne!(of(&request, true).primary_bin(), of(&request, false).primary_bin());
    }

    #[test]
    fn host_path_and_query_tell_apart_and_case_of_host_does_not() {
        let base = key("GET", "/a?b=1", "x");
        assert_eq!(base, key("HEAD", "/a?b=1", "X"));
        assert_ne!(base, key("GET", "/a?b=2", "x"));
        assert_ne!(base, key("GET", "/a", "x"));
        assert_ne!(base, key("GET", "/a?b=1", "y"));
    }
}
